"""The simulated server behind the arena's ``Backend``, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

from app.backends.base import (
    BackendBroken,
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    LoadTimedOut,
    ManagedBackend,
    Message,
    ModelNotFound,
)
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from tests.helpers import known

T = TypeVar("T")

OPTIONS = GenerationOptions(num_predict=60)
ASK = GenerationRequest("mistral:7b", (Message("user", "Why do leaves fall?"),), OPTIONS)


def virtually(main: Callable[[SimulatedBackend], Awaitable[T]], grain: int = 1, **config: Any) -> T:
    async def run() -> T:
        async with SimulatedBackend.running(SimulatorConfig(**config), grain=grain) as backend:
            return await main(backend)

    return run_virtual(run())


async def chunks_of(backend: ManagedBackend, request: GenerationRequest = ASK) -> list[Chunk]:
    return [chunk async for chunk in backend.stream(request)]


def test_an_answer_streams_and_its_last_chunk_has_the_reason_and_the_timing() -> None:
    async def main(backend: SimulatedBackend) -> None:
        chunks = await chunks_of(backend)
        assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].finish_reason == "length"
        assert known(chunks[-1].timing).tokens == sum(chunk.tokens for chunk in chunks) == 60
        assert known(chunks[-1].timing).load_s > 4
        assert known(chunks[-1].timing).total_s == pytest.approx(backend.machine.clock.now())

    virtually(main)


@pytest.mark.parametrize("grain", [1, 7, 1000])
def test_the_grain_merges_chunks_and_changes_neither_the_text_nor_the_time(grain: int) -> None:
    async def main(backend: SimulatedBackend) -> tuple[str, float, int]:
        chunks = await chunks_of(backend)
        return "".join(chunk.text for chunk in chunks), round(backend.machine.clock.now(), 6), len(chunks)

    text, now, count = virtually(main, grain=grain)
    fine_text, fine_now, _ = virtually(main)
    assert (text, now) == (fine_text, fine_now)
    assert count <= 2 + -(-59 // grain)


def test_load_loaded_installed_version_and_unload() -> None:
    async def main(backend: SimulatedBackend) -> None:
        assert await backend.version() == "0.33.3"
        assert [model.name for model in await backend.installed()] == ["llama3.1:8b", "mistral:7b", "qwen3:8b"]
        seconds = await backend.load("mistral:7b", OPTIONS)
        assert seconds == pytest.approx(backend.machine.clock.now())
        (loaded,) = await backend.loaded()
        assert (loaded.name, loaded.context_length) == ("mistral:7b", 4096)
        assert loaded.vram_bytes == loaded.size_bytes
        assert known((await chunks_of(backend))[-1].timing).load_s < 0.2
        await backend.unload("mistral:7b")
        await backend.machine.clock.sleep(0.2)
        assert await backend.loaded() == ()

    virtually(main)


def test_closing_the_stream_frees_the_slot() -> None:
    async def main(backend: SimulatedBackend) -> None:
        await backend.load("mistral:7b", OPTIONS)
        async with aclosing(backend.stream(ASK)) as stream:
            await anext(stream)
        assert len(backend.machine.engine) == 0
        assert known((await chunks_of(backend))[-1].timing).total_s < 3

    virtually(main)


def test_a_thinking_chunk_says_that_it_thinks_and_not_what() -> None:
    async def main(backend: SimulatedBackend) -> None:
        request = GenerationRequest("qwen3:8b", ASK.messages, GenerationOptions(think=True))
        chunks = await chunks_of(backend, request)
        assert chunks[0] == Chunk(thinking=True)
        assert any(chunk.text for chunk in chunks)

    virtually(main)


def test_a_half_open_or_lagging_server_is_unavailable_to_probes_and_late_for_loads() -> None:
    async def main(backend: SimulatedBackend) -> None:
        for faults in ({"half_open": True}, {"ps_lag_s": 5.0}):
            backend.machine.faults.set(faults)
            with pytest.raises(BackendUnavailable):
                await backend.loaded()
        with pytest.raises(LoadTimedOut):
            await backend.load("mistral:7b", OPTIONS)

    virtually(main)


def test_wrong_requests_are_refused_as_by_the_server() -> None:
    async def main(backend: SimulatedBackend) -> None:
        for request, error in (
            (GenerationRequest("nope", ASK.messages), ModelNotFound),
            (GenerationRequest("mistral:7b", ASK.messages, GenerationOptions(think=True)), BadRequest),
            (GenerationRequest("mistral:7b", (Message("user", "word " * 9000),)), BadRequest),
            (GenerationRequest("mistral:7b", ASK.messages, GenerationOptions(extra={"top_k": "x"})), BadRequest),
        ):
            with pytest.raises(error):
                await chunks_of(backend, request)

    virtually(main)


def test_a_machine_that_goes_down_breaks_what_runs_and_comes_back_empty() -> None:
    async def main(backend: SimulatedBackend) -> None:
        await backend.load("mistral:7b", OPTIONS)
        running = asyncio.create_task(chunks_of(backend))
        loading = asyncio.create_task(backend.load("qwen3:8b", OPTIONS))
        await backend.machine.clock.sleep(1)
        down = asyncio.create_task(backend.machine.restart(30))
        outcomes = await asyncio.gather(running, loading, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [BackendBroken, BackendUnavailable]
        with pytest.raises(BackendUnavailable):
            await backend.version()
        await down
        assert await backend.loaded() == ()
        assert 15 < await backend.load("mistral:7b", OPTIONS) < 25

    virtually(main)


def test_the_same_seed_gives_the_same_run_and_another_seed_another_one() -> None:
    async def main(backend: SimulatedBackend) -> list[tuple[float, str, str]]:
        trace = []

        async def watch(model: str) -> None:
            stream = backend.stream(GenerationRequest(model, ASK.messages, OPTIONS))
            trace.extend([(round(backend.machine.clock.now(), 9), model, chunk.text) async for chunk in stream])

        for _ in range(3):
            await asyncio.gather(*(watch(model) for model in backend.machine.config.models))
        return trace

    first = virtually(main, seed=4)
    assert virtually(main, seed=4) == first
    assert virtually(main, seed=5) != first


def test_a_day_of_answers_takes_seconds() -> None:
    async def main(backend: SimulatedBackend) -> None:
        answers = 0
        while backend.machine.clock.now() < 24 * 3600:
            await chunks_of(backend)
            await backend.machine.clock.sleep(60)
            answers += 1
        assert answers > 1000

    virtually(main, grain=64)
