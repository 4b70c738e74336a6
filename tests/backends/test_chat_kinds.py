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
from app.backends.openai.profiles import LLAMA_ROUTER, LLAMA_SWAP, LM_STUDIO_REST, PROFILES, VLLM, VLLM_SLEEP
from app.backends.openai.residency import RouterBackend, SwapBackend
from app.backends.openai.sleeping import SleepingBackend
from app.backends.openai.studio import StudioBackend
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


async def test_only_those_that_load_and_unload_have_their_memory_managed_and_retries_hide_nothing() -> None:
    async with chat_double("llama-router", slots=3) as double:
        managed, fixed = retrying(router(double)), retrying(ChatBackend(double.url, VLLM))
        for server in (managed, retrying(dozing(double)), retrying(studio(double))):
            assert residency_control(server) is not None
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


def dozing(double: ChatDouble) -> SleepingBackend:
    return SleepingBackend(double.url, VLLM_SLEEP)


async def test_a_vllm_with_sleep_mode_is_loaded_by_waking_it_and_unloaded_by_putting_it_to_sleep() -> None:
    async with chat_double("vllm-sleep", models=("m", "alias")) as double:
        server = dozing(double)
        assert [model.name for model in await server.loaded()] == ["m", "alias"]
        await server.unload("m")
        await server.unload("m")
        assert [one for one in double.asked if one.startswith("POST")] == ["POST /sleep?level=1&mode=wait"]
        assert await server.loaded() == ()
        assert await server.version() == "0.33.0"  # it lives
        await server.load("m", OPTIONS)
        assert (double.sleeping, len(await server.loaded())) == (False, 2)
        await server.load("m", OPTIONS)
        assert double.asked.count("POST /wake_up") == 1


async def test_a_vllm_that_somebody_put_to_sleep_is_woken_for_an_answer() -> None:
    async with chat_double("vllm-sleep", sleeping=True, sleep_level=1) as double, asyncio.timeout(PATIENCE_S):
        assert await said(dozing(double)) == "Hello wörld"


async def test_a_vllm_whose_weights_are_gone_is_not_woken_to_write_nonsense() -> None:
    async with chat_double("vllm-sleep", sleeping=True, sleep_level=2) as double:
        for call in (said(dozing(double)), dozing(double).load("m", OPTIONS)):
            with pytest.raises(UpstreamFailed, match="level 2"):
                await call
        assert "POST /wake_up" not in double.asked


async def test_a_vllm_that_does_not_say_whether_it_sleeps_is_not_asked_for_an_answer() -> None:
    async with chat_double("vllm") as double:
        for call in (said(dozing(double)), dozing(double).loaded(), dozing(double).unload("m")):
            with pytest.raises(BackendError):
                await call
        assert double.bodies == []


def studio(double: ChatDouble) -> StudioBackend:
    return StudioBackend(double.url, LM_STUDIO_REST)


async def test_lm_studio_loads_one_instance_and_unloads_all_of_them() -> None:
    async with chat_double("lm-studio-rest", models=("org/a", "b")) as double:
        server = studio(double)
        assert await server.loaded() == ()
        for _ in range(2):
            await server.load("org/a", GenerationOptions(num_ctx=16_384))
        assert double.bodies == [{"model": "org/a", "context_length": 8192}]
        assert [model.name for model in await server.loaded()] == ["org/a"]
        assert await said(server, "org/a") == "Hello wörld"
        double.instances["org/a:2"] = "org/a"  # somebody loaded it by hand, too
        await server.unload("org/a")
        assert (double.instances, await server.loaded()) == ({}, ())
        await server.unload("org/a")


async def test_what_lm_studio_can_not_load_is_said() -> None:
    async with chat_double("lm-studio-rest", fails_to_load=frozenset("m")) as double:
        with pytest.raises(UpstreamFailed):
            await studio(double).load("m", OPTIONS)
        with pytest.raises(ModelNotFound):
            await studio(double).load("nosuch", OPTIONS)
    async with chat_double("lm-studio") as double:  # before 0.4.0
        with pytest.raises(BackendError):
            await studio(double).loaded()


@pytest.mark.parametrize("kind", ["lm-studio", "lm-studio-rest"])
async def test_lm_studios_own_list_tells_which_models_only_embed(kind: str) -> None:
    async with chat_double(kind, models=("m", "text-embed")) as double:
        chats, embeds = await ChatBackend(double.url, PROFILES[kind]).installed()
        assert (chats.quantization, can_chat(chats), can_chat(embeds)) == ("Q4_K_M", True, False)
        assert chats.context_length is None


async def test_lm_studios_newer_list_tells_size_capabilities_and_the_context_that_was_loaded() -> None:
    async with chat_double("lm-studio-rest") as double:
        await studio(double).load("m", OPTIONS)
        (model,) = await studio(double).installed()
    assert (model.size_bytes, model.capabilities, model.context_length) == (1_000_000, ("completion", "tools"), 4096)


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
