"""How long a load may take."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.backends.base import GenerationOptions, LoadTimedOut
from app.backends.scripted import ScriptedBackend
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.load_limit import LoadLimits
from app.scheduling.driver.loader import Loader
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.residency import Residency
from app.scheduling.planning.budget import Budget
from app.timing.history import History

LEAST = timedelta(seconds=180)


def options(_: str) -> GenerationOptions:
    return GenerationOptions()


@pytest.mark.parametrize(
    ("size_bytes", "usual_s", "limit_s"),
    [(0, 0.0, 180), (5 * 10**9, 8.0, 180), (40 * 10**9, 0.0, 800), (5 * 10**9, 200.0, 800), (10**13, 0.0, 3600)],
)
def test_a_load_may_take_what_its_size_and_its_history_say(size_bytes: int, usual_s: float, limit_s: float) -> None:
    assert LoadLimits(LEAST).of("m", size_bytes, usual_s).total_seconds() == limit_s


def test_each_load_that_ran_into_the_limit_doubles_the_next_one() -> None:
    limits = LoadLimits(LEAST)
    limits.timed_out("m")
    assert limits.of("m", 0, 0).total_seconds() == 360
    limits.timed_out("m")
    assert limits.of("m", 0, 0).total_seconds() == 720
    assert limits.of("other", 0, 0).total_seconds() == 180
    limits.loaded("m")
    assert limits.of("m", 0, 0).total_seconds() == 180


def test_a_longer_configured_limit_is_kept() -> None:
    assert LoadLimits(timedelta(hours=2)).of("m", 0, 0) == timedelta(hours=2)


async def test_a_load_that_was_ended_succeeds_when_it_may_take_longer() -> None:
    backend = ScriptedBackend(load_time=timedelta(seconds=0.3))
    events = HostEvents("gpu")
    residency = Residency("gpu", backend, options, events=events, memory=MemoryBudget(Budget(None)))
    limits = LoadLimits(timedelta(seconds=0.1))
    loader = Loader("gpu", backend, residency, options, History(), events, limits=limits)
    for _ in range(2):
        with pytest.raises(LoadTimedOut, match="not loaded within"):
            await loader.load("a")
    assert residency.loading is None
    assert [event.kind for event in events.newest] == ["load_hung", "load_hung"]
    async with asyncio.timeout(10):
        await loader.load("a")
    assert limits.of("a", 0, 0) < timedelta(seconds=0.2)
