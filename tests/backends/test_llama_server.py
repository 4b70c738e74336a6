"""ChatBackend and RouterBackend against a real llama-server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

import httpx
import pytest

from app.backends.base import (
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    Message,
    ModelNotFound,
    Tools,
)
from app.backends.base import PromptTooLong as TooLong
from app.backends.detection import detected
from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import LLAMA_ROUTER, LLAMA_SERVER
from app.backends.openai.residency import RouterBackend
from app.backends.server import ModelServer
from app.scheduling.job import Job
from app.scheduling.testing.in_memory import MemorySink
from benchmarks.record_openai import OFFERED
from tests.backends import llama_server
from tests.helpers import wait_until
from tests.scheduling.conftest import SharedHost

OPTIONS = GenerationOptions(num_predict=24, seed=3)
REQUEST = GenerationRequest("tiny", (Message("system", "Be short."), Message("user", "Hi")), OPTIONS)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server.single(tmp_path_factory.mktemp("llama")) as url:
        yield url


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server.router(tmp_path_factory.mktemp("llama"), "alpha", "beta") as url:
        yield url


async def said(server: ChatBackend, request: GenerationRequest = REQUEST) -> tuple[str, Chunk]:
    text, chunk = "", Chunk()
    async with aclosing(server.stream(request)) as chunks:
        async for chunk in chunks:
            text += chunk.text
    return text, chunk


async def test_it_is_recognised_tells_its_slots_and_times_its_answers_itself(single: str) -> None:
    assert await detected(ModelServer(single)) == "llama-server"
    server = ChatBackend(single, LLAMA_SERVER)
    assert await server.version()
    assert (await server.activity()).slots == 2
    (model,) = await server.installed()
    assert model.name == "tiny"
    assert model.context_length == 512
    text, last = await said(server)
    assert text.strip()
    assert last.finish_reason in ("stop", "length")
    assert last.timing is not None
    assert last.timing.tokens > 0
    assert last.timing.prompt_tokens > 0
    assert last.timing.decode_s > 0
    assert last.timing.cached_tokens is not None
    assert (await said(server))[0] == text  # the seed is obeyed


async def test_a_prompt_that_is_too_long_is_refused_as_that(single: str) -> None:
    long = replace(REQUEST, messages=(Message("user", "x " * 4000),))
    with pytest.raises(TooLong):
        await said(ChatBackend(single, LLAMA_SERVER), long)


async def test_leaving_an_answer_frees_its_slot(single: str) -> None:
    endless = replace(REQUEST, options=replace(OPTIONS, num_predict=100_000, extra={"ignore_eos": True}))
    async with aclosing(ChatBackend(single, LLAMA_SERVER).stream(endless)) as chunks:
        assert (await anext(chunks)).text
    async with httpx.AsyncClient(base_url=single, trust_env=False) as client:

        async def idle() -> bool:
            return not any(slot["is_processing"] for slot in (await client.get("/slots")).json())

        await wait_until(idle)


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server.with_tools(tmp_path_factory.mktemp("llama")) as url:
        yield url


async def test_a_tool_that_has_to_be_called_is_and_its_result_goes_back(calling: str) -> None:
    server = ChatBackend(calling, LLAMA_SERVER)
    (model,) = await server.installed()
    assert model.capabilities == ("completion", "tools")
    tools = Tools((OFFERED,), "required", parallel=False)
    options = replace(OPTIONS, num_predict=200, extra=llama_server.CALLS)
    asked = replace(REQUEST, options=options, tools=tools)
    _, last = await said(server, asked)
    (call,) = last.calls
    assert (call.name, call.id != "") == ("depth_of", True)
    assert json.loads(call.arguments)["sea"] in ("North", "Baltic")
    assert last.finish_reason == "stop"
    result = (Message("assistant", "", calls=(call,)), Message("tool", "700 m", call_id=call.id))
    followed = replace(REQUEST, messages=(*REQUEST.messages, *result), tools=replace(tools, choice="none"))
    text, last = await said(server, followed)
    assert text.strip()
    assert last.calls == ()


async def test_an_answer_has_the_shape_of_its_schema_and_a_schema_that_is_none_is_refused(calling: str) -> None:
    server = ChatBackend(calling, LLAMA_SERVER)
    properties: dict[str, object] = {"sea": {"enum": ["North", "Baltic"]}, "deep": {"type": "boolean"}}
    schema: dict[str, object] = {"type": "object", "properties": properties, "required": ["sea", "deep"]}
    asked = replace(REQUEST, options=replace(OPTIONS, num_predict=200), output=schema)
    answer = json.loads((await said(server, asked))[0])
    assert answer["sea"] in ("North", "Baltic")
    assert isinstance(answer["deep"], bool)
    with pytest.raises(BadRequest):
        await said(server, replace(asked, output={"type": "nonsense"}))


async def test_a_template_without_tools_is_known_to_take_none(single: str) -> None:
    server = ChatBackend(single, LLAMA_SERVER)
    (model,) = await server.installed()
    assert model.capabilities == ("completion",)
    _, last = await said(server, replace(REQUEST, tools=Tools((OFFERED,), "required")))
    assert last.calls == (), "the server ignores them without a word, which is why it has to be known"


async def test_a_router_loads_and_unloads_as_it_is_told(router: str) -> None:
    assert await detected(ModelServer(router)) == "llama-router"
    server = RouterBackend(router, LLAMA_ROUTER)
    assert [model.name for model in await server.installed()] == ["alpha", "beta"]
    assert await server.loaded() == ()
    assert await server.load("alpha", OPTIONS) > 0
    (resident,) = await server.loaded()
    assert (resident.name, resident.size_bytes > 0) == ("alpha", True)
    assert (await server.activity()).slots == 2
    assert (await said(server, replace(REQUEST, model="alpha")))[0].strip()
    await server.load("alpha", OPTIONS)
    await server.unload("alpha")

    async def gone() -> bool:
        return await server.loaded() == ()

    await wait_until(gone)
    with pytest.raises(ModelNotFound):
        await server.load("nosuch", OPTIONS)


async def test_the_driver_changes_the_models_of_a_router_by_its_own_plan(router: str) -> None:
    # With a seed the random weights write the same each time, and never nothing.
    shared = SharedHost(sink=MemorySink(lambda job: replace(REQUEST, model=job.model)))
    shared.open(RouterBackend(router, LLAMA_ROUTER), slots=2, max_loaded=1)
    jobs = [Job(f"battle{n}", n, model) for n, model in enumerate(("alpha", "beta", "alpha"))]
    try:
        await shared.put(*jobs)
        for one in jobs:
            await wait_until(shared.ended(one))
            finish = shared.sink.answer(one).finish
            assert finish is not None
            assert finish.reason in ("stop", "length")
            assert shared.text(one).strip()
    finally:
        await shared.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable):
        await said(ChatBackend("http://127.0.0.1:9", LLAMA_SERVER))
