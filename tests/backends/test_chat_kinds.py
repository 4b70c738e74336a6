"""Each kind of chat-completions server: how it is recognised, what it tells, and the two that load and unload."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from app.backends.base import (
    Backend,
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    GenerationOptions,
    GenerationRequest,
    LoadTimedOut,
    Message,
    ModelNotFound,
    OutOfCapacity,
    UpstreamFailed,
    residency_control,
)
from app.backends.detection import detected, recognised
from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import LLAMA_ROUTER, LLAMA_SWAP, PROFILES, VLLM
from app.backends.openai.residency import RouterBackend, SwapBackend
from app.backends.retrying import retrying
from app.backends.server import ModelServer
from app.backends.timeouts import Timeouts
from app.hosts.catalog import can_chat
from tests.backends.chat_double import ChatDouble, chat_double
from tests.helpers import PATIENCE_S

OPTIONS = GenerationOptions()
REQUEST = GenerationRequest("m", (Message("user", "Hi"),))
POLL = timedelta(milliseconds=2)


async def said(server: Backend, model: str = "m") -> str:
    async with aclosing(server.stream(GenerationRequest(model, REQUEST.messages))) as chunks:
        return "".join([chunk.text async for chunk in chunks])


@pytest.mark.parametrize("kind", sorted(PROFILES))
async def test_each_kind_is_recognised_told_apart_and_speaks(kind: str) -> None:
    async with chat_double(kind) as double:
        assert await detected(ModelServer(double.url)) == kind
        assert not any("completions" in path or "upstream" in path or "/slots" in path for path in double.asked)
        server = ChatBackend(double.url, PROFILES[kind])
        assert [model.name for model in await server.installed()] == ["m"]
        await server.version()
        assert await said(server) == "Hello wörld"
        if kind == "sglang":
            assert "GET /health" not in double.asked  # it would generate


async def test_where_nothing_answers_there_is_no_kind() -> None:
    assert await detected(ModelServer("http://127.0.0.1:9"), limit=timedelta(seconds=1)) == ""


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"/models": {"data": [{"id": "m", "owned_by": "library"}]}, "/api/version": {"version": "0.33.3"}}, "ollama"),
        ({"/api/version": {"version": "0.33.3"}}, "ollama"),
        ({"/models": {"data": None}, "/api/version": {"version": "0.33.3"}}, "ollama"),
        ({"/models": {"data": []}}, "openai"),
        ({"/models": {"data": [{"id": "x", "owned_by": "somebody"}]}}, "openai"),
        ({"/models": {"error": "x"}, "/props": [], "/running": 7}, ""),
        ({}, ""),
    ],
)
def test_signs_are_weighed(answers: dict[str, object], kind: str) -> None:
    assert recognised(answers) == kind


FAULTS: dict[str, type[BackendError]] = {
    "error first": BackendOverloaded,
    "bare line": BackendBroken,
    "no reason": BackendBroken,
}


@pytest.mark.parametrize("fault", ["error first", "bare line", "no reason", "comments", "no usage", "no done"])
@pytest.mark.parametrize("kind", ["vllm", "llama-router", "llama-swap"])
async def test_faults_are_failures_and_habits_are_none(kind: str, fault: str) -> None:
    async with chat_double(kind, fault=fault) as double:
        server = ChatBackend(double.url, PROFILES[kind])
        if fault in FAULTS:
            with pytest.raises(FAULTS[fault]):
                await said(server)
        else:
            assert await said(server) == "Hello wörld"


async def test_a_key_is_sent_and_its_lack_is_told_with_the_remedy() -> None:
    async with chat_double("vllm", key="sk-1") as double:
        with pytest.raises(BadRequest, match="api_key_env"):
            await said(ChatBackend(double.url, VLLM))


def router(double: ChatDouble, limits: Timeouts | None = None) -> RouterBackend:
    return RouterBackend(double.url, LLAMA_ROUTER, poll=POLL, **({} if limits is None else {"limits": limits}))


async def test_a_router_loads_waits_until_it_is_there_and_unloads() -> None:
    async with chat_double("llama-router", models=("a", "b"), load_polls=3, slots=4) as double:
        server = router(double)
        assert (await server.activity()).slots is None
        assert await server.load("a", OPTIONS) > 0
        assert [model.name for model in await server.loaded()] == ["a"]
        assert (await server.activity()).slots == 4
        await server.load("a", OPTIONS)  # it is there already
        await server.unload("a")
        assert await server.loaded() == ()
        await server.unload("a")  # it is gone already
        await server.load("b", OPTIONS)
        assert [model.name for model in await server.loaded()] == ["b"]


async def test_a_model_whose_process_ends_in_its_load_does_not_fit() -> None:
    async with chat_double("llama-router", fails_to_load=frozenset("m"), load_polls=1) as double:
        with pytest.raises(OutOfCapacity, match="exit code 1"):
            await router(double).load("m", OPTIONS)
        double.fails_to_load = frozenset()
        await router(double).load("m", OPTIONS)


async def test_a_load_that_never_ends_is_given_up() -> None:
    async with chat_double("llama-router", load_polls=10**6) as double:
        with pytest.raises(LoadTimedOut):
            await router(double, Timeouts(load=timedelta(seconds=0.05))).load("m", OPTIONS)


async def test_a_model_that_nobody_has_can_not_be_loaded() -> None:
    async with chat_double("llama-router") as double:
        with pytest.raises(ModelNotFound):
            await router(double).load("nosuch", OPTIONS)
    async with chat_double("llama-swap") as double:
        with pytest.raises(ModelNotFound):
            await SwapBackend(double.url, LLAMA_SWAP).load("nosuch", OPTIONS)


async def test_llama_swap_starts_and_stops_models_by_its_own_calls() -> None:
    async with chat_double("llama-swap", models=("org/a", "b"), fails_to_load=frozenset("b")) as double:
        server = SwapBackend(double.url, LLAMA_SWAP)
        await server.load("org/a", OPTIONS)
        assert [model.name for model in await server.loaded()] == ["org/a"]
        assert "GET /upstream/org%2Fa/v1/models" in double.asked
        await server.unload("org/a")
        assert await server.loaded() == ()
        assert "POST /api/models/unload/org%2Fa" in double.asked
        with pytest.raises(UpstreamFailed):
            await server.load("b", OPTIONS)


async def test_only_those_two_have_their_memory_managed_and_retries_hide_nothing() -> None:
    async with chat_double("llama-router", slots=3) as double:
        managed, fixed = retrying(router(double)), retrying(ChatBackend(double.url, VLLM))
        assert residency_control(managed) is not None
        assert residency_control(fixed) is None
        await router(double).load("m", OPTIONS)
        assert hasattr(managed, "activity")
        assert (await managed.activity()).slots == 3


async def test_a_vllm_that_sleeps_fails_at_once_instead_of_hanging() -> None:
    async with chat_double("vllm", sleeping=False) as double:
        server = ChatBackend(double.url, VLLM)
        await server.version()
        double.sleeping = True
        with pytest.raises(BackendUnavailable, match="put to sleep"):
            async with asyncio.timeout(PATIENCE_S):
                await said(server)


async def test_lm_studios_own_list_tells_which_models_only_embed() -> None:
    async with chat_double("lm-studio", models=("m", "text-embed")) as double:
        chats, embeds = await ChatBackend(double.url, PROFILES["lm-studio"]).installed()
    assert (chats.quantization, can_chat(chats), can_chat(embeds)) == ("Q4_K_M", True, False)


async def test_no_more_is_asked_for_than_the_context_holds() -> None:
    async with chat_double("vllm") as double:
        server = ChatBackend(double.url, VLLM)
        long = GenerationRequest("m", REQUEST.messages, GenerationOptions(num_predict=100_000))
        async with aclosing(server.stream(long)) as chunks:
            assert [chunk async for chunk in chunks]
        await server.installed()
        async with aclosing(server.stream(long)) as chunks:
            assert [chunk async for chunk in chunks]
    assert [body["max_tokens"] for body in double.bodies] == [100_000, 4096]
