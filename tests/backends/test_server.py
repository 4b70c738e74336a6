"""One host, one way: chats, loads and questions have one head, and are connected alike."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

import pytest

from app import __version__
from app.backends.base import BackendUnavailable, GenerationOptions, GenerationRequest, Message
from app.backends.ollama.backend import OllamaBackend
from app.backends.target import Target
from app.backends.timeouts import Timeouts
from app.hosts.address import base_url
from tests.backends.wire_server import Connection, WireServer, line, playing
from tests.black_holes import at, resolving
from tests.doctor.servers import full_backlog

REPLIES = {
    "/api/version": b'{"version":"0.33.3"}',
    "/api/tags": b'{"models":[]}',
    "/api/ps": b'{"models":[]}',
}
LIMITS = Timeouts(connect=timedelta(seconds=20), probe=timedelta(seconds=20))


async def ollama(connection: Connection) -> None:
    path = connection.head.split(" ")[1].removeprefix("/ollama")
    if path in REPLIES:
        await connection.plain("200 OK", REPLIES[path])
    elif connection.body["messages"]:
        await connection.plain("200 OK", line("Hi") + line("", done=True, done_reason="stop"))
    else:
        reason = "unload" if connection.body.get("keep_alive") == 0 else "load"
        await connection.plain("200 OK", line("", done=True, done_reason=reason))


async def chat(backend: OllamaBackend) -> str:
    async with aclosing(backend.stream(GenerationRequest("m", (Message("user", "Hello"),)))) as chunks:
        return "".join([chunk.text async for chunk in chunks])


CALLS: dict[str, Callable[[OllamaBackend], Awaitable[object]]] = {
    "a chat": chat,
    "a load": lambda backend: backend.load("m", GenerationOptions()),
    "an unload": lambda backend: backend.unload("m"),
    "what is loaded": lambda backend: backend.loaded(),
    "what is installed": lambda backend: backend.installed(),
    "the version": lambda backend: backend.version(),
}


def port_of(wire: WireServer) -> int:
    return int(wire.url.rpartition(":")[2])


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_goes_past_an_address_that_swallows_packets(call: str) -> None:
    async with playing(ollama) as wire:
        with full_backlog() as swallowing:
            resolve = resolving(at(swallowing), at(port_of(wire)))
            await CALLS[call](OllamaBackend("http://gpu.example", limits=LIMITS, resolve=resolve))
    assert len(wire.seen) == 1


async def test_a_host_whose_addresses_all_swallow_packets_is_unavailable_to_every_call() -> None:
    limits = Timeouts(connect=timedelta(seconds=0.4))
    with full_backlog() as swallowing:
        backend = OllamaBackend("http://gpu.example", limits=limits, resolve=resolving(at(swallowing), at(swallowing)))
        for call in CALLS.values():
            with pytest.raises(BackendUnavailable, match=r"no connection within 0\.4 s"):
                await call(backend)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://gpu.example", "gpu.example"),
        ("http://gpu.example:80/ollama", "gpu.example"),
        ("gpu.example", "gpu.example:11434"),
        ("http://me:secret@GPU.example:8080", "gpu.example:8080"),
        ("http://[fe80::1%25eth0]", "[fe80::1]"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ],
)
async def test_every_call_has_the_same_head(address: str, host: str) -> None:
    async with playing(ollama) as wire:
        backend = OllamaBackend(base_url(address), resolve=resolving(at(port_of(wire))))
        for call in CALLS.values():
            await call(backend)
    heads = [dict(one.split(": ", 1) for one in seen.head.strip().split("\r\n")[1:]) for seen in wire.seen]
    own = ("Content-Type", "Content-Length")
    common = [{name: value for name, value in head.items() if name not in own} for head in heads]
    assert len(common) == len(CALLS)
    assert all(head == common[0] for head in common)
    assert common[0]["Host"] == host
    assert common[0]["User-Agent"] == f"progressive-arena/{__version__}"
    assert ("Authorization" in common[0]) == ("secret" in address)


def test_https_has_a_port_of_its_own_to_leave_out() -> None:
    heads = [
        Target.of(url).head for url in ("https://gpu.example:443", "https://gpu.example:80", "http://gpu.example:443")
    ]
    hosts = [re.findall(r"Host: (.+)\r\n", head)[0] for head in heads]
    assert hosts == ["gpu.example", "gpu.example:80", "gpu.example:443"]
