"""What is read of a battle, or of whatever else has a log, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import orjson

from app.arena.document import Document
from app.backends.base import ToolCall
from app.timing.stopwatch import Timing
from app.timing.story import Step, from_json


@dataclass(frozen=True, slots=True)
class AnswerState:
    """One answer as Redis has it; ``stage`` is true while viewers see it, ``leak`` is its mark (never for them).

    ``shown_state`` and ``shown_text`` are what viewers know of ``state`` and ``text``, which may be behind. ``story``
    is for ops, ``cause`` and ``calls`` are as in ``app.scheduling.ports.Finish``; none of them is for viewers.
    ``story_json`` is the story as it was read: few ask for it.
    """

    token: int
    state: str
    attempts: int
    finish: str
    error: Mapping[str, str] | None
    timing: Timing | None
    host: str
    stage: bool
    text: str
    leak: str = ""
    shown_state: str = ""
    shown_text: str = ""
    story_json: bytes = b""
    cause: str = ""
    calls: tuple[ToolCall, ...] = ()

    @property
    def story(self) -> tuple[Step, ...]:
        """What happened to it on its way."""
        return from_json(self.story_json)

    @property
    def complete(self) -> bool:
        """True when it can be judged."""
        return self.finish in ("stop", "length")

    @property
    def end_is_shown(self) -> bool:
        """True when viewers know how it ended."""
        return self.shown_state in ("done", "failed")

    @property
    def failed(self) -> bool:
        """True when it ended without an answer."""
        return self.finish in ("error", "cancelled")


class Logged(Protocol):
    """What a log belongs to: a battle, or whatever else has answers; ``id`` is in the names of its keys."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def answer_count(self) -> int:
        """How many answers it has, from its beginning on."""
        ...

    @property
    def request_id(self) -> str:
        """That of the request which asked for it, for the log; empty when it is not known any more."""
        ...

    @property
    def format(self) -> int:
        """The number of the format that it is written in."""
        ...


D = TypeVar("D", bound=Logged)


@dataclass(frozen=True, slots=True)
class State(Generic[D]):
    """A battle as it was at one moment; ``n`` is the number of the last event of its log."""

    name: str
    version: int
    n: int
    ended: bool
    document: D
    answers: tuple[AnswerState, ...]

    @property
    def cursor(self) -> str:
        """The id of the last event."""
        return f"{self.name}-{self.n}-end" if self.ended else f"{self.name}-{self.n}"


BattleState = State[Document]


def answer_state(answer: Mapping[str, bytes]) -> AnswerState:
    """An answer as the script ``read`` gives it."""
    error, timing = answer["error"], answer["timing"]
    text, shown_state = answer["text"].decode(), answer["told"] or b"queued"
    shown = int(answer["shown"] or 0)
    ending = orjson.loads(answer["ending"] or b"{}")
    return AnswerState(
        token=int(answer["token"]),
        state=answer["state"].decode(),
        attempts=int(answer["attempts"]),
        finish=answer["finish"].decode(),
        error=orjson.loads(error) if error else None,
        timing=Timing.from_dict(orjson.loads(timing)) if timing else None,
        host=answer["host"].decode(),
        stage=bool(answer["stage"]),
        text=text,
        leak=(answer["leak"] or b"").decode(),
        shown_state="queued" if shown_state == b"loading" else shown_state.decode(),
        shown_text=text if shown >= len(answer["text"]) else answer["text"][:shown].decode(),
        story_json=answer.get("story") or b"",
        cause=ending.get("cause", ""),
        calls=tuple(ToolCall(**call) for call in ending.get("calls", ())),
    )
