"""The official clients, unchanged, against the simulated server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import ollama
import openai
import pytest
from ollama._client import AsyncClient
from openai import AsyncOpenAI

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.helpers import known, wait_until

ASK: list[Any] = [{"role": "user", "content": "Why is the sea salty?"}]


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    models = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
    async with running_simulator(SimulatorConfig(models=models, speed=100, answer_tokens=60)) as running:
        yield running


@pytest.fixture
def client(sim: RunningSimulator) -> AsyncClient:
    return ollama.AsyncClient(host=sim.url)


@pytest.fixture
async def open_client(sim: RunningSimulator) -> AsyncIterator[AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


async def test_ollama_lists_shows_and_sees_what_is_loaded(client: AsyncClient) -> None:
    listed = (await client.list()).models
    assert [model.model for model in listed] == ["llama3.1:8b", "mistral:7b", "qwen3:8b"]
    assert known(listed[0].details).parameter_size == "8.0B"
    assert (await client.ps()).models == []
    shown = await client.show("qwen3:8b")
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert known(shown.modelinfo)["qwen3.block_count"] == 36
    assert known(shown.modelinfo)["general.simulated"] is True
    await client.generate("mistral:7b", keep_alive="10m")
    (running,) = (await client.ps()).models
    assert (running.name, running.size, running.context_length) == ("mistral:7b", running.size_vram, 4096)
    await client.generate("mistral:7b", keep_alive=0)

    async def unloaded() -> bool:
        return not (await client.ps()).models

    await wait_until(unloaded)


async def test_ollama_chats_streaming_and_not_with_the_same_words_for_the_same_seed(client: AsyncClient) -> None:
    options = {"seed": 7, "num_predict": 12}
    parts = [part async for part in await client.chat("mistral:7b", ASK, stream=True, options=options)]
    whole = await client.chat("mistral:7b", ASK, options=options)
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert (parts[-1].done, parts[-1].done_reason, parts[-1].eval_count) == (True, "length", 12)
    assert known(parts[-1].total_duration) >= known(parts[-1].eval_duration) > 0


async def test_ollama_gets_log_probabilities_of_every_token_streaming_and_not(client: AsyncClient) -> None:
    asked: dict[str, Any] = {"model": "mistral:7b", "messages": ASK, "logprobs": True, "top_logprobs": 2}
    asked["options"] = {"seed": 7, "num_predict": 6}
    parts = [part async for part in await client.chat(**asked, stream=True)]
    whole = await client.chat(**asked)
    tokens = [entry.token for part in parts for entry in part.logprobs or ()]
    assert tokens == [entry.token for entry in known(whole.logprobs)] == [part.message.content for part in parts[:-1]]
    assert all(len(known(entry.top_logprobs)) == 2 for entry in known(whole.logprobs))


async def test_ollama_thinks_first_and_only_with_models_that_can(client: AsyncClient) -> None:
    parts = [part async for part in await client.chat("qwen3:8b", ASK, stream=True, think=True)]
    thought = [bool(part.message.thinking) for part in parts[:-1]]
    assert thought == sorted(thought, reverse=True)
    assert any(thought)
    assert not all(thought)
    assert (await client.chat("qwen3:8b", ASK, think=False)).message.thinking is None
    assert (await client.chat("qwen3:8b", ASK)).message.thinking
    with pytest.raises(ollama.ResponseError, match='"mistral:7b" does not support thinking'):
        await client.chat("mistral:7b", ASK, think=True)


TOOL = {
    "type": "function",
    "function": {
        "name": "depth_of",
        "description": "How deep a sea is",
        "parameters": {"type": "object", "properties": {"sea": {"type": "string"}, "unit": {"enum": ["m", "ft"]}}},
    },
}


async def test_ollama_gets_a_tool_call_streaming_and_not_and_text_after_the_tools_answer(client: AsyncClient) -> None:
    (first, last) = [part async for part in await client.chat("llama3.1:8b", ASK, tools=[TOOL], stream=True)]
    whole = await client.chat("llama3.1:8b", ASK, tools=[TOOL])
    for message in (first.message, whole.message):
        (called,) = known(message.tool_calls)
        assert called.function.name == "depth_of"
        assert called.function.arguments["unit"] in ("m", "ft")
    assert (last.done, last.done_reason) == (True, "stop")
    answered: list[Any] = [*ASK, whole.message, {"role": "tool", "content": "4000", "tool_name": "depth_of"}]
    after = await client.chat("llama3.1:8b", answered, tools=[TOOL])
    assert (bool(after.message.content), after.message.tool_calls) == (True, None)


async def test_openai_gets_a_tool_call_streaming_and_not(open_client: AsyncOpenAI) -> None:
    asked: dict[str, Any] = {"model": "llama3.1:8b", "messages": ASK, "tools": [TOOL]}
    whole = (await open_client.chat.completions.create(**asked)).choices[0]
    chunks = [chunk async for chunk in await open_client.chat.completions.create(**asked, stream=True)]
    assert whole.finish_reason == chunks[-1].choices[0].finish_reason == "tool_calls"
    (called,), (streamed,) = known(whole.message.tool_calls), known(chunks[0].choices[0].delta.tool_calls)
    assert set(json.loads(called.function.arguments)) == {"sea", "unit"}
    assert streamed.function.arguments == called.function.arguments


async def test_ollama_generates_with_a_context_and_a_format(client: AsyncClient) -> None:
    said = await client.generate("llama3.1:8b", "Tell me about rivers", options={"num_predict": 9})
    assert said.done_reason == "length"
    assert len(known(said.context)) == known(said.prompt_eval_count) + 9
    formed = await client.generate("llama3.1:8b", "Tell me about rivers", format="json")
    assert set(json.loads(known(formed.response))) == {"topic", "answer", "score"}


async def test_ollama_pulls_a_known_model_with_progress_and_then_has_it(client: AsyncClient) -> None:
    steps = [step async for step in await client.pull("phi3:mini", stream=True)]
    assert steps[0].status == "pulling manifest"
    assert steps[-1].status == "success"
    assert max(step.completed or 0 for step in steps) == steps[1].total
    assert (await client.list()).models[0].model == "phi3:mini"
    assert (await client.chat("phi3:mini", ASK)).done


async def test_ollama_raises_its_own_errors(client: AsyncClient, sim: RunningSimulator) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as caught:
        await client.chat("nope", ASK)
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="no such host"):
        _ = [step async for step in await client.pull("nope:1b", stream=True)]
    sim.faults.set({"mid_stream_error": 3})
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        _ = [part async for part in await client.chat("mistral:7b", ASK, stream=True)]
    sim.faults.set({"connection_refused": True})
    with pytest.raises(ConnectionError):
        await client.list()


async def test_openai_lists_and_completes_streaming_and_not(open_client: AsyncOpenAI) -> None:
    assert [model.id async for model in open_client.models.list()] == ["llama3.1:8b", "mistral:7b", "qwen3:8b"]
    assert (await open_client.models.retrieve("mistral:7b")).owned_by == "library"
    whole = await open_client.chat.completions.create(model="mistral:7b", messages=ASK, max_tokens=12, seed=3)
    assert (whole.choices[0].finish_reason, known(whole.usage).completion_tokens) == ("length", 12)
    stream = await open_client.chat.completions.create(
        model="mistral:7b",
        messages=ASK,
        max_tokens=12,
        seed=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert known(chunks[-1].usage).total_tokens == known(whole.usage).total_tokens


async def test_openai_reasons_with_a_thinking_model(open_client: AsyncOpenAI) -> None:
    said = await open_client.chat.completions.create(model="qwen3:8b", messages=ASK)
    assert known(said.choices[0].message.model_extra)["reasoning"]
    quiet = await open_client.chat.completions.create(model="qwen3:8b", messages=ASK, reasoning_effort="none")
    assert "reasoning" not in known(quiet.choices[0].message.model_extra)


async def test_openai_raises_its_own_errors(open_client: AsyncOpenAI, sim: RunningSimulator) -> None:
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        await open_client.chat.completions.create(model="nope", messages=ASK)
    with pytest.raises(openai.BadRequestError, match="too short"):
        await open_client.chat.completions.create(model="mistral:7b", messages=[])
    sim.faults.set({"always_503": True})
    with pytest.raises(openai.InternalServerError) as caught:
        await open_client.chat.completions.create(model="mistral:7b", messages=ASK)
    assert caught.value.status_code == 503
    sim.faults.set({"connection_refused": True})
    with pytest.raises(openai.APIConnectionError):
        await open_client.models.list()
