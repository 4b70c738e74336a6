"""JSON that waits: it may be late, and it is JSON whatever happens."""

from __future__ import annotations

import asyncio
import json

import pytest
from fastapi.responses import StreamingResponse
from redis.exceptions import ConnectionError as RedisConnectionError

from app.errors import NotFound, Unavailable
from app.web.shared.streams import patient_json

SILENCE_S = 0.02


async def late(answer, silences=2.5):
    await asyncio.sleep(silences * SILENCE_S)
    if isinstance(answer, Exception):
        raise answer
    return answer


async def pieces_of(response):
    assert isinstance(response, StreamingResponse)
    return [piece async for piece in response.body_iterator]


async def test_what_is_ready_at_once_has_no_whitespace():
    response = await patient_json(late({"a": 1}, 0), SILENCE_S)
    assert response.body == b'{"a":1}'


async def test_what_is_late_has_a_blank_for_each_silence():
    *blanks, body = await pieces_of(await patient_json(late({"a": 1}, 3.5), SILENCE_S))
    assert set(blanks) == {b" "}
    assert len(blanks) >= 2
    assert json.loads(b"".join(blanks) + body) == {"a": 1}


async def test_an_error_before_the_first_byte_keeps_its_status():
    with pytest.raises(NotFound):
        await patient_json(late(NotFound("there is none"), 0), SILENCE_S)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), "unavailable"),
        (RedisConnectionError("gone"), "redis_away"),
        (ValueError("a bug"), "internal"),
    ],
)
async def test_an_error_after_the_first_byte_is_the_body(error, code):
    body = json.loads(b"".join(await pieces_of(await patient_json(late(error), SILENCE_S))))
    assert body["code"] == code
    assert isinstance(body["error"], str)


async def test_a_caller_who_leaves_ends_the_wait():
    left = asyncio.Event()

    async def waiting():
        try:
            await asyncio.sleep(60)
        finally:
            left.set()

    response = await patient_json(waiting(), SILENCE_S)
    body = response.body_iterator
    assert await anext(body) == b" "
    await body.aclose()
    assert left.is_set()


async def test_a_caller_who_leaves_during_the_first_silence_ends_the_wait():
    left = asyncio.Event()

    async def waiting():
        try:
            await asyncio.sleep(60)
        finally:
            left.set()

    call = asyncio.create_task(patient_json(waiting(), 60))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(left.wait(), 1)
