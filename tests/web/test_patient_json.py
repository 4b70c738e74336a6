"""JSON that waits: it may be late, and it is JSON whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse
from redis.exceptions import ConnectionError as RedisConnectionError

from app.errors import NotFound, Unavailable
from app.web.shared.streams import patient_json
from tests.helpers import PATIENCE_S

SILENCE_S = 0.02
Answer = asyncio.Future[dict[str, Any]]


def answer_of(result: dict[str, Any] | Exception) -> Answer:
    """An answer that is there already."""
    answer = Answer()
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
    return answer


def body_of(response: Response) -> AsyncGenerator[bytes]:
    assert isinstance(response, StreamingResponse)
    return cast(AsyncGenerator[bytes], response.body_iterator)


async def sent_when_late(result: dict[str, Any] | Exception) -> tuple[list[bytes], bytes]:
    """What is sent before the answer comes (three pieces), and what is sent from then on."""
    answer = Answer()
    async with aclosing(body_of(await patient_json(answer, SILENCE_S))) as body:
        before = [await anext(body) for _ in range(3)]
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
        return before, b"".join([piece async for piece in body])


async def test_what_is_ready_at_once_has_no_whitespace() -> None:
    response = await patient_json(answer_of({"a": 1}), SILENCE_S)
    assert response.body == b'{"a":1}'


async def test_what_is_late_has_a_blank_for_each_silence() -> None:
    blanks, body = await sent_when_late({"a": 1})
    assert blanks == [b" "] * 3
    assert json.loads(body) == {"a": 1}


async def test_an_error_before_the_first_byte_keeps_its_status() -> None:
    with pytest.raises(NotFound):
        await patient_json(answer_of(NotFound("there is none")), SILENCE_S)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), "unavailable"),
        (RedisConnectionError("gone"), "redis_away"),
        (ValueError("a bug"), "internal"),
    ],
)
async def test_an_error_after_the_first_byte_is_the_body(error: Exception, code: str) -> None:
    blanks, sent = await sent_when_late(error)
    body = json.loads(b"".join(blanks) + sent)
    assert body["code"] == code
    assert isinstance(body["error"], str)


class Waiting:
    """An answer that never comes; ``left`` is set when nobody waits for it any more."""

    def __init__(self) -> None:
        self.begun, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> dict[str, Any]:
        try:
            self.begun.set()
            return await Answer()
        finally:
            self.left.set()


async def test_a_caller_who_leaves_ends_the_wait() -> None:
    waiting = Waiting()
    body = body_of(await patient_json(waiting(), SILENCE_S))
    assert await anext(body) == b" "
    await body.aclose()
    assert waiting.left.is_set()


async def test_a_caller_who_leaves_during_the_first_silence_ends_the_wait() -> None:
    waiting = Waiting()
    call = asyncio.create_task(patient_json(waiting(), 60))
    await waiting.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(waiting.left.wait(), PATIENCE_S)
