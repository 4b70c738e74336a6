"""What a client of the wire would make of what the machine does: chunks, and the classes of errors."""

from __future__ import annotations

import asyncio
from typing import Final

from app.backends.base import BackendBroken, BackendError, BackendUnavailable, Chunk, Faulted, ServerTiming
from app.backends.ollama.failures import by_status, by_text
from app.simulator.api import wire
from app.simulator.engine.machine import Ended, Machine
from app.simulator.protocol.errors import Broken, ServerError

_RESET_AFTER: Final = 2


class Pieces:
    """A sink that merges what came since the last chunk; a wire that is cut lets nothing through."""

    def __init__(self, machine: Machine) -> None:
        self._faults = machine.faults
        self._texts: list[str] = []
        self._tokens = 0
        self._thinking = False
        self._news = asyncio.Event()
        self._chunks = 0
        self.begun = False
        self.lost = False

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        """Keep it until it is taken."""
        if self._faults.half_open:
            self.lost = True
            return True
        if not thinking:
            self._texts.append(text)
            self._tokens += tokens
        self._thinking = self._thinking or thinking
        self._news.set()
        return True

    def when_ready(self, resume: asyncio.Event) -> None:
        """It always is."""
        resume.set()

    def wake(self, _answering: object) -> None:
        """The answer is over; on a half-open connection nobody hears of it."""
        self.lost = self.lost or self._faults.half_open
        if not self.lost:
            self._news.set()

    async def arrived(self) -> None:
        """Wait for a piece or the end."""
        await self._news.wait()
        self._news.clear()

    @property
    def waiting(self) -> bool:
        """Whether a chunk can be taken."""
        return bool(self._texts) or self._thinking

    def take(self) -> Chunk:
        """Everything that has come, as one chunk; raises BackendBroken when the connection is cut at this point."""
        self._chunks += 1
        if self._chunks > _RESET_AFTER and (self._faults.half_line or self._faults.tcp_reset == "stream"):
            raise BackendBroken("the connection was cut in mid-answer")
        chunk = Chunk("".join(self._texts), self._tokens, thinking=self._thinking)
        self._texts, self._tokens, self._thinking = [], 0, False
        self.begun = self.begun or bool(chunk.text)
        return chunk


def result(answering: asyncio.Future[Ended], *, begun: bool) -> Ended:
    """How the answer ended; raises what a client would."""
    if answering.cancelled():
        raise (BackendBroken if begun else BackendUnavailable)("the machine went down")
    try:
        return answering.result()
    except ServerError as error:
        raise translated(error) from None
    except Broken as broken:
        raise _broken(broken.text, begun=begun) from None


def _broken(words: str | None, *, begun: bool) -> BackendError:
    """An error line, or (without words) just the end; ``begun``: after some text."""
    if words is None:
        return (BackendBroken if begun else BackendUnavailable)("closed before done: true")
    return Faulted(words) if begun else by_text(words)


def last_chunk(ended: Ended) -> Chunk:
    """The chunk that ends an answer."""
    timing = ServerTiming(
        ended.total_s, ended.load_s, ended.prompt_tokens, ended.prompt_s, ended.tokens, ended.decode_s
    )
    return Chunk(finish_reason="length" if ended.done_reason == "length" else "stop", timing=timing)


def translated(error: ServerError) -> BackendError:
    """The class that a client of the wire finds for a status and a text."""
    return by_status(error.status, wire.error_body(error.text))
