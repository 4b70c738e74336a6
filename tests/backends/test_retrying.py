"""What is tried again, and what never."""

from __future__ import annotations

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
    InstalledModel,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    RunnerStopped,
    UpstreamFailed,
    inventory,
    residency_control,
)
from app.backends.retrying import RetryingBackend, RetryingListedBackend, RetryingManagedBackend, retrying
from app.backends.scripted import GeneratingBackend, Script, ScriptedBackend, Thinking

REQUEST = GenerationRequest("m", ())
HELLO = Script.of("Hello", " you")


class Slept:
    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


async def text_from(backend: RetryingBackend) -> str:
    async with aclosing(backend.stream(REQUEST)) as chunks:
        return "".join([chunk.text async for chunk in chunks])


@pytest.mark.parametrize("failure", [BackendUnavailable("x"), BackendOverloaded("x"), RunnerStopped("x")])
async def test_what_can_heal_is_tried_again_before_the_first_chunk(failure: BackendError) -> None:
    inner = ScriptedBackend({"m": [Script.of(failure), Script.of(failure), HELLO]})
    assert await text_from(RetryingBackend(inner, sleep=Slept())) == "Hello you"
    assert inner.called("stream") == ["m"] * 3
    assert inner.called("closed") == ["m"] * 3


@pytest.mark.parametrize(
    "failure", [LoadTimedOut("x"), ModelNotFound("x"), BadRequest("x"), OutOfCapacity("x"), UpstreamFailed("x")]
)
async def test_what_can_not_heal_is_not_tried_again(failure: BackendError) -> None:
    inner = ScriptedBackend({"m": [Script.of(failure), HELLO]})
    with pytest.raises(type(failure)):
        await text_from(RetryingBackend(inner, sleep=Slept()))
    assert inner.called("stream") == ["m"]


@pytest.mark.parametrize("failure", [BackendBroken("x"), BackendUnavailable("x")])
@pytest.mark.parametrize("first", ["Hel", Thinking()])
async def test_nothing_is_tried_again_after_the_first_chunk(failure: BackendError, first: str | Thinking) -> None:
    inner = ScriptedBackend({"m": [Script.of(first, failure), HELLO]})
    with pytest.raises(type(failure)):
        await text_from(RetryingBackend(inner, sleep=Slept()))
    assert inner.called("stream") == ["m"]


async def test_the_attempts_are_bounded_and_the_last_failure_is_told() -> None:
    inner = ScriptedBackend({"m": [Script.of(BackendUnavailable("no"))]})
    with pytest.raises(BackendUnavailable, match="no"):
        await text_from(RetryingBackend(inner, attempts=4, sleep=Slept()))
    assert len(inner.called("stream")) == 4


async def test_the_waits_grow_with_a_jitter_and_a_bound() -> None:
    slept = Slept()
    inner = ScriptedBackend({"m": [Script.of(BackendUnavailable("no"))]})
    backend = RetryingBackend(
        inner,
        attempts=5,
        first_wait=timedelta(seconds=1),
        longest_wait=timedelta(seconds=3),
        sleep=slept,
        jitter=lambda: 0.5,
    )
    with pytest.raises(BackendUnavailable):
        await text_from(backend)
    assert slept.waits == [0.5, 1.0, 1.5, 1.5]


async def test_no_attempt_begins_after_the_patience_ended() -> None:
    inner = ScriptedBackend({"m": [Script.of(BackendUnavailable("no"))]})
    with pytest.raises(BackendUnavailable):
        await text_from(RetryingBackend(inner, attempts=9, patience=timedelta(0), sleep=Slept()))
    assert len(inner.called("stream")) == 1


async def test_loads_and_unloads_are_tried_again_and_questions_are_not() -> None:
    inner = ScriptedBackend(models=("m",), load_failures={"m": [RunnerStopped("x")]})
    backend = RetryingManagedBackend(inner, sleep=Slept())
    assert await backend.load("m", GenerationOptions()) == 0.0
    assert inner.called("load") == ["m", "m"]
    await backend.unload("m")
    assert [model.name for model in await backend.loaded()] == []
    assert [model.name for model in await backend.installed()] == ["m"]
    assert await backend.version() == "scripted"
    inner.down = BackendUnavailable("away")
    with pytest.raises(BackendUnavailable):
        await backend.version()
    await backend.aclose()


async def test_leaving_the_answer_closes_the_inner_one() -> None:
    inner = ScriptedBackend({"m": [HELLO]})
    async with aclosing(RetryingBackend(inner).stream(REQUEST)) as chunks:
        assert (await anext(chunks)).text == "Hello"
        assert inner.writing == ["m"]
    assert inner.writing == []


def test_retries_hide_nothing_that_a_server_offers_and_add_nothing() -> None:
    class Listed(GeneratingBackend):
        async def installed(self) -> tuple[InstalledModel, ...]:
            return ()

        async def version(self) -> str:
            return "1"

    servers: list[Backend] = [GeneratingBackend(), Listed(), ScriptedBackend()]
    wrapped = [retrying(server) for server in servers]
    assert [type(backend) for backend in wrapped] == [RetryingBackend, RetryingListedBackend, RetryingManagedBackend]
    for server, backend in zip(servers, wrapped, strict=True):
        assert (inventory(backend) is None) == (inventory(server) is None)
        assert (residency_control(backend) is None) == (residency_control(server) is None)
