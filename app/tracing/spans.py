"""The port of tracing: spans as values, who records them, and the one who records nothing.

A trace is carried as a W3C ``traceparent`` (https://www.w3.org/TR/trace-context/): in a task as ``current``, in Redis
with the job. No span ever has a prompt, an answer's text or an error's message: attributes are names, figures, codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

Value = str | int | float | bool | tuple[str, ...]
Kind = Literal["internal", "server", "client", "consumer"]

current: ContextVar[str] = ContextVar("traceparent", default="")
"""The ``traceparent`` of what this task works on; empty: of nothing that is traced."""


def trace_id(context: str) -> str:
    """The trace's id, 32 hex digits, in a ``traceparent`` of ours; empty for an empty one."""
    return context[3:35]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """What happened within a span at ``at`` (Unix time in seconds)."""

    name: str
    at: float
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A span that is over, with what lies within it; times are Unix times in seconds, ``error`` is a code."""

    name: str
    began: float
    ended: float
    kind: Kind = "internal"
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    events: tuple[SpanEvent, ...] = ()
    children: tuple[Span, ...] = ()


class OpenSpan(Protocol):
    """A span that has begun. ``context`` is its ``traceparent``, also when it is not sampled; empty: there is none."""

    context: str
    recording: bool
    """Whether what is given to ``add`` and ``end`` is kept; else nothing needs to be put together for them."""

    def add(self, span: Span) -> None:
        """Record a span that lies within this one, and all that lie within that."""
        ...

    def end(self, at: float, attributes: Mapping[str, Value], *, name: str = "", error: str = "") -> None:
        """End it, once; ``name`` replaces the one that it began with. Nothing here waits for a network."""
        ...


class Tracer(Protocol):
    """Who records spans."""

    on: bool
    """False: it records nothing at all."""

    def begin(self, name: str, began: float, *, kind: Kind = "internal", parent: str = "", link: str = "") -> OpenSpan:
        """Begin a span of the trace of ``parent``; without one, or with one that is none, of a new trace.

        ``link`` is the ``traceparent`` of somebody who must not decide whether this is sampled.
        """
        ...


class NoSpan:
    """Nothing."""

    context = ""
    recording = False

    def add(self, span: Span) -> None:
        """Record nothing."""

    def end(self, at: float, attributes: Mapping[str, Value], *, name: str = "", error: str = "") -> None:
        """Record nothing."""


NO_SPAN = NoSpan()


class NoTracer:
    """Where no traces are configured."""

    on = False

    def begin(
        self,
        name: str,  # noqa: ARG002 - the Protocol's
        began: float,  # noqa: ARG002
        *,
        kind: Kind = "internal",  # noqa: ARG002
        parent: str = "",  # noqa: ARG002
        link: str = "",  # noqa: ARG002
    ) -> OpenSpan:
        """The one span that is none."""
        return NO_SPAN


NO_TRACER = NoTracer()
