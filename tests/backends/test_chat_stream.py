"""The token stream of ChatBackend over real sockets: what is asked, limits, leaving, and servers with habits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    LoadTimedOut,
    Message,
    Stalled,
    UpstreamFailed,
)
from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import LLAMA_SERVER, LM_STUDIO, OPENAI, VLLM, Profile
from app.backends.openai.requests import sent_options
from app.backends.target import Access
from app.backends.timeouts import DEFAULT_LIMITS, Timeouts
from tests.backends.chat_frames import DONE, ENGINE_DIED, OVERLOADED, finish, piece, usage
from tests.backends.wire_server import Connection, Script, playing
from tests.helpers import wait_until

REQUEST = GenerationRequest("m", (Message("system", "Be short."), Message("user", "Hi")), GenerationOptions(seed=7))
SHORT = Timeouts(first_token=timedelta(seconds=0.4), stall=timedelta(seconds=0.3), total=timedelta(seconds=5))


def backend(url: str, profile: Profile = OPENAI, limits: Timeouts = DEFAULT_LIMITS) -> ChatBackend:
    return ChatBackend(url, profile, limits=limits, tick=timedelta(milliseconds=5))


async def collect(server: ChatBackend, request: GenerationRequest = REQUEST) -> tuple[str, Chunk]:
    """The text, and the last chunk."""
    text, chunk = "", Chunk()
    async with aclosing(server.stream(request)) as chunks:
        async for chunk in chunks:
            text += chunk.text
    return text, chunk


async def hello(connection: Connection) -> None:
    await connection.ok("Content-Type: text/event-stream\r\n")
    for text in ("", "Hel", "lo", " wörld"):
        await connection.chunk(piece(text))
    await connection.chunk(finish() + usage(9, 3) + DONE)
    await connection.raw(b"0\r\n\r\n")


async def test_what_is_asked_and_what_comes() -> None:
    async with playing(hello) as wire:
        access = Access(wire.url, (("Authorization", "Bearer sk-1"), ("X-Team", "arena")))
        text, last = await collect(ChatBackend(access, VLLM, api="/openai/v1"))
    (asked,) = wire.seen
    assert (text, last.finish_reason, last.server_reason) == ("Hello wörld", "stop", "stop")
    assert last.timing is not None
    assert (last.timing.prompt_tokens, last.timing.tokens) == (9, 3)
    assert asked.head.startswith("POST /openai/v1/chat/completions HTTP/1.1\r\n")
    assert "\r\nAuthorization: Bearer sk-1\r\n" in asked.head
    assert "\r\nX-Team: arena\r\n" in asked.head
    assert "x-conversation-id" not in asked.head.lower()
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 1024,
        "temperature": 0.7,
        "top_p": 1.0,
        "seed": 7,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_options_go_under_the_servers_names_and_only_where_they_are_taken() -> None:
    asked = GenerationOptions(
        num_ctx=8192, think=True, extra={"repeat_penalty": 1.1, "top_k": 40, "num_gpu": 99, "top_p": 0.8}
    )
    for profile, takes, left_out in (
        (VLLM, {"repetition_penalty": 1.1, "top_k": 40}, ("num_gpu",)),
        (LLAMA_SERVER, {"repeat_penalty": 1.1, "top_k": 40}, ("num_gpu",)),
        (OPENAI, {"reasoning_effort": "medium"}, ("repeat_penalty", "top_k", "num_gpu")),
        (LM_STUDIO, {"repeat_penalty": 1.1, "top_k": 40}, ("num_gpu", "think")),
    ):
        made = sent_options(asked, profile)
        assert takes.items() <= made.sent.items()
        assert made.sent["top_p"] == 0.8
        assert "num_ctx" not in made.sent
        assert made.left_out == left_out
    assert "reasoning_effort" not in sent_options(GenerationOptions(think=False), OPENAI).sent
    assert sent_options(GenerationOptions(think="high"), OPENAI).sent["reasoning_effort"] == "high"


async def test_an_option_that_is_left_out_is_named_once() -> None:
    request = replace(REQUEST, options=GenerationOptions(extra={"num_gpu": 1}))
    async with playing(hello) as wire:
        server = backend(wire.url)
        with capture_logs() as log:
            await collect(server, request)
            await collect(server, request)
    assert [(line["event"], line["option"], line["model"]) for line in log] == [("option_left_out", "num_gpu", "m")]


async def test_an_answer_without_done_whose_connection_stays_open_ends_all_the_same() -> None:
    async def stays(connection: Connection) -> None:
        await connection.ok()
        await connection.chunk(piece("Hi") + finish())
        await connection.left.wait()

    async with playing(stays) as wire:
        text, last = await collect(backend(wire.url, limits=SHORT))
    assert (text, last.finish_reason) == ("Hi", "stop")


async def test_an_answer_of_no_words_ends_too() -> None:
    async def wordless(connection: Connection) -> None:
        await connection.ok()
        await connection.chunk(piece(None, role="assistant") + finish())
        await connection.left.wait()

    async with playing(wordless) as wire:
        text, last = await collect(backend(wire.url))
    assert (text, last.finish_reason) == ("", "stop")


async def test_leaving_closes_the_connection() -> None:
    async def endless(connection: Connection) -> None:
        await connection.ok()
        while not connection.left.is_set():
            await connection.chunk(piece("x"))
            await asyncio.sleep(0.005)

    async with playing(endless) as wire:
        async with aclosing(backend(wire.url).stream(REQUEST)) as chunks:
            assert (await anext(chunks)).text
        await wait_until(lambda: wire.seen[0].left.is_set())


def replying(status: str, body: bytes, headers: str = "") -> Script:
    async def play(connection: Connection) -> None:
        await connection.plain(status, body, headers)

    return play


def streaming(*parts: bytes, ends: bool = True) -> Script:
    async def play(connection: Connection) -> None:
        await connection.ok("Content-Type: text/event-stream\r\n")
        for part in parts:
            await connection.chunk(part)
        if ends:
            await connection.raw(b"0\r\n\r\n")

    return play


async def hanging(connection: Connection) -> None:
    await connection.left.wait()


async def mute(connection: Connection) -> None:
    await connection.ok()
    await connection.chunk(piece("Hi"))
    await connection.left.wait()


CASES: dict[str, tuple[Script, str, type[BackendError]]] = {
    "overloaded by status": (replying("503 X", b'{"error":{"message":"full","code":503}}'), "", BackendOverloaded),
    "overloaded with 200": (streaming(OVERLOADED, DONE), "", BackendOverloaded),
    "too many": (
        replying("429 X", b'{"src":"llama-swap","error":"x","code":"concurrency_limit"}'),
        "",
        BackendOverloaded,
    ),
    "loading": (
        replying("503 X", b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'),
        "",
        BackendUnavailable,
    ),
    "no login": (replying("401 X", b'{"error":"Unauthorized"}'), "", BadRequest),
    "wrong path": (replying("404 X", b'{"detail":"Not Found"}'), "", BadRequest),
    "a proxy's page": (replying("502 X", b"<html>Bad Gateway</html>"), "", BackendUnavailable),
    "moved": (replying("301 X", b"", "Location: https://elsewhere.example/\r\n"), "", UpstreamFailed),
    "an error after text": (streaming(piece("Hi"), ENGINE_DIED, DONE), "Hi", BackendBroken),
    "cut after text": (streaming(piece("Hi"), ends=False), "Hi", BackendBroken),
    "ended after text": (streaming(piece("Hi")), "Hi", BackendBroken),
    "a page with 200": (replying("200 X", b"<html>\n<body>hello</body>\n"), "", UpstreamFailed),
    "silent": (hanging, "", LoadTimedOut),
    "silent after text": (mute, "Hi", Stalled),
}


async def into(pieces: list[str], server: ChatBackend) -> None:
    async with aclosing(server.stream(REQUEST)) as chunks:
        async for chunk in chunks:
            pieces += [chunk.text]


@pytest.mark.parametrize("case", CASES)
async def test_every_way_to_fail_has_its_class(case: str) -> None:
    script, expected, kind = CASES[case]
    pieces: list[str] = []
    async with playing(script) as wire:
        with pytest.raises(kind):
            await into(pieces, backend(wire.url, limits=SHORT))
    assert "".join(pieces) == expected


def by_path(**answers: Callable[[], tuple[str, object]]) -> Script:
    """A server that answers each path (its last part) with a status and a JSON body; a chat with ``hello``."""

    async def play(connection: Connection) -> None:
        path = connection.head.split(" ")[1].rpartition("/")[2]
        if path == "completions":
            await hello(connection)
            return
        status, body = answers[path]() if path in answers else ("404 X", {"detail": "Not Found"})
        await connection.plain(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    return play


def ok(body: object) -> Callable[[], tuple[str, object]]:
    return lambda: ("200 OK", body)


async def test_a_vllm_that_sleeps_is_asked_first_and_nothing_is_sent_to_it() -> None:
    sleeping = True
    script = by_path(
        health=ok(b""), version=ok({"version": "0.33.0"}), is_sleeping=lambda: ("200 OK", {"is_sleeping": sleeping})
    )
    async with playing(script) as wire:
        server = backend(wire.url, VLLM)
        with pytest.raises(BackendUnavailable, match="wake it with POST /wake_up"):
            await server.version()
        with pytest.raises(BackendUnavailable, match="put to sleep"):
            await collect(server)
        assert not any("completions" in one.head for one in wire.seen)
        sleeping = False
        assert await server.version() == "0.33.0"
        assert (await collect(server))[0] == "Hello wörld"


async def test_a_vllm_without_those_paths_is_not_asked_before_each_answer() -> None:
    async with playing(by_path(health=ok(b""), version=ok({"version": "0.33.0"}))) as wire:
        server = backend(wire.url, VLLM)
        assert await server.version() == "0.33.0"
        before = len(wire.seen)
        await collect(server)
        assert len(wire.seen) == before + 1


async def test_what_runs_at_a_vllm_is_read_from_its_metrics() -> None:
    metrics = (
        b"# HELP vllm:num_requests_running x\n"
        b'vllm:num_requests_running{engine="0",model_name="a"} 2.0\n'
        b'vllm:num_requests_running{engine="1",model_name="a"} 1.0\n'
        b'vllm:num_requests_waiting{engine="0"} 4.0\nvllm:num_requests_waiting_by_reason{engine="0"} 9.0\nodd\n'
    )
    async with playing(by_path(metrics=ok(metrics))) as wire:
        seen = await backend(wire.url, VLLM).activity()
    assert (seen.slots, seen.running, seen.waiting) == (None, 3, 4)


async def test_a_llama_server_tells_its_slots_its_models_and_their_other_names() -> None:
    models = {
        "object": "list",
        "data": [
            {"id": "/m/tiny.gguf", "aliases": ["tiny", None], "meta": {"n_ctx": 512, "size": 9_000, "n_ctx_train": 99}},
            {"id": 7},
            "odd",
        ],
    }
    script = by_path(health=ok({"status": "ok"}), props=ok({"total_slots": 4, "build_info": "b1-x"}), models=ok(models))
    async with playing(script) as wire:
        server = backend(wire.url, LLAMA_SERVER)
        assert await server.version() == "b1-x"
        assert (await server.activity()).slots == 4
        (found,) = await server.installed()
        assert not any("/slots" in one.head for one in wire.seen)  # that would wake one that sleeps
    assert (found.name, found.aliases, found.context_length, found.size_bytes) == (
        "/m/tiny.gguf",
        ("tiny",),
        512,
        9_000,
    )


async def test_a_revision_is_read_where_the_server_tells_it() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    rows = [
        {"id": "a", "root": f"/hub/models--x/snapshots/{commit}"},
        {"id": "b", "root": "org/model", "max_model_len": 64},
    ]
    async with playing(by_path(models=ok({"data": rows}))) as wire:
        first, second = await backend(wire.url, VLLM).installed()
    assert (first.digest, second.digest, second.context_length) == (commit, "", 64)


@pytest.mark.parametrize("body", [b"<html>", {"data": None}, {"models": []}, 7])
async def test_what_is_no_list_of_models_is_an_error(body: object) -> None:
    async with playing(by_path(models=ok(body))) as wire:
        with pytest.raises(UpstreamFailed, match="OpenAI-compatible"):
            await backend(wire.url).installed()


async def test_where_a_request_loads_a_model_the_first_one_goes_alone() -> None:
    release = asyncio.Event()

    async def loading(connection: Connection) -> None:
        await release.wait()
        await hello(connection)

    async with playing(loading) as wire:
        server = backend(wire.url, LM_STUDIO)
        answers = [asyncio.create_task(collect(server), name=f"answer {n}") for n in range(3)]
        await wait_until(lambda: wire.seen)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(wire.seen) == 1
        release.set()
        assert [text for text, _ in await asyncio.gather(*answers)] == ["Hello wörld"] * 3
        assert len(wire.seen) == 3
        await collect(server)


async def test_where_the_first_one_fails_the_next_one_goes() -> None:
    async with playing(replying("500 X", b"{}")) as wire:
        server = backend(wire.url, LM_STUDIO)
        failed = await asyncio.gather(*(collect(server) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failed] == [UpstreamFailed] * 3


def redirecting(hops: int, location: str) -> Script:
    """A server that holds its answer back behind so many redirects, as Modal does while a container starts."""
    left = [hops]

    async def play(connection: Connection) -> None:
        if left[0] > 0:
            left[0] -= 1
            await connection.plain("303 See Other", b"", f"Location: {location}\r\n")
        else:
            await hello(connection)

    return play


async def test_a_redirect_that_means_still_running_is_waited_on_with_get() -> None:
    async with playing(redirecting(3, "/v1/chat/completions?__modal_function_call_id=fc-1")) as wire:
        access = Access(wire.url, (("Modal-Key", "wk-1"),))
        assert (await collect(ChatBackend(access, VLLM)))[0] == "Hello wörld"
    methods = [one.head.split(" ")[0] for one in wire.seen]
    assert methods == ["POST", "GET", "GET", "GET"]
    assert "__modal_function_call_id=fc-1" in wire.seen[1].head
    assert all("\r\nModal-Key: wk-1\r\n" in one.head for one in wire.seen)


@pytest.mark.parametrize("location", ["https://else.example/x", "//else.example/x", "http://127.0.0.1:1/x", "x"])
async def test_a_redirect_to_another_server_is_not_followed_and_gets_no_key(location: str) -> None:
    async with playing(redirecting(1, location)) as wire:
        with pytest.raises(UpstreamFailed, match="HTTP 303"):
            await collect(backend(wire.url))
    assert len(wire.seen) == 1


async def test_redirects_without_end_are_given_up() -> None:
    async with playing(redirecting(10**6, "/v1/chat/completions?x=1")) as wire:
        with pytest.raises(UpstreamFailed, match="20 redirects"):
            await collect(backend(wire.url))
    assert len(wire.seen) == 20
