"""The time of one answer: what was waited for, what the model took, and who says so.

Our own clock (``perf_counter`` of the driver's process) and the model server's six numbers are merged into one
``Timing``. Where each figure comes from:

=============== ==================================================================== ========================
figure          meaning                                                              source
=============== ==================================================================== ========================
queue_s         from enqueued to dispatched, less the load it waited for             ours (enqueued: wall clock)
load_s          the part of that wait in which its model was being loaded, plus      ours + ``load_duration``
                what the server loaded on the request itself
prompt_s        prefill: reading the prompt; only the part that wasn't cached        ``prompt_eval_duration``
ttft_s          from dispatched to the first content token; thinking comes before    ours
decode_s        writing, thinking included                                           ``eval_duration``, else ours from
                                                                                     the first token of any kind
total_s         from enqueued to the end                                             ours
tokens          tokens written, thinking included                                    ``eval_count``, else the pieces
                                                                                     of text that were counted
tokens_per_s    tokens / decode_s                                                    the two above
cold            the model was not in memory when the answer was enqueued or          ours, or ``load_duration`` over
                dispatched: it waited for a load                                     ``COLD_LOAD_S``
own_clock       ``decode_s``, and so ``tokens_per_s``, is by our clock: the server gives    ours
                no figure of its own
cached_prompt   the server had most of this prompt from an earlier request           see ``_prompt_was_cached``
cut_prompt      the server read far fewer tokens than the prompt has: it cut it     see ``_prompt_was_cut``
prompt_tokens   tokens of the prompt, cached ones included; 0: it is not known       ``prompt_eval_count``, usage
cost            what the host costs in the time from dispatch to end and in the      ours, ``price_per_hour``
                load, as if it wrote nothing else; None: it has no price
thinking_s      from the first thinking to the first content token, or to the end    ours
=============== ==================================================================== ========================

``None`` means that it was not reached or nobody measured it; 0.0 is a measured nothing. A warm Ollama reports a
``load_duration`` of 5-50 ms, which is its scheduler and not a load, hence the threshold for ``cold``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from pydantic import TypeAdapter

from app.backends.base import Chunk, ServerTiming

COLD_LOAD_S = 0.5
"""A ``load_duration`` above this was a load; below it, the server's own scheduling."""

CACHE_MIN_TOKENS = 64
"""Below this, reading a prompt costs about one decode step, cached or not: it says nothing."""

CACHE_STEPS = 1.5
"""A cached prompt is read in about one decode step; this many leave room for noise."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one answer went, in seconds; the module says how each figure is defined."""

    queue_s: float | None = None
    load_s: float | None = None
    prompt_s: float | None = None
    ttft_s: float | None = None
    decode_s: float | None = None
    total_s: float | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    cold: bool = False
    cached_prompt: bool = False
    thinking_s: float = 0.0
    own_clock: bool = False
    cut_prompt: bool = False
    prompt_tokens: int = 0
    cost: float | None = None

    def to_dict(self) -> dict[str, float | int | bool | None]:
        """Return the figures by name, rounded to microseconds, for storage and the log."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in fields.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Timing:
        """Read what ``to_dict`` wrote; unknown fields of a newer version are ignored.

        Raises:
            pydantic.ValidationError: a field has the wrong type.
        """
        return _TIMING.validate_python({key: value for key, value in stored.items() if key in cls.__slots__})


_TIMING = TypeAdapter(Timing)


def _prompt_was_cached(server: ServerTiming) -> bool:
    """Whether reading the prompt took no longer than a decode step or so.

    The server counts the whole prompt but times only the part that it had to read, so a long prompt that was read
    in the time of one or two tokens came from its cache. It holds on a GPU as on a CPU: both sides scale alike.
    Some servers say it themselves.
    """
    if server.cached_tokens is not None:
        return server.prompt_tokens > 0 and 2 * server.cached_tokens > server.prompt_tokens
    if server.prompt_tokens < CACHE_MIN_TOKENS or server.tokens < 1 or min(server.prompt_s, server.decode_s) <= 0:
        return False
    return server.prompt_s < CACHE_STEPS * server.decode_s / server.tokens


def _prompt_was_cut(server: ServerTiming, least_tokens: int) -> bool:
    """Whether the server read fewer tokens than the prompt has by any common tokenizer.

    Servers whose context is too small drop the rest of a prompt in silence and count what they kept. A count of next to
    nothing is that of a server which leaves out what it had cached.
    """
    return CACHE_MIN_TOKENS <= server.prompt_tokens < least_tokens


class Stopwatch:
    """Measures one attempt at an answer. Call ``dispatched``, then ``chunk`` for each, then ``stop``.

    It begins just before the dispatch: ``waited_s`` since it was enqueued, of which ``load_s`` for its model's load.
    The wait crosses processes, so it is measured by the wall clock; a clock that runs behind gives 0, not less.
    """

    def __init__(
        self,
        waited_s: float = 0.0,
        load_s: float = 0.0,
        clock: Callable[[], float] = perf_counter,
        price_per_hour: float | None = None,
    ) -> None:
        self._clock = clock
        self._price = price_per_hour
        self._waited = max(waited_s, 0.0)
        self._load = min(max(load_s, 0.0), self._waited)
        self._born = clock()
        self._sent: float | None = None
        self._thought: float | None = None
        self._wrote: float | None = None
        self._pieces = 0
        self._least_tokens = 0
        self._server = ServerTiming()

    @property
    def wrote(self) -> bool:
        """Whether a first token of the answer has come."""
        return self._wrote is not None

    def dispatched(self, least_tokens: int = 0, at: float | None = None) -> None:
        """Note that the request goes to the model server now, with a prompt of ``least_tokens`` or more.

        ``at`` is when it went there, if that was before: then the answer's time begins no later than that.
        """
        self._sent, self._least_tokens = self._clock() if at is None else at, least_tokens
        self._waited = max(self._waited, self._born - self._sent)

    def chunk(self, chunk: Chunk, at: float | None = None) -> None:
        """Note what came off the wire, now or ``at`` a time: thinking, text, or the end with the server's numbers."""
        now = self._clock() if at is None else at
        if chunk.restart:  # what had come was thinking
            self._thought, self._wrote = self._wrote if self._thought is None else self._thought, None
        if chunk.thinking and self._thought is None and self._wrote is None:
            self._thought = now
        if (chunk.text or chunk.calling) and self._wrote is None:
            self._wrote = now
        if chunk.text:
            self._pieces += chunk.tokens
        if chunk.timing is not None:
            self._server = chunk.timing

    def stop(self) -> Timing:
        """Give the figures as of now; may be asked again, the stopwatch goes on."""
        now, server = self._clock(), self._server
        sent = self._born if self._sent is None else self._sent
        tokens = server.tokens or self._pieces
        decode_s = self._decode_s(now)
        return Timing(
            queue_s=self._waited - self._load + sent - self._born,
            load_s=self._load + server.load_s,
            prompt_s=server.prompt_s if server.prompt_tokens and server.prompt_s > 0 else None,
            ttft_s=None if self._wrote is None else self._wrote - sent,
            decode_s=decode_s,
            total_s=self._waited + now - self._born,
            tokens=tokens,
            tokens_per_s=tokens / decode_s if tokens and decode_s else None,
            cold=self._load > 0 or server.load_s > COLD_LOAD_S,
            cached_prompt=_prompt_was_cached(server),
            cut_prompt=_prompt_was_cut(server, self._least_tokens),
            prompt_tokens=server.prompt_tokens,
            cost=None if self._price is None else (self._load + now - sent) / 3600 * self._price,
            own_clock=decode_s is not None and self._server.decode_s <= 0,
            thinking_s=0.0 if self._thought is None else (now if self._wrote is None else self._wrote) - self._thought,
        )

    def _decode_s(self, now: float) -> float | None:
        """Prefer the server's figure, else our own from the first token of any kind; None before it."""
        if self._server.decode_s > 0:
            return self._server.decode_s
        first = self._wrote if self._thought is None else self._thought
        return None if first is None else now - first
