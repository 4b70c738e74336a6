"""The one-shot calls of OllamaBackend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from app.backends.base import (
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    GenerationOptions,
    InstalledModel,
    LoadedModel,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    UpstreamFailed,
)
from app.backends.limits import Limits
from app.backends.ollama import OllamaBackend
from app.backends.ollama_calls import keep_alive_form
from tests.backends.wire_server import Connection, playing

URL = "http://gpu1:11434/prefix"
OPTIONS = GenerationOptions(num_ctx=2048, num_predict=8, temperature=0.5, think=False)
LOADED = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}


@pytest.fixture
async def backend() -> AsyncIterator[OllamaBackend]:
    made = OllamaBackend(URL, keep_alive=timedelta(hours=72))
    yield made
    await made.aclose()


@respx.mock
async def test_the_version_is_the_cheapest_proof_of_life(backend: OllamaBackend) -> None:
    respx.get(f"{URL}/api/version").respond(json={"version": "0.33.3"})
    assert await backend.version() == "0.33.3"


@respx.mock
async def test_loaded_models_come_with_their_memory(backend: OllamaBackend) -> None:
    entry = {
        "name": "llama3.1:8b",
        "size": 9,
        "size_vram": 7,
        "context_length": 2048,
        "expires_at": "2026-11-21T10:00:00.123456789+01:00",
        "new": 1,
    }
    respx.get(f"{URL}/api/ps").respond(json={"models": [entry, {"name": "old:1", "size": 3}]})
    leaves_at = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC).timestamp()
    assert await backend.loaded() == (
        LoadedModel("llama3.1:8b", 9, 7, 2048, leaves_at),
        LoadedModel("old:1", 3, 3, None, None),
    )


@respx.mock
@pytest.mark.parametrize("body", [{"models": []}, {"models": None}, {}])
async def test_no_models_are_no_models(backend: OllamaBackend, body: dict[str, object]) -> None:
    respx.get(f"{URL}/api/ps").respond(json=body)
    respx.get(f"{URL}/api/tags").respond(json=body)
    assert await backend.loaded() == ()
    assert await backend.installed() == ()


@respx.mock
async def test_installed_models_tell_what_they_can_and_where_they_run(backend: OllamaBackend) -> None:
    details = {"family": "llama", "quantization_level": "Q4_K_M"}
    rows = [
        {
            "name": "llama3.1:8b",
            "size": 5,
            "digest": "46e0",
            "details": details,
            "capabilities": ["completion", "tools"],
        },
        {"name": "all-minilm:latest", "size": 1, "details": {"family": "bert"}},
        {"name": "big:cloud", "size": 1, "remote_model": "big", "remote_host": "https://ollama.com:443"},
        {"name": "bare:1", "details": None},
    ]
    respx.get(f"{URL}/api/tags").respond(json={"models": rows})
    assert await backend.installed() == (
        InstalledModel("llama3.1:8b", 5, "46e0", "Q4_K_M", ("completion", "tools")),
        InstalledModel("all-minilm:latest", 1, capabilities=("embedding",)),
        InstalledModel("big:cloud", 1, remote=True),
        InstalledModel("bare:1", 0),
    )


@respx.mock
async def test_a_load_has_the_battles_options_and_the_configured_keep_alive(backend: OllamaBackend) -> None:
    route = respx.post(f"{URL}/api/chat").respond(json=LOADED)
    assert await backend.load("m", OPTIONS) >= 0
    assert json.loads(route.calls.last.request.content) == {
        "model": "m",
        "messages": [],
        "stream": False,
        "think": False,
        "keep_alive": "259200s",
        "options": {"num_ctx": 2048, "num_predict": 8, "temperature": 0.5},
    }


@respx.mock
async def test_an_unload_is_keep_alive_zero_and_nothing_else(backend: OllamaBackend) -> None:
    route = respx.post(f"{URL}/api/chat").respond(json={**LOADED, "done_reason": "unload"})
    await backend.unload("m")
    body = json.loads(route.calls.last.request.content)
    assert body == {"model": "m", "messages": [], "stream": False, "keep_alive": 0}


@pytest.mark.parametrize(
    ("duration", "form"),
    [
        (timedelta(hours=72), "259200s"),
        (timedelta(seconds=0.5), "500ms"),
        (timedelta(0), "0s"),
        (timedelta(seconds=-1), -1),
        (timedelta.max, -1),
    ],
)
def test_a_keep_alive_has_a_form_that_ollama_takes(duration: timedelta, form: str | int) -> None:
    assert keep_alive_form(duration) == form


@respx.mock
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b'{"error":"model \'m\' not found"}', ModelNotFound),
        (400, b'{"error":"invalid model name"}', BadRequest),
        (503, b'{"error":"server busy, please try again."}', BackendOverloaded),
        (500, b'{"error":"llama-server process has terminated: exit status 2"}', OutOfCapacity),
        (500, b'{"error":"timed out waiting for llama-server to start - "}', LoadTimedOut),
        (200, b'{"error":"llama-server process has terminated: killed"}', OutOfCapacity),
        (200, b'{"done":true,"done_reason":"stop"}', UpstreamFailed),
        (200, b'{"done":false}', UpstreamFailed),
        (200, b"<html>", UpstreamFailed),
        (200, b"\xff", UpstreamFailed),
        (301, b"", UpstreamFailed),
    ],
)
async def test_a_failed_load_has_its_class(
    backend: OllamaBackend, status: int, body: bytes, kind: type[BackendError]
) -> None:
    respx.post(f"{URL}/api/chat").respond(status, content=body, headers={"location": "http://elsewhere"})
    with pytest.raises(kind) as caught:
        await backend.load("m", OPTIONS)
    assert type(caught.value) is kind


@respx.mock
@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.ConnectTimeout("")])
async def test_a_server_that_is_away_is_unavailable(backend: OllamaBackend, failure: Exception) -> None:
    respx.get(f"{URL}/api/ps").mock(side_effect=failure)
    with pytest.raises(BackendUnavailable):
        await backend.loaded()


@respx.mock
async def test_a_reply_without_end_is_given_up(backend: OllamaBackend) -> None:
    respx.get(f"{URL}/api/tags").respond(content=b"x" * (9 * 1024 * 1024))
    with pytest.raises(UpstreamFailed, match="more than"):
        await backend.installed()


async def test_every_call_ends_within_its_limit_and_leaves_no_connection() -> None:
    async def silent(connection: Connection) -> None:
        await connection.left.wait()

    limits = Limits(first_token=timedelta(seconds=0.2), probe=timedelta(seconds=0.1))
    async with playing(silent) as wire:
        backend = OllamaBackend(wire.url, limits=limits)
        with pytest.raises(LoadTimedOut):
            await backend.load("m", OPTIONS)
        with pytest.raises(BackendUnavailable):
            await backend.unload("m")
        for seen in wire.seen:
            await asyncio.wait_for(seen.left.wait(), 1)
        await backend.aclose()
