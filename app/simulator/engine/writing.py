"""One answer being written: which pieces come when, where it stops, and how it can break in the middle."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from app.simulator.engine.faults import Faults
from app.simulator.engine.rates import Jitter
from app.simulator.models.text import AnswerText
from app.simulator.protocol.errors import Broken

DoneReason = Literal["stop", "length", "load", "unload"]
_FIRST_TOKEN_S: Final = 1e-6  # the first token falls out of the prefill


class Sink(Protocol):
    """Where the pieces go, at the moment they are due."""

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        """Take some tokens' text; False when the reader is so slow that nothing more may be written for now."""
        ...

    def when_ready(self, resume: asyncio.Event) -> None:
        """Set the event when more can be taken."""
        ...


@dataclass(frozen=True, slots=True)
class WritePlan:
    """The pieces of an answer and how it ends; ``eval_count`` counts the tokens that were sampled."""

    pieces: tuple[str, ...]
    thinking: int
    done_reason: DoneReason
    eval_count: int
    breaks_at: int | None = None
    broken: Broken | None = None
    stall_at: int | None = None
    stall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """Where an answer has to stop: tokens (None: no limit) and stop sequences."""

    tokens: int | None = None
    stop: tuple[str, ...] = field(default=())


def write_plan(answer: AnswerText, limits: WriteLimits, faults: Faults) -> WritePlan:
    """What will happen, decided before the first token."""
    if faults.token_repeat is not None:
        return _repeating(answer, faults.token_repeat)
    pieces = (*answer.thinking, *_until_stop(answer.content, limits.stop))
    reason: DoneReason = "stop"
    count = len(pieces) + 1  # the end token, or the one that completed the stop sequence
    if limits.tokens is not None and len(pieces) >= limits.tokens:
        pieces, reason, count = pieces[: limits.tokens], "length", limits.tokens
    return _with_faults(WritePlan(pieces, min(len(answer.thinking), len(pieces)), reason, count), faults)


def _until_stop(content: tuple[str, ...], stops: tuple[str, ...]) -> tuple[str, ...]:
    text = "".join(content)
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    if not places:
        return content
    left, kept = min(places), []
    for piece in content:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(piece)
    return tuple(kept)


def _repeating(answer: AnswerText, flavour: str) -> WritePlan:
    word = next((piece for piece in answer.content if piece.strip()), "x")
    count = 30 if flavour == "old" else 100
    text = None if flavour == "old" else "prediction aborted, token repeat limit reached"
    return WritePlan((word,) * count, 0, "stop", count, count, Broken(text))


def _with_faults(made: WritePlan, faults: Faults) -> WritePlan:
    """The earliest break of those that are switched on; an answer that is too short for one breaks at its end."""
    running = "an error was encountered while running the model: "
    breaks = [
        (after, broken)
        for after, broken in (
            (faults.runtime_oom, Broken(running + "CUDA error: out of memory", "out_of_memory")),
            (faults.mid_stream_error, Broken(running + "unexpected EOF", "process_died")),
            (faults.eof_without_done, Broken(None)),
        )
        if after is not None
    ]
    last = max(1, len(made.pieces))
    if breaks:
        after, broken = min(breaks, key=lambda pair: pair[0])
        made = dataclasses.replace(made, breaks_at=max(1, min(after, last)), broken=broken)
    if faults.stall_s is not None:
        made = dataclasses.replace(made, stall_at=max(1, min(faults.stall_after, last - 1)), stall_s=faults.stall_s)
    return made


class Generation:
    """Plays a write plan as steps of work; ``grain`` tokens go out together, but the first is always alone.

    A slow reader pauses it.
    """

    def __init__(self, plan: WritePlan, jitter: Jitter, offset: int, token_s: float, sink: Sink, grain: int) -> None:
        self.plan = plan
        self.broken: Broken | None = None
        self.ended_at = 0.0
        self.is_blocked = False
        self._signal = asyncio.Event()
        self._over = False
        self._jitter = jitter
        self._offset = offset
        self._token_s = token_s
        self._sink = sink
        self._grain = grain
        self._written = 0
        self._next = 0
        self._end = len(plan.pieces) if plan.breaks_at is None else min(plan.breaks_at, len(plan.pieces))

    async def over_or_blocked(self) -> bool:
        """Wait until the last piece is out (True) or the reader is too slow (False)."""
        await self._signal.wait()
        self._signal.clear()
        return self._over

    async def reader_is_ready(self) -> None:
        """Wait until a slow reader takes more; a break ends the wait, too."""
        ready = asyncio.Event()
        self._sink.when_ready(ready)
        await ready.wait()
        self.is_blocked = False

    def break_off(self, broken: Broken) -> None:
        """Its process has died: nothing more will come."""
        self.broken = broken
        self._end_now(self.ended_at)

    def _end_now(self, at: float) -> None:
        self.ended_at = at
        self._over = True
        self._signal.set()

    def first(self) -> float:
        """The work of the first step."""
        self._next = min(1, self._end)
        return _FIRST_TOKEN_S

    def step(self, due: float) -> float | None:
        """Send what is due; the next step's work, ``inf`` while the reader is too slow, None at the end."""
        free = self._send(self._written, self._next)
        self._written = self._next
        if self._written >= self._end:
            self.broken = self.broken or self.plan.broken
            self._end_now(due)
            return None
        if not free:
            self.is_blocked = True
            self._signal.set()
            return math.inf
        return self.following()

    def following(self) -> float:
        """The work of the next step."""
        stop = self._end
        thinking = self.plan.thinking
        if self._written < thinking:
            stop = min(stop, thinking)
        stall = self.plan.stall_at
        if stall is not None and self._written < stall:
            stop = min(stop, stall)
        self._next = min(stop, self._written + self._grain)
        pause = self.plan.stall_s if self._written == stall else 0.0
        count = self._next - self._written
        return pause + self._jitter.steps(self._offset + self._written, count, self._token_s)

    def _send(self, start: int, stop: int) -> bool:
        pieces = self.plan.pieces
        if start == stop:
            return True
        text = pieces[start] if stop - start == 1 else "".join(pieces[start:stop])
        return self._sink.piece(text, stop - start, start < self.plan.thinking)
