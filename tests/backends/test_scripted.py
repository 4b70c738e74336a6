"""The scripted backend keeps a backend's promises."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta

import pytest

from app.backends.base import (
    Backend,
    BackendBroken,
    BackendUnavailable,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    ManagedBackend,
    ModelNotFound,
    OutOfCapacity,
    ServerTiming,
    inventory,
    residency_control,
)
from app.backends.ollama.backend import OllamaBackend
from app.backends.retrying import RetryingBackend, RetryingManagedBackend
from app.backends.scripted import Call, GeneratingBackend, Script, ScriptedBackend, Thinking

REQUEST = GenerationRequest("m", ())


async def chunks_of(backend: ScriptedBackend, model: str = "m") -> list[Chunk]:
    async with aclosing(backend.stream(GenerationRequest(model, ()))) as chunks:
        return [chunk async for chunk in chunks]


def test_what_each_backend_offers_beside_generating() -> None:
    scripted: ManagedBackend = ScriptedBackend()
    ollama = OllamaBackend("http://127.0.0.1:1")
    managed: list[ManagedBackend] = [scripted, RetryingManagedBackend(scripted), ollama]
    generating: list[Backend] = [GeneratingBackend(), RetryingBackend(ollama)]
    assert all(inventory(backend) is backend and residency_control(backend) is backend for backend in managed)
    assert [(inventory(backend), residency_control(backend)) for backend in generating] == [(None, None)] * 2


async def test_an_answer_is_its_pieces_and_an_end() -> None:
    backend = ScriptedBackend({"m": [Script.of(Thinking(), "Hel", "lo")]})
    assert await chunks_of(backend) == [
        Chunk(thinking=True),
        Chunk("Hel", 1),
        Chunk("lo", 1),
        Chunk(finish_reason="stop", timing=ServerTiming(tokens=2)),
    ]


async def test_the_scripts_of_a_model_come_one_after_the_other_and_the_last_repeats() -> None:
    backend = ScriptedBackend({"m": [Script.of("one"), Script(("two",), "length")]})
    assert [(await chunks_of(backend))[0].text for _ in range(3)] == ["one", "two", "two"]
    assert (await chunks_of(backend))[-1].finish_reason == "length"


async def test_an_error_comes_where_the_script_has_it() -> None:
    backend = ScriptedBackend({"m": [Script.of("Half", BackendBroken("cut"))]})
    async with aclosing(backend.stream(REQUEST)) as chunks:
        assert (await anext(chunks)).text == "Half"
        with pytest.raises(BackendBroken, match="cut"):
            await anext(chunks)


async def test_pauses_are_slept_by_the_clock_it_was_given() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    backend = ScriptedBackend(
        {"m": [Script.of("a", timedelta(seconds=90), "b")]}, load_time=timedelta(seconds=7), sleep=sleep
    )
    await chunks_of(backend)
    assert [seconds for seconds in slept if seconds] == [7.0, 90.0]


async def test_it_remembers_what_was_asked_in_order() -> None:
    backend = ScriptedBackend({"m": [Script.of("a")]})
    options = GenerationOptions(num_ctx=5)
    await backend.load("m", options)
    await chunks_of(backend)
    await backend.unload("m")
    assert [call.kind for call in backend.calls] == ["load", "stream", "closed", "unload"]
    assert backend.calls[0] == Call("load", "m", None, options)


async def test_what_is_loaded_follows_loads_unloads_and_answers() -> None:
    backend = ScriptedBackend(models=("a", "b", "c"), max_loaded=2)
    await backend.load("a", GenerationOptions())
    await chunks_of(backend, "b")
    assert [model.name for model in await backend.loaded()] == ["a", "b"]
    await backend.load("c", GenerationOptions())
    assert [model.name for model in await backend.loaded()] == ["b", "c"]
    await backend.unload("b")
    await backend.unload("b")
    assert [model.name for model in await backend.loaded()] == ["c"]


async def test_it_fails_as_a_server_fails() -> None:
    backend = ScriptedBackend(models=("a",), load_failures={"a": [OutOfCapacity("full")]})
    with pytest.raises(ModelNotFound):
        await chunks_of(backend, "b")
    with pytest.raises(OutOfCapacity):
        await backend.load("a", GenerationOptions())
    backend.down = BackendUnavailable("away")
    with pytest.raises(BackendUnavailable):
        await chunks_of(backend, "a")
    assert backend.writing == []
