"""The one-shot calls of OllamaBackend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

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
from app.backends.ollama.backend import OllamaBackend
from app.backends.ollama.calls import keep_alive_form
from app.backends.timeouts import Timeouts
from tests.backends.wire_server import Connection, Script, WireServer, playing
from tests.helpers import PATIENCE_S

OPTIONS = GenerationOptions(num_ctx=2048, num_predict=8, temperature=0.5, think=False)
LOADED = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}


@dataclass
class Canned:
    """A server that answers every request alike, under a prefix, and the backend that asks it."""

    backend: OllamaBackend
    wire: WireServer
    body: bytes = b""
    status: int = 200
    headers: str = ""

    def respond(self, json_body: object) -> None:
        self.body = json.dumps(json_body).encode()

    def asked(self) -> list[str]:
        return [seen.head.partition(" HTTP/")[0] for seen in self.wire.seen]


@pytest.fixture
async def canned() -> AsyncIterator[Canned]:
    async def answer(connection: Connection) -> None:
        await connection.plain(f"{made.status} Any", made.body, made.headers)

    async with playing(answer) as wire:
        made = Canned(OllamaBackend(f"{wire.url}/prefix", keep_alive=timedelta(hours=72)), wire)
        yield made
        await made.backend.aclose()


async def test_the_version_is_the_cheapest_proof_of_life(canned: Canned) -> None:
    canned.respond({"version": "0.33.3"})
    assert await canned.backend.version() == "0.33.3"
    assert canned.asked() == ["GET /prefix/api/version"]


async def test_loaded_models_come_with_their_memory(canned: Canned) -> None:
    entry = {
        "name": "llama3.1:8b",
        "size": 9,
        "size_vram": 7,
        "context_length": 2048,
        "expires_at": "2026-11-21T10:00:00.123456789+01:00",
        "new": 1,
    }
    canned.respond({"models": [entry, {"name": "old:1", "size": 3}]})
    leaves_at = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC).timestamp()
    assert await canned.backend.loaded() == (
        LoadedModel("llama3.1:8b", 9, 7, 2048, leaves_at),
        LoadedModel("old:1", 3, 3, None, None),
    )


async def test_when_a_list_was_made_is_told_by_the_servers_own_clock(canned: Canned) -> None:
    canned.respond({"models": [{"name": "m", "size": 1}]})
    canned.headers = "Date: Thu, 26 Nov 2026 20:00:00 GMT\r\n"
    (model,) = await canned.backend.loaded()
    assert model.listed_at == datetime(2026, 11, 26, 20, 0, 0, 500_000, tzinfo=UTC).timestamp()
    canned.headers = "Date: yesterday\r\n"
    assert [one.listed_at for one in await canned.backend.loaded()] == [None]


@pytest.mark.parametrize("body", [{"models": []}, {"models": None}, {}])
async def test_no_models_are_no_models(canned: Canned, body: dict[str, object]) -> None:
    canned.respond(body)
    assert await canned.backend.loaded() == ()
    assert await canned.backend.installed() == ()


async def test_installed_models_tell_what_they_can_and_where_they_run(canned: Canned) -> None:
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
    canned.respond({"models": rows})
    assert await canned.backend.installed() == (
        InstalledModel("llama3.1:8b", 5, "46e0", "Q4_K_M", ("completion", "tools")),
        InstalledModel("all-minilm:latest", 1, capabilities=("embedding",)),
        InstalledModel("big:cloud", 1, remote=True),
        InstalledModel("bare:1", 0),
    )


async def test_a_load_has_the_battles_options_and_the_configured_keep_alive(canned: Canned) -> None:
    canned.respond(LOADED)
    assert await canned.backend.load("m", OPTIONS) >= 0
    assert canned.asked() == ["POST /prefix/api/chat"]
    assert canned.wire.seen[0].body == {
        "model": "m",
        "messages": [],
        "stream": False,
        "think": False,
        "keep_alive": "259200s",
        "options": {"num_ctx": 2048, "num_predict": 8, "temperature": 0.5},
    }


async def test_an_unload_is_keep_alive_zero_and_nothing_else(canned: Canned) -> None:
    canned.respond({**LOADED, "done_reason": "unload"})
    await canned.backend.unload("m")
    assert canned.wire.seen[0].body == {"model": "m", "messages": [], "stream": False, "keep_alive": 0}


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
async def test_a_failed_load_has_its_class(canned: Canned, status: int, body: bytes, kind: type[BackendError]) -> None:
    canned.status, canned.body, canned.headers = status, body, "Location: http://elsewhere\r\n"
    with pytest.raises(kind) as caught:
        await canned.backend.load("m", OPTIONS)
    assert type(caught.value) is kind


async def refused(connection: Connection) -> None:
    connection.reset()


async def early(connection: Connection) -> None:
    await connection.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"models":')


async def unended(connection: Connection) -> None:
    await connection.ok()
    await connection.chunk(b'{"models":[]}')


async def nothing(connection: Connection) -> None:
    pass


@pytest.mark.parametrize("script", [refused, early, unended, nothing])
async def test_a_reply_that_does_not_come_whole_is_unavailable(script: Script) -> None:
    async with playing(script) as wire:
        with pytest.raises(BackendUnavailable):
            await OllamaBackend(wire.url).loaded()


async def test_a_server_that_is_away_is_unavailable() -> None:
    async with playing(nothing) as wire:
        url = wire.url
    with pytest.raises(BackendUnavailable, match="Refused"):
        await OllamaBackend(url).loaded()


async def test_a_reply_may_end_with_its_connection() -> None:
    async def http_1_0(connection: Connection) -> None:
        await connection.raw(b'HTTP/1.0 200 OK\r\n\r\n{"version":"0.33.3"}')

    async with playing(http_1_0) as wire:
        assert await OllamaBackend(wire.url).version() == "0.33.3"


async def test_what_is_not_http_has_a_class_of_its_own() -> None:
    async def ssh(connection: Connection) -> None:
        await connection.raw(b"SSH-2.0-OpenSSH_9.2\r\n")

    async with playing(ssh) as wire:
        with pytest.raises(UpstreamFailed, match="not HTTP"):
            await OllamaBackend(wire.url).version()


async def test_a_compressed_reply_is_refused(canned: Canned) -> None:
    canned.headers = "Content-Encoding: gzip\r\n"
    with pytest.raises(UpstreamFailed, match="compressed"):
        await canned.backend.version()


async def test_a_reply_without_end_is_given_up(canned: Canned) -> None:
    canned.body = b"x" * (9 * 1024 * 1024)
    with pytest.raises(UpstreamFailed, match="more than"):
        await canned.backend.installed()


async def test_every_call_ends_within_its_limit_and_leaves_no_connection() -> None:
    async def silent(connection: Connection) -> None:
        await connection.left.wait()

    limits = Timeouts(load=timedelta(seconds=0.2), probe=timedelta(seconds=0.1))
    async with playing(silent) as wire:
        backend = OllamaBackend(wire.url, limits=limits)
        with pytest.raises(LoadTimedOut):
            await backend.load("m", OPTIONS)
        with pytest.raises(BackendUnavailable):
            await backend.unload("m")
        for seen in wire.seen:
            await asyncio.wait_for(seen.left.wait(), PATIENCE_S)
        await backend.aclose()
