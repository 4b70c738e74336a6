"""An exchange of the rotation on a simulated server: the next model comes while the old one still answers."""

from __future__ import annotations

import pytest

from app.backends.base import GenerationOptions
from app.battle import rules
from app.battle.battle import Contestant
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup

OLD, KEPT, NEXT = "mistral:7b", "llama3.1:8b", "qwen3:8b"
LONG = 1000


def setup(num_parallel: int) -> Setup:
    """One A10G: all three fit with one slot, two with four."""
    config = SimulatorConfig(
        card="a10g", models=(OLD, KEPT, NEXT), seed=1, num_parallel=num_parallel, answer_tokens=LONG
    )
    return Setup(config, GenerationOptions(num_ctx=8192, num_predict=LONG, seed=1))


async def exchange(num_parallel: int) -> tuple[bool, bool, set[str]]:
    """Open a battle of OLD and KEPT, exchange OLD for NEXT under its answers, and wait for both.

    Returns whether NEXT came while OLD answered, whether it is there at the end, and how both answers ended.
    """
    async with DrivenHosts.running(setup(num_parallel)) as hosts:
        hosts.rotation = {"one": (OLD, KEPT)}
        await hosts.clock.sleep(30)
        battle = rules.open_battle("b1", "Why?", (Contestant(0, OLD), Contestant(1, KEPT)))
        await hosts.open(battle)
        await hosts.ask(battle)
        await hosts.clock.sleep(2)
        hosts.rotation = {"one": (KEPT, NEXT)}
        overlapped = False
        while None in (ended := [hosts.finish(battle, entry) for entry in (0, 1)]):
            await hosts.clock.sleep(0.5)
            overlapped = overlapped or (ended[0] is None and in_memory(hosts, NEXT))
        await hosts.clock.sleep(60)
        assert hosts.loads["one"].count[OLD] == 1
        return overlapped, in_memory(hosts, NEXT), {one.reason for one in ended if one is not None}


def in_memory(hosts: DrivenHosts, model: str) -> bool:
    return any(runner.model.name == model for runner in hosts.loads["one"].values())


@pytest.mark.parametrize(("num_parallel", "overlaps"), [(1, True), (4, False)], ids=["fits", "does not fit"])
def test_the_next_model_is_loaded_while_the_old_one_answers_only_if_it_fits(num_parallel: int, overlaps: bool) -> None:
    overlapped, there, reasons = run_virtual(exchange(num_parallel))
    assert overlapped is overlaps
    assert there
    assert reasons <= {"stop", "length"}  # the battle that was running finished with what it drew
