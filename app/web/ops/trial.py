"""What ``arena doctor --url`` asks: slow answers and streams on purpose, with the admin key, two at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from app.errors import Forbidden
from app.tasks import cancel_and_wait
from app.web.shared.access import has_admin_key
from app.web.shared.event_stream import EventStream
from app.web.shared.services import Wired

MOST_AT_ONCE = 2
MOST_WAIT_S = 300
EVENT_EVERY_S = 0.1

Nonce = Annotated[str, Query(pattern=r"^[0-9a-f]{0,32}$")]
Seconds = Annotated[float, Query(ge=0, le=MOST_WAIT_S)]
Events = Annotated[int, Query(ge=1, le=100)]


async def _with_key(request: Request, services: Wired) -> None:
    """Let only the admin key pass: these answers cost nothing but connections, of which there are not many."""
    if not has_admin_key(request, services.settings):
        raise Forbidden("send ARENA_ADMIN_KEY as X-Admin-Key; this is for arena doctor --url", code="operators_only")


router = APIRouter(prefix="/api/arena/trial", include_in_schema=False, dependencies=[Depends(_with_key)])


class _Slots:
    """How many slow answers this process gives at this moment."""

    def __init__(self) -> None:
        self.taken = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


slots = _Slots()


def _full() -> Response:
    words = f"{MOST_AT_ONCE} slow answers are given at once; try again when one has ended"
    return JSONResponse({"error": {"code": "too_many", "message": words}}, 429, {"Retry-After": "5"})


@router.get("/wait")
async def wait(request: Request, services: Wired, seconds: Seconds = 0.0, nonce: Nonce = "") -> Response:
    """Answer after so many seconds, in silence until then, with what arrived: the names of the headers."""
    if nonce:
        await services.arrivals.note(nonce)
    if seconds and slots.taken >= MOST_AT_ONCE:
        return _full()
    if seconds:
        async with slots.one():
            await _silence(request, seconds)
    body: dict[str, Any] = {"id": secrets.token_hex(8), "headers": sorted(set(request.headers.keys()))}
    return JSONResponse(body)


async def _silence(request: Request, seconds: float) -> None:
    """Wait, at most until the caller is gone: a proxy that gave up must not hold a slot for the next call."""
    gone = asyncio.create_task(_gone(request), name="caller of a slow answer")
    try:
        await asyncio.wait({gone}, timeout=seconds)
    finally:
        await cancel_and_wait(gone)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@router.get("/arrivals")
async def arrivals(services: Wired, nonce: Nonce) -> dict[str, int]:
    """How often a request with this nonce has arrived, at any process."""
    return {"arrivals": await services.arrivals.count(nonce)}


@router.get("/stream")
async def stream(events: Events = 20, silent: Seconds = 0.0) -> Response:
    """So many events, one each ``EVENT_EVERY_S``, then silence but for heartbeats, then an end."""
    if slots.taken >= MOST_AT_ONCE:
        return _full()
    return EventStream(_events(events, silent))


async def _events(count: int, silent: float) -> AsyncGenerator[bytes]:
    async with slots.one():
        for number in range(count):
            data = orjson.dumps({"n": number, "text": "word " * 8})
            yield b"id: %d\nevent: trial\ndata: %b\n\n" % (number, data)
            await asyncio.sleep(EVENT_EVERY_S)
        await asyncio.sleep(silent)
        yield b"event: end\ndata: {}\n\n"
