"""A response's head goes with its body, and alone when no body follows at once."""

from __future__ import annotations

import asyncio
from typing import Any

from app.web.first_write import FirstWrite


class Transport:
    """Keeps what was written, each piece by itself."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def over(transport: Any) -> FirstWrite:
    return FirstWrite(transport, asyncio.get_running_loop())


async def test_head_and_body_are_one_piece_and_what_follows_is_sent_at_once() -> None:
    transport = Transport()
    writer = over(transport)
    for piece in (b"head ", b"body", b"more"):
        writer.write(piece)
    await asyncio.sleep(0)
    assert transport.pieces == [b"head body", b"more"]


async def test_a_head_without_a_body_goes_in_the_next_turn_of_the_loop() -> None:
    transport = Transport()
    writer = over(transport)
    writer.write(b"head")
    assert transport.pieces == []
    await asyncio.sleep(0)
    assert transport.pieces == [b"head"]
    writer.write(b"body")
    assert transport.pieces == [b"head", b"body"]


async def test_closing_sends_what_is_kept_first() -> None:
    transport = Transport()
    writer = over(transport)
    writer.write(b"head")
    writer.close()
    await asyncio.sleep(0)
    assert (transport.pieces, transport.closed) == ([b"head"], True)


async def test_what_is_kept_of_a_connection_that_is_lost_is_dropped() -> None:
    transport = Transport()
    writer = over(transport)
    writer.write(b"head")
    transport.close()
    await asyncio.sleep(0)
    assert transport.pieces == []
    assert writer.is_closing()
