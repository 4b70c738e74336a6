"""How an answer is read off its connection, whatever its protocol: within limits, and after its first text in ticks.

A protocol gives the request and a ``Fold``, which makes chunks of bytes and knows nothing of sockets or clocks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Protocol

from app.backends.base import BackendError, Chunk, LoadTimedOut, Overlong, Stalled
from app.backends.exchange import Exchange
from app.backends.server import LARGEST_ERROR, ModelServer, body_of, refuse_compressed
from app.backends.ticks import Ticks
from app.backends.timeouts import Timeouts

DEFAULT_TICK = timedelta(milliseconds=50)
GRACE_S = 2.0
"""How long figures that may follow a complete answer are waited for."""

Refused = Callable[[int, bytes, str], BackendError]
"""What a response other than a plain 200 means: (status, body, location) -> error."""


class Fold(Protocol):
    """Folds the bytes of one answer into chunks.

    ``failure`` is what ends the answer after the chunk that ``feed`` returned.
    """

    failure: BackendError | None

    @property
    def started(self) -> bool:
        """Whether text was given out."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, though figures may still follow; ``end`` then gives the last chunk."""
        ...

    def feed(self, data: bytes) -> Chunk | None:
        """Merge all that is whole in ``data`` into one chunk; None when it says nothing."""
        ...

    def end(self, cause: Exception | None) -> Chunk | None:
        """Take the end of the connection; ``failure`` is set unless the answer is whole."""
        ...


class AnswerReader:
    """Reads the answers of one server; ``clock`` is monotonic.

    After the first text an answer is read once a ``tick``, everything that has gathered as one chunk; zero reads it as
    it comes. ``refused`` is what a response other than 200 means.
    """

    def __init__(
        self,
        server: ModelServer,
        limits: Timeouts,
        refused: Refused,
        tick: timedelta = DEFAULT_TICK,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._server = server
        self._refused = refused
        self._first_s = limits.first_token.total_seconds()
        self._stall_s, self._total_s = limits.stall.total_seconds(), limits.total.total_seconds()
        self._ticks = Ticks(tick) if tick else None
        self._clock = clock

    async def stream(self, path: str, body: bytes, answer: Fold) -> AsyncGenerator[Chunk]:
        """POST ``body`` to ``path`` and yield what ``answer`` makes of the response, up to the ``finish_reason``.

        Raises:
            BackendError: before the first text any class; after it ``BackendBroken`` or a subclass.
        """
        exchange: Exchange | None = None
        try:
            exchange, chunk = await self._begin(path, body, answer)
            began = self._clock()
            yield chunk
            while chunk.finish_reason is None:
                chunk = await self._following(exchange, answer, began)
                yield chunk
        finally:
            if exchange is not None:
                exchange.close()

    async def _begin(self, path: str, body: bytes, answer: Fold) -> tuple[Exchange, Chunk]:
        """Connect, ask, and wait for the first chunk; what fails here leaves no connection."""
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(self._first_s):
                exchange = await self._server.begin("POST", path, body)
                refuse_compressed(exchange)
                if exchange.status not in (0, 200):
                    raise self._refused(exchange.status, await body_of(exchange, LARGEST_ERROR), exchange.location)
                return exchange, await _first(exchange, answer)
        except BaseException as error:
            if exchange is not None:
                exchange.close()
            if isinstance(error, TimeoutError):
                raise LoadTimedOut(f"no first token within {self._first_s:g} s") from None
            raise

    async def _following(self, exchange: Exchange, answer: Fold, began: float) -> Chunk:
        """The next chunk within the limits; once text has come, whatever gathered in a tick."""
        if answer.failure is not None:
            raise answer.failure
        heard = now = self._clock()
        while True:
            self._refuse_late(answer, now - began, now - heard)
            if answer.started and self._ticks is not None:
                exchange.pace()
                await self._ticks.next()
                data = exchange.take()
            else:
                left_s = GRACE_S if answer.complete else min(self._stall_s, began + self._total_s - now)
                data = await _soon(exchange, left_s)
            now = self._clock()
            heard = now if data else heard
            chunk = _folded(exchange, answer, data)
            if chunk is None and answer.complete and now - heard >= GRACE_S:
                chunk = answer.end(None)
            if chunk is not None:
                return chunk

    def _refuse_late(self, answer: Fold, written_s: float, silent_s: float) -> None:
        if answer.complete:
            return
        if written_s >= self._total_s:
            raise Overlong(f"not finished within {self._total_s:g} s")
        if silent_s >= self._stall_s:
            raise Stalled(f"silent for {self._stall_s:g} s")


async def _soon(exchange: Exchange, limit_s: float) -> bytes:
    """The next bytes as they come; ``b""`` at the end or after ``limit_s`` seconds."""
    try:
        async with asyncio.timeout(limit_s):
            return await exchange.read()
    except TimeoutError:
        return b""


async def _first(exchange: Exchange, answer: Fold) -> Chunk:
    """Read until there is something to yield."""
    while True:
        data = await (_soon(exchange, GRACE_S) if answer.complete else exchange.read())
        chunk = _folded(exchange, answer, data)
        if chunk is None and answer.complete and not data:
            chunk = answer.end(None)
        if chunk is not None:
            return chunk


def _folded(exchange: Exchange, answer: Fold, data: bytes) -> Chunk | None:
    """Fold ``data`` in; raise the answer's failure when nothing can be yielded before it."""
    chunk = answer.feed(data) if data else None
    if chunk is None and exchange.ended and not data and answer.failure is None:
        chunk = answer.end(exchange.error)
    if chunk is None and answer.failure is not None:
        raise answer.failure
    return chunk
