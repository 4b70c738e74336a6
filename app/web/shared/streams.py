"""Answers that take their time: the battle as server-sent events, and JSON that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import orjson
import structlog
from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect

from app.arena.viewing import Cursor, parse_cursor
from app.errors import ArenaError, InvalidInput, Unavailable
from app.tasks import cancel_and_wait
from app.web.shared.errors import error_response, redis_unavailable
from app.web.shared.event_stream import STREAM_HEADERS, EventStream
from app.web.shared.refusals import UNEXPECTED, details
from app.web.shared.services import Services

#: Silence that a CDN is left in before the first byte of whitespace, and between two of them.
WHITESPACE_AFTER_S = 9.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


def events_path(battle_id: str) -> str:
    """Where a battle's events are read; snapshots have it."""
    return f"/api/arena/battles/{battle_id}/events"


async def event_stream(services: Services, battle_id: str, request: Request, after: str | None) -> Response:
    """The battle as SSE from the cursor on; 204 when the cursor is the end's.

    A database that is unavailable is no reason to refuse: an EventSource that gets a 5xx never comes back. The battle
    is in Redis, or the stream stays open until one of the two is back.

    Raises:
        InvalidInput: the cursor is malformed.
        NotFound: there is no such battle.
    """
    # EventSource reconnects with its old URL and the newer header, so the header wins.
    header = request.headers.get("last-event-id")
    field, text = ("Last-Event-ID", header) if header else ("after", after)
    with suppress(Unavailable):
        await services.manager.check_known(battle_id)
    cursor: Cursor | None = None
    if text:
        try:
            cursor, at_end = parse_cursor(text)
        except ValueError:
            raise InvalidInput(f"{field} must be the id of an event, such as k7q2ab-57", field=field) from None
        if at_end:
            return Response(status_code=204, headers=STREAM_HEADERS)
    return EventStream(services.viewing.events(battle_id, cursor))


async def unless_left(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """The answer, or a part of it, given up when its reader leaves before it is there; the body has to be read by then.

    Raises:
        ClientDisconnect: he has left.
    """
    task = asyncio.create_task(answer, name=f"answer {request.url.path}")
    leaving = asyncio.create_task(_left(request), name="watch the reader")
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        await cancel_and_wait(task, leaving)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def patient_json(answer: Awaitable[dict[str, Any]], silence_s: float = WHITESPACE_AFTER_S) -> Response:
    """JSON that is never silent for longer than ``silence_s``: whitespace comes first while it is not ready.

    An error within the first silence keeps its status; after the first byte the status is 200, and the error is the
    body: it must be JSON whatever happens.
    """
    task = asyncio.ensure_future(answer)
    try:
        done, _ = await asyncio.wait({task}, timeout=silence_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return JSONResponse(task.result())
    return StreamingResponse(_whitespace_then(task, silence_s), media_type="application/json", headers=STREAM_HEADERS)


async def _whitespace_then(task: asyncio.Future[dict[str, Any]], silence_s: float) -> AsyncGenerator[bytes]:
    try:
        yield b" "
        while not (await asyncio.wait({task}, timeout=silence_s))[0]:
            yield b" "
        yield orjson.dumps(task.result())
    except ArenaError as error:
        yield _late(error)
    except RedisError as error:
        yield _late(redis_unavailable(error))
    except Exception as error:
        log.error("unexpected_error", error=repr(error), exc_info=error)
        yield orjson.dumps(UNEXPECTED)
    finally:
        await cancel_and_wait(task)


def _late(error: ArenaError) -> bytes:
    """The body of an error whose answer has begun as a 200."""
    log.info("refused_late", **details(error))
    return bytes(error_response(error).body)
