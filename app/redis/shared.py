"""The client of a serving process: all its commands go over one connection, those of a moment in one write.

redis-py gives each command a connection of its pool for as long as it lasts, so a busy worker pays for a lease, a
system call and two time-outs per command, and a command that is cancelled closes its connection. Here replies are
matched with commands by their order, which Redis guarantees: what many tasks ask in one turn of the event loop is
written together and read together, and a command that is cancelled only drops its reply.

redis-py's own pool stays the fallback. It serves while there is no shared connection (which is opened in the
background, with redis-py's own login), and it sends again what was lost with one; that is safe because every
write of the arena may be sent twice (``app.redis.client``). Pipelines, transactions and subscriptions use it as before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis._parsers.base import BaseParser
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)

from app.redis.connection import COMMAND_TIMEOUT
from app.tasks import cancel_and_wait

RECONNECT_S = 0.25
"""So long after a failed connect the pool is used without trying again."""

_MAY_HEAL = (ConnectionError, BusyLoadingError, ReadOnlyError)


class SharedConnection(asyncio.Protocol):
    """A connection that redis-py has opened; ``ask`` sends a command and returns the future of its reply.

    A reply that takes longer than ``limit_s`` ends the connection: all that waits there fails with ``TimeoutError``.
    """

    def __init__(self, connection: AbstractConnection, limit_s: float) -> None:
        self.open = True
        self._connection = connection
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=BaseParser.parse_error)
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        writer = connection._writer  # the transport that redis-py has connected and logged in
        assert writer is not None
        self._transport = writer.transport
        self._transport.set_protocol(self)

    def ask(self, *command: Any) -> asyncio.Future[Any]:
        """Send a command with all that are sent in this turn of the event loop."""
        packed = self._packed(command)
        reply: asyncio.Future[Any] = self._loop.create_future()
        now = self._loop.time()
        self._waiting.append((reply, now))
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._limit_s, self._check)
        return reply

    def close(self, error: Exception | None = None) -> None:
        """End it; what still waits fails with ``error``."""
        self.open = False
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        while self._waiting:
            reply, _ = self._waiting.popleft()
            if not reply.done():
                reply.set_exception(error or ConnectionError("the connection to Redis was closed"))

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Hand the replies to who waits, in order."""
        self._reader.feed(data)
        try:
            while (found := self._reader.gets()) is not False:
                self._reply(found)
        except (InvalidResponse, IndexError) as error:
            self.close(ConnectionError(f"Redis answered what nobody asked ({type(error).__name__})"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits; it may be sent again."""
        self.close(ConnectionError(f"the connection to Redis was lost ({exc or 'closed by the server'})"))

    # Inside.

    def _packed(self, command: tuple[Any, ...]) -> bytes:
        name = command[0]
        words = tuple(name.split()) if " " in name else (name,)  # redis-py writes "SCRIPT LOAD" as one
        try:
            packed: bytes = hiredis.pack_command((*words, *command[1:]))
        except TypeError:  # redis-py takes a few more types, and says of all others which command had one
            return b"".join(self._connection.pack_command(*command))
        return packed

    def _reply(self, found: Any) -> None:
        reply, _ = self._waiting.popleft()
        if reply.done():
            return
        if isinstance(found, Exception):
            reply.set_exception(found)
        else:
            reply.set_result(found)

    def _send(self) -> None:
        if self.open:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _check(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        due = self._waiting[0][1] + self._limit_s
        if due <= self._loop.time():
            self.close(TimeoutError(f"Redis did not answer within {self._limit_s:g} s"))
        else:
            self._timer = self._loop.call_at(due, self._check)


class SharedRedis(Redis):
    """redis-py's client, with single commands over one shared connection whenever there is one."""

    limit_s = COMMAND_TIMEOUT.total_seconds()
    _shared: SharedConnection | None = None
    _connecting: asyncio.Task[None] | None = None
    _connect_after = 0.0
    _closed = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its reply as redis-py returns it."""
        shared = self._shared
        if shared is None or not shared.open or NEVER_DECODE in options:
            self._connect_in_background()
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        try:
            found = await shared.ask(*args)
        except TimeoutError:
            raise
        except _MAY_HEAL as error:
            if isinstance(error, ReadOnlyError):  # this name may lead to another server by now
                shared.close(error)
            if self._closed:
                raise
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except ResponseError:
            if EMPTY_RESPONSE in options:
                return options[EMPTY_RESPONSE]
            raise
        return self._understood(args[0], found, options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the shared connection and the pool."""
        self._closed = True
        if self._connecting is not None:
            await cancel_and_wait(self._connecting)
        if self._shared is not None:
            self._shared.close()
        await super().aclose(close_connection_pool)

    def _understood(self, name: Any, found: Any, options: dict[str, Any]) -> Any:
        """What redis-py makes of a reply."""
        callback = self.response_callbacks.get(name)
        if callback is None:
            return found
        kept = {key: value for key, value in options.items() if key not in ("keys", EMPTY_RESPONSE)}
        return callback(found, **kept)

    def _connect_in_background(self) -> None:
        loop = asyncio.get_running_loop()
        if (self._connecting is None or self._connecting.done()) and loop.time() >= self._connect_after:
            self._connect_after = loop.time() + RECONNECT_S
            self._connecting = loop.create_task(self._connect(), name="redis shared connection")

    async def _connect(self) -> None:
        pool = self.connection_pool
        connection = pool.connection_class(**pool.connection_kwargs)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (ConnectionError, TimeoutError, ResponseError, OSError):
            return  # whoever sends a command meanwhile hears it from the pool
        self._shared = SharedConnection(connection, self.limit_s)
