"""The simulator's own listener: it makes the faults of the wire and passes everything else to the HTTP server.

Refused: the port is closed (a bound socket that does not listen keeps it). Reset: SO_LINGER 0 and close, so the client
gets an RST. Half-open: bytes are read and dropped. Half a line: a piece is cut in its middle, then closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from app.errors import ConfigurationError
from app.simulator.engine.faults import Faults
from app.simulator.protocol.http import HttpConnection
from app.tasks import cancel_and_wait

_STREAMING_FROM: Final = 3
_HIGH_WATER: Final = 32 * 1024


class Listener:
    """One address; ``inner`` makes the protocol that gets the bytes."""

    def __init__(self, host: str, port: int, faults: Faults, inner: Callable[[], HttpConnection]) -> None:
        self._address = (host, port)
        self._faults = faults
        self._inner = inner
        self._server: asyncio.Server | None = None
        self._parked: socket.socket | None = None
        self._wires: set[Wire] = set()
        self._changing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Bind and listen; raises ConfigurationError when the address can't be had."""
        try:
            self._parked = _bound(self._address)
        except OSError as error:
            host, port = self._address
            raise ConfigurationError(
                f"can't listen on {host}:{port}: {error.strerror}; choose another --host or --port"
            ) from None
        self._address = self._parked.getsockname()[:2]
        if not self._faults.connection_refused:
            await self._listen()
        self._faults.watch(self._changed)

    @property
    def port(self) -> int:
        """The port that was got."""
        return int(self._address[1])

    async def aclose(self) -> None:
        """Close the port and every connection."""
        try:
            if self._changing is not None:
                await cancel_and_wait(self._changing)
        finally:
            self._close_port()
            if self._parked is not None:
                self._parked.close()
            for wire in tuple(self._wires):
                wire.abort()

    def reset_all(self) -> None:
        """Reset every connection, as a machine that goes down does."""
        for wire in tuple(self._wires):
            wire.reset()

    def _changed(self) -> None:
        wanted = not self._faults.connection_refused
        if wanted == (self._server is not None):
            return
        if not wanted:
            self._close_port()
            self._parked = _bound(self._address)
            for wire in tuple(self._wires):
                wire.close_if_idle()
        elif self._changing is None or self._changing.done():
            self._changing = asyncio.get_running_loop().create_task(self._listen(), name="simulator listener")

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        parked, self._parked = self._parked, None
        assert parked is not None  # whoever closes the port parks it
        self._server = await loop.create_server(
            lambda: Wire(self._faults, self._inner(), self._wires), sock=parked, backlog=1024
        )

    def _close_port(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made


class Wire(asyncio.Protocol):
    """One accepted connection between the client and the HTTP server."""

    def __init__(self, faults: Faults, inner: HttpConnection, wires: set[Wire]) -> None:
        self._faults = faults
        self._inner = inner
        self._wires = wires
        self._transport: asyncio.Transport | None = None
        self._passing = True
        self._pieces = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass it on, unless it is to be reset at once."""
        self._transport = stream = cast(asyncio.Transport, transport)  # uvloop's are not of that class
        self._wires.add(self)
        if self._faults.tcp_reset == "accept":
            self._passing = False
            self.reset()
            return
        stream.set_write_buffer_limits(high=_HIGH_WATER)
        self._inner.connection_made(_Outgoing(self, stream))

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, swallow them, or close or reset when they came."""
        if self._faults.tcp_reset == "request":
            self.reset()
        elif self._faults.connection_refused and self._inner.is_idle:
            self.abort()  # it was busy when the port was closed; a server that has gone takes no further request on it
        elif self._passing and not self._faults.half_open:
            self._pieces = 0
            self._inner.data_received(data)

    def eof_received(self) -> bool:
        """A half-open connection stays; all others close, as Go's do."""
        return self._faults.half_open

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the HTTP server."""
        self._wires.discard(self)
        self._transport = None
        if self._passing:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The reader is slow."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._inner.resume_writing()

    def write(self, data: bytes) -> None:
        """Send what the HTTP server says, or what a fault leaves of it."""
        if self._transport is None or self._faults.half_open:
            return
        self._pieces += 1
        if self._pieces >= _STREAMING_FROM or b"\r\nContent-Length: " in data[:400]:
            if self._faults.half_line:
                self._transport.write(data[: max(1, len(data) * 2 // 3)])
                self._transport.close()
                return
            if self._faults.tcp_reset == "stream":
                self.reset()
                return
        self._transport.write(data)

    def reset(self) -> None:
        """Close with an RST."""
        if self._transport is None:
            return
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being served."""
        if self._transport is not None and self._inner.is_idle:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


class _Outgoing(asyncio.Transport):
    """What the HTTP server sees as its transport."""

    def __init__(self, wire: Wire, transport: asyncio.Transport) -> None:
        super().__init__()
        self._wire = wire
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Through the wire."""
        self._wire.write(bytes(data))

    def close(self) -> None:
        """Close after what was written."""
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed or closing."""
        return self._transport.is_closing()
