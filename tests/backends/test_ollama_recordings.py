"""What a real Ollama sent, played back byte for byte, chunk by chunk."""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.backends.base import BackendError, BadRequest, GenerationRequest, ModelNotFound, PromptTooLong, UpstreamFailed
from app.backends.ollama.backend import OllamaBackend
from tests.backends.wire_server import Connection, playing
from tests.helpers import known

RECORDINGS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "ollama-recordings" / "wire.json").read_text(encoding="utf-8")
)
CHATS = [exchange for exchange in RECORDINGS if exchange["request"]["path"] == "/api/chat"]


def pieces(exchange: dict[str, Any]) -> list[str]:
    return [text for _, text in exchange["response"]["chunks"]]


def streamed(exchange: dict[str, Any]) -> bool:
    whole = all(piece.startswith("{") for piece in pieces(exchange))  # long ones are cut in the middle
    return whole and exchange["response"]["headers"].get("Content-Type") == "application/x-ndjson"


STREAMS = {exchange["name"]: exchange for exchange in CHATS if streamed(exchange)}
FAILURES = {exchange["name"]: exchange for exchange in CHATS if exchange["response"]["status"] >= 400}
CLASSES: dict[int, type[BackendError]] = {400: BadRequest, 403: BadRequest, 404: ModelNotFound, 405: UpstreamFailed}
TOO_LONG = ("prompt too long, truncate default", "prompt too long, truncate false")
REQUEST = GenerationRequest("m", ())


@pytest.mark.parametrize("name", sorted(STREAMS))
async def test_a_recorded_stream_is_read_whole(name: str) -> None:
    sent = pieces(STREAMS[name])
    lines = [json.loads(line) for line in "".join(sent).splitlines()]

    async def script(connection: Connection) -> None:
        await connection.ok()
        for piece in sent:
            await connection.chunk(piece.encode())
        await connection.raw(b"0\r\n\r\n")

    async with playing(script) as wire:
        backend = OllamaBackend(wire.url, tick=timedelta(milliseconds=1))
        async with aclosing(backend.stream(REQUEST)) as stream:
            chunks = [chunk async for chunk in stream]
    last = lines[-1]
    assert "".join(chunk.text for chunk in chunks) == "".join(line["message"]["content"] for line in lines)
    assert chunks[-1].finish_reason == last["done_reason"]
    timing = known(chunks[-1].timing)
    assert (timing.prompt_tokens, timing.tokens) == (last["prompt_eval_count"], last["eval_count"])
    measured = (timing.total_s, timing.load_s, timing.prompt_s, timing.decode_s)
    recorded = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
    assert measured == pytest.approx(tuple(last[name] / 1e9 for name in recorded))


@pytest.mark.parametrize("name", sorted(FAILURES))
async def test_a_recorded_failure_has_its_class(name: str) -> None:
    response = FAILURES[name]["response"]
    body = "".join(pieces(FAILURES[name])).encode()

    async def script(connection: Connection) -> None:
        await connection.plain(f"{response['status']} Whatever", body)

    async with playing(script) as wire:
        with pytest.raises(BackendError) as caught:
            async with aclosing(OllamaBackend(wire.url).stream(REQUEST)) as stream:
                await anext(stream)
    if response["status"] < 500:
        assert type(caught.value) is (PromptTooLong if name in TOO_LONG else CLASSES[response["status"]])
    assert not str(caught.value).startswith("{")
    assert not caught.value.retryable
