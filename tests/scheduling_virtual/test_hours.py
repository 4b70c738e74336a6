"""Hours of battles in a few seconds: the whole of the drivers in virtual time, on simulated servers."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest

from app.backends.base import GenerationOptions
from app.errors import Unavailable
from app.scheduling.planning.view import LATE
from app.simulator.engine import mishaps
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.crowd import FIVE, directly, through_drivers
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup
from benchmarks.scheduling.figures import Figures
from benchmarks.scheduling.killed import killed
from benchmarks.scheduling.nights import nights
from benchmarks.scheduling.playing import play_all
from benchmarks.scheduling.visits import Crowd
from benchmarks.scheduling.waits import passed_s

OPTIONS = GenerationOptions(num_ctx=8192, seed=1)
THREE = SimulatorConfig(card="a10g", seed=1)
CROWDED = Setup(
    SimulatorConfig(card="a10g", models=FIVE, seed=1, num_parallel=4), GenerationOptions(num_ctx=4096, seed=1)
)


def always_playing(seed: int = 1, hours: float = 0.1) -> Crowd:
    return Crowd(FIVE, users=25, hours=hours, every_s=60.0, seed=seed)


def from_the_second_hour(at: float) -> bool:
    return at >= 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Played:
    """How a crowd's battles went, the longest that somebody was passed, and the dearest change of models."""

    figures: Figures
    passed_s: float
    change_s: float


@cache
def crowded(seed: int) -> Played:
    """The same for all that ask for it: each takes seconds."""

    async def played() -> Played:
        async with DrivenHosts.running(CROWDED) as driven:
            battles = await play_all(always_playing(seed).visits(), driven, driven.clock.now)
            reports = await driven.reports.read()
            dearest = max(reports["one"].change_s.values())
            return Played(Figures(battles, driven.loads["one"].count), passed_s(driven.sink.begun), dearest)

    return run_virtual(played())


def ends(figures: Figures) -> list[tuple[str, float, list[float]]]:
    return [(one.visit.battle, one.opened_at, one.waits_s) for one in figures.played]


@pytest.mark.parametrize("keep_alive", [timedelta(hours=72), None], ids=["kept alive", "expiring"])
def test_no_answer_is_cold_after_an_hour_without_anybody(keep_alive: timedelta | None) -> None:
    crowd = Crowd(THREE.models, users=10, hours=1.5, every_s=900.0, awake=from_the_second_hour)
    figures = run_virtual(nights(Setup(THREE, OPTIONS, keep_alive=keep_alive), crowd, restart=False))
    assert figures.battles > 10
    assert figures.cold_answers == 0


def test_without_a_prewarmer_the_first_ones_wait_for_their_models() -> None:
    crowd = Crowd(THREE.models, users=10, hours=1.5, every_s=900.0, awake=from_the_second_hour)
    figures = run_virtual(nights(Setup(THREE, OPTIONS, prewarm=False), crowd, restart=False))
    assert figures.cold_answers >= 3


def test_models_that_fit_together_are_loaded_once_each() -> None:
    crowd = Crowd(THREE.models, users=25, hours=0.5, every_s=300.0)
    figures = run_virtual(through_drivers(Setup(THREE, OPTIONS), crowd))
    assert figures.swaps == 0
    assert figures.failed == 0


def test_a_crowd_waits_less_than_half_of_what_it_waits_at_the_server_itself() -> None:
    drivers = crowded(1).figures
    direct = run_virtual(directly(CROWDED, always_playing()))
    assert drivers.battles == direct.battles > 100
    assert drivers.failed == drivers.failed_answers == 0
    assert drivers.battle_s(0.95) * 2 < direct.battle_s(0.95)
    assert drivers.swaps * 2 < direct.swaps


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_is_passed_for_longer_than_a_turn_for_each_model_that_is_not_there(seed: int) -> None:
    played = crowded(seed)
    # Two of the five models aren't there: one is late after three times what bringing both and one more costs. Then the
    # answers in the way end, and both are brought.
    assert played.passed_s < LATE * 3 * played.change_s + 2 * (20 + played.change_s)


def test_the_same_seed_gives_the_same_hours_to_the_last_digit() -> None:
    first, again = (run_virtual(through_drivers(CROWDED, always_playing(hours=0.05))) for _ in range(2))
    assert ends(first) == ends(again)
    assert first.loads == again.loads


def test_another_seed_gives_others() -> None:
    first, other = (run_virtual(through_drivers(CROWDED, always_playing(seed, hours=0.02))) for seed in (1, 2))
    assert ends(first) != ends(other)


def test_a_host_that_dies_in_turn_with_another_fails_no_battle() -> None:
    setup = dataclasses.replace(Setup(THREE, OPTIONS), hosts=("one", "two"))
    crowd = Crowd(THREE.models, users=25, hours=0.6, every_s=300.0)
    figures, refused = run_virtual(killed(setup, crowd, every_s=600.0, down_s=180.0))
    assert figures.battles > 100
    assert (figures.failed, refused) == (0, 0)


def test_battles_are_taken_again_after_the_only_host_was_away() -> None:
    async def main() -> None:
        async with DrivenHosts.running(Setup(THREE, OPTIONS)) as driven:
            crowd, machine = Crowd(THREE.models, users=3, hours=0.05, every_s=60.0), driven.machines["one"]
            await driven.clock.sleep(60)
            machine.faults.set({"connection_refused": True})
            await driven.clock.sleep(60)
            with pytest.raises(Unavailable):
                await driven.router.room(THREE.models)
            machine.faults.set({"connection_refused": None})
            await driven.clock.sleep(20)
            await driven.router.room(THREE.models)
            played = await play_all(crowd.visits(), driven, driven.clock.now)
            assert Figures(played, {}).failed_answers == 0

    run_virtual(main())


async def _after(change: Callable[[Machine, str], bool]) -> tuple[list[float], list[str]]:
    """The keep_alive of what is loaded, and the kinds of events, after something happened under an answer."""
    async with DrivenHosts.running(Setup(THREE, OPTIONS)) as driven:
        await driven.clock.sleep(40)
        playing = asyncio.create_task(
            play_all(Crowd(THREE.models, users=3, hours=0.03, every_s=20.0).visits(), driven, driven.clock.now)
        )
        await driven.clock.sleep(25)
        machine = driven.machines["one"]
        while not machine.engine.busy(next(iter(machine.scheduler.loaded.values()))):
            await driven.clock.sleep(0.1)
        change(machine, next(iter(machine.scheduler.loaded.values())).model.name)
        await playing
        await driven.clock.sleep(40)
        reports = await driven.reports.read()
        runners = machine.scheduler.loaded.values()
        return [runner.keep_alive_s for runner in runners], [event.kind for event in reports["one"].events]


def test_a_crashed_child_is_an_event_and_comes_back_with_our_keep_alive() -> None:
    kept, kinds = run_virtual(_after(mishaps.kill_child))
    assert kept == [72 * 3600.0] * 3
    assert "crashed" in kinds


def evict(machine: Machine, model: str) -> bool:
    """As a stranger's keep_alive 0 does: it goes once its answer has ended, and the next one of ours brings it back."""
    machine.scheduler.expire(next(one.model for one in machine.scheduler.loaded.values() if one.model.name == model))
    return True


def test_a_model_that_a_stranger_evicts_is_an_event_and_has_our_keep_alive_when_it_is_back() -> None:
    kept, kinds = run_virtual(_after(evict))
    assert kept == [72 * 3600.0] * 3
    assert {"replaced", "unloaded_by_others"} & set(kinds)


def test_a_child_that_hangs_is_an_event_and_is_loaded_anew() -> None:
    kept, kinds = run_virtual(_after(mishaps.stop_child))
    assert kept == [72 * 3600.0] * 3
    assert "hung" in kinds
