"""What a real llama-server sent (``benchmarks/record_openai.py``): it is read right, and the double answers like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.backends.base import BackendError, BadRequest, ModelNotFound, PromptTooLong, UpstreamFailed
from app.backends.detection import recognised
from app.backends.openai.answer import ChatFold
from app.backends.openai.failures import by_status
from app.backends.openai.listing import listed_models
from tests.backends.chat_double import chat_double
from tests.helpers import known

FOLDER = Path(__file__).parents[1] / "data" / "openai-recordings"
KINDS = ("llama-server", "llama-router")
Exchanges = dict[str, dict[str, Any]]


def exchanges_with(kind: str) -> Exchanges:
    recorded = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return {exchange["name"]: exchange for exchange in recorded}


RECORDED = {kind: exchanges_with(kind) for kind in KINDS}


def body_of(exchange: dict[str, Any]) -> str:
    return "".join(exchange["response"]["chunks"])


def frames_of(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


STREAMS = [
    (kind, name)
    for kind, exchanges in RECORDED.items()
    for name, exchange in exchanges.items()
    if exchange["response"]["headers"].get("content-type", "").startswith("text/event-stream")
]
FAILURES: dict[tuple[str, str], type[BackendError]] = {
    ("llama-server", "prompt too long"): PromptTooLong,
    ("llama-server", "no messages"): BadRequest,
    ("llama-server", "wrong type"): BadRequest,
    ("llama-server", "no JSON"): UpstreamFailed,
    ("llama-router", "load an unknown model"): ModelNotFound,
    ("llama-router", "load what is loaded"): BadRequest,
}


def test_there_are_streams_of_both() -> None:
    assert {kind for kind, _ in STREAMS} == set(KINDS)


@pytest.mark.parametrize(("kind", "name"), STREAMS)
def test_a_recorded_stream_is_read_whole(kind: str, name: str) -> None:
    exchange = RECORDED[kind][name]
    answer, text, last = ChatFold(), "", None
    for piece in exchange["response"]["chunks"]:
        chunk = answer.feed(piece.encode())
        text += chunk.text if chunk else ""
        last = chunk or last
    frames = frames_of(body_of(exchange))
    choices = [choice for frame in frames for choice in frame["choices"]]
    assert text == "".join(choice["delta"].get("content") or "" for choice in choices) != ""
    assert answer.failure is None
    assert known(last).finish_reason == next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
    timings = next(frame["timings"] for frame in frames if "timings" in frame)
    timing = known(known(last).timing)
    assert (timing.tokens, timing.prompt_tokens) == (timings["predicted_n"], timings["prompt_n"] + timings["cache_n"])
    assert (timing.decode_s, timing.cached_tokens) == (timings["predicted_ms"] / 1000, timings["cache_n"])


@pytest.mark.parametrize(("kind", "name"), FAILURES)
def test_a_recorded_failure_has_its_class(kind: str, name: str) -> None:
    exchange = RECORDED[kind][name]
    assert type(by_status(exchange["response"]["status"], body_of(exchange).encode())) is FAILURES[kind, name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_recorded_answers_tell_the_kind_and_the_models(kind: str) -> None:
    found = {
        name.removeprefix("GET ").removeprefix("/v1") if name == "GET /v1/models" else name.removeprefix("GET "): (
            json.loads(body_of(exchange)) if exchange["response"]["status"] == 200 else None
        )
        for name, exchange in RECORDED[kind].items()
        if name in ("GET /v1/models", "GET /props", "GET /running", "GET /version", "GET /api/v0/models")
    }
    assert recognised(found) == kind
    names = {row.model.name: row.state for row in listed_models(found["/models"])}
    assert names == ({"tiny": ""} if kind == "llama-server" else {"alpha": "unloaded", "beta": "unloaded"})


TOOLS = exchanges_with("llama-server-tools")


def test_a_recorded_call_of_a_tool_is_gathered_whole() -> None:
    (whole,) = json.loads(body_of(TOOLS["tool call"]))["choices"][0]["message"]["tool_calls"]
    streamed = TOOLS["tool call, streamed"]
    assert len(frames_of(body_of(streamed))) > 3, "its arguments come in pieces"
    answer, last = ChatFold(), None
    for piece in streamed["response"]["chunks"]:
        last = answer.feed(piece.encode()) or last
    (call,) = known(last).calls
    assert (call.name, call.id) == ("depth_of", "call-1")
    assert json.loads(call.arguments) == json.loads(whole["function"]["arguments"])
    assert known(last).finish_reason == "stop"


def test_a_recorded_schema_was_kept_and_one_that_is_none_was_refused() -> None:
    text = json.loads(body_of(TOOLS["schema"]))["choices"][0]["message"]["content"]
    assert isinstance(json.loads(text)["deep"], bool)
    refused = TOOLS["schema that is none"]
    assert type(by_status(refused["response"]["status"], body_of(refused).encode())) is BadRequest


def foreign(double: object, real: object, place: str = "") -> list[str]:
    """Where the double writes what the real server does not, or another type of value."""
    if isinstance(double, dict) and isinstance(real, dict):
        absent = [f"{place}.{name}" for name in double if name not in real]
        return absent + [
            one for name in double if name in real for one in foreign(double[name], real[name], f"{place}.{name}")
        ]
    if isinstance(double, list) and isinstance(real, list):
        return foreign(double[0], real[0], f"{place}[]") if double and real else []
    numbers = isinstance(double, int | float) and isinstance(real, int | float)
    return [] if numbers or type(double) is type(real) else [f"{place}: {type(double).__name__}"]


ASKED_OF_THE_DOUBLE = [
    *(
        ("llama-server", name)
        for name in ("GET /v1/models", "GET /health", "GET /props", "GET /version", "GET /running")
    ),
    *(("llama-server", name) for name in ("stream with usage", "whole", "unknown path")),
    *(
        ("llama-router", name)
        for name in (
            *("GET /v1/models", "GET /props", "load", "load what is loaded", "load an unknown model"),
            "stream",
        )
    ),
    *(("llama-router", name) for name in ("unload what is not loaded", "GET /v1/models, loaded", "unload")),
    ("llama-router", "GET /props of a model"),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_double_answers_as_the_real_one_did(kind: str) -> None:
    models = ("tiny",) if kind == "llama-server" else ("alpha", "beta")
    async with (
        chat_double(kind, models=models) as double,
        httpx.AsyncClient(base_url=double.url, trust_env=False) as client,
    ):
        for name in (name for of, name in ASKED_OF_THE_DOUBLE if of == kind):
            exchange = RECORDED[kind][name]
            asked = exchange["request"]
            body = {} if asked["method"] == "GET" else {"json": asked["body"]}
            reply = await client.request(asked["method"], asked["path"], **body)
            assert reply.status_code == exchange["response"]["status"], name
            if name.startswith("stream"):
                _is_like(frames_of(reply.text), frames_of(body_of(exchange)))
                continue
            if name == "load":
                await client.get("/v1/models")  # a load of the double takes as many looks as it is told to
            assert foreign(reply.json(), json.loads(body_of(exchange))) == [], name


def _is_like(double: list[Any], real: list[Any]) -> None:
    """The first frame, a piece, the reason and the counts."""
    for place in (0, 1, -2, -1):
        assert foreign(double[place], real[place]) == []
