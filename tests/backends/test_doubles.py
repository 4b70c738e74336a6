"""What a driver may rely on at a model server holds for Ollama's protocol and for both doubles.

Ollama's is spoken over real sockets to the simulator. The doubles are the scripted backend, and the simulated server
without sockets that runs in virtual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from app.backends.base import (
    BackendError,
    BackendUnavailable,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    ManagedBackend,
    Message,
    ModelNotFound,
)
from app.backends.ollama.backend import OllamaBackend
from app.backends.scripted import Script, ScriptedBackend
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.config import SimulatorConfig
from app.simulator.server.server import running_simulator
from tests.helpers import known, wait_until

MODELS = ("llama3.1:8b", "mistral:7b")
FIRST, SECOND = MODELS
OPTIONS = GenerationOptions(num_ctx=4096, num_predict=12, seed=1)
QUICK = SimulatorConfig(models=MODELS, load_s=0.01, tokens_per_s=400.0, answer_tokens=12)


@dataclass
class Server:
    """A model server behind a backend; ``busy`` counts the answers that it is writing."""

    backend: ManagedBackend
    busy: Callable[[], int]

    async def answered(self, model: str = FIRST) -> list[Chunk]:
        async with aclosing(self.backend.stream(asked(model))) as chunks:
            return [chunk async for chunk in chunks]

    async def loaded(self) -> list[str]:
        return [entry.name for entry in await self.backend.loaded()]


def asked(model: str) -> GenerationRequest:
    return GenerationRequest(model, (Message("user", "Why do rivers bend?"),), OPTIONS)


@asynccontextmanager
async def scripted() -> AsyncIterator[Server]:
    script = Script.of("Ri", timedelta(milliseconds=2), "vers", timedelta(milliseconds=2), " bend.")
    backend = ScriptedBackend(dict.fromkeys(MODELS, (script,)))
    yield Server(backend, lambda: len(backend.writing))


@asynccontextmanager
async def ollama() -> AsyncIterator[Server]:
    async with running_simulator(QUICK) as simulator:
        yield Server(OllamaBackend(simulator.url), lambda: len(simulator.machine.engine))


@asynccontextmanager
async def simulated() -> AsyncIterator[Server]:
    async with SimulatedBackend.running(QUICK, grain=1) as backend:
        yield Server(backend, lambda: len(backend.machine.engine))


@pytest.fixture(params=[scripted, ollama, simulated])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with request.param() as server:
        yield server
        await server.backend.aclose()


async def test_what_is_installed_is_listed_with_its_size_and_nothing_is_in_memory_at_first(server: Server) -> None:
    installed = await server.backend.installed()
    assert {model.name for model in installed} == set(MODELS)
    assert all(model.size_bytes > 0 for model in installed)
    assert await server.loaded() == []
    assert await server.backend.version()


async def test_an_answer_is_its_texts_and_one_last_chunk_with_the_reason_and_the_timing(server: Server) -> None:
    *texts, last = await server.answered()
    assert "".join(chunk.text for chunk in texts).strip()
    assert {chunk.finish_reason for chunk in texts} == {None}
    assert {chunk.timing for chunk in texts} == {None}
    assert last.finish_reason in ("stop", "length")
    assert known(last.timing).tokens == sum(chunk.tokens for chunk in (*texts, last)) > 0


async def test_a_model_that_answers_is_in_memory_whether_it_was_loaded_before_or_not(server: Server) -> None:
    await server.answered(FIRST)
    assert await server.loaded() == [FIRST]
    seconds = await server.backend.load(SECOND, OPTIONS)
    assert seconds >= 0.0
    assert set(await server.loaded()) == set(MODELS)
    await server.answered(SECOND)
    assert set(await server.loaded()) == set(MODELS)


async def test_an_unloaded_model_is_gone_a_moment_later_and_another_time_is_no_error(server: Server) -> None:
    await server.backend.load(FIRST, OPTIONS)
    await server.backend.load(SECOND, OPTIONS)

    async def only_the_second() -> bool:
        return await server.loaded() == [SECOND]

    for _ in range(2):
        await server.backend.unload(FIRST)
        await wait_until(only_the_second)
        assert await server.loaded() == [SECOND]


async def test_a_model_in_memory_is_listed_with_its_size(server: Server) -> None:
    await server.backend.load(FIRST, OPTIONS)
    (entry,) = await server.backend.loaded()
    assert entry.size_bytes >= entry.vram_bytes > 0


@pytest.mark.parametrize("ask", ["stream", "load"])
async def test_an_unknown_model_is_refused_as_such(server: Server, ask: str) -> None:
    with pytest.raises(ModelNotFound):
        await (server.answered("nobody:1b") if ask == "stream" else server.backend.load("nobody:1b", OPTIONS))
    assert await server.loaded() == []


async def test_leaving_in_mid_answer_ends_the_work_on_it(server: Server) -> None:
    async with aclosing(server.backend.stream(asked(FIRST))) as chunks:
        first = await anext(chunks)
        assert first.finish_reason is None
        assert server.busy() == 1
    await wait_until(lambda: server.busy() == 0)


async def test_several_answers_are_written_at_once_and_none_mixes_with_another(server: Server) -> None:
    async with (
        aclosing(server.backend.stream(asked(FIRST))) as one,
        aclosing(server.backend.stream(asked(FIRST))) as two,
    ):
        texts = ["", ""]
        for number, chunks in enumerate((one, two)):
            async for chunk in chunks:
                texts[number] += chunk.text
    alone = "".join(chunk.text for chunk in await server.answered())
    assert texts == [alone, alone]


@asynccontextmanager
async def silent_ollama() -> AsyncIterator[ManagedBackend]:
    async with running_simulator(QUICK) as simulator:
        url = simulator.url
    yield OllamaBackend(url)


@asynccontextmanager
async def silent_script() -> AsyncIterator[ManagedBackend]:
    yield ScriptedBackend(dict.fromkeys(MODELS, (Script(),)), down=BackendUnavailable("refused"))


@pytest.mark.parametrize("silent", [silent_script, silent_ollama])
@pytest.mark.parametrize("ask", ["stream", "load", "unload", "loaded", "installed", "version"])
async def test_a_server_that_is_not_there_is_unavailable_whatever_is_asked(
    silent: Callable[[], object], ask: str
) -> None:
    async with silent() as backend:  # type: ignore[attr-defined]
        calls = {
            "stream": lambda: Server(backend, int).answered(),
            "load": lambda: backend.load(FIRST, OPTIONS),
            "unload": lambda: backend.unload(FIRST),
            "loaded": backend.loaded,
            "installed": backend.installed,
            "version": backend.version,
        }
        with pytest.raises(BackendUnavailable) as refused:
            await calls[ask]()
    assert isinstance(refused.value, BackendError)
    assert refused.value.code == "unavailable"
