"""Whatever happens in whatever order: cards are never overfilled, everybody is answered, everything is given back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.simulator.engine.card_memory import RECOVERY_LIMIT_S
from app.simulator.engine.machine import Machine
from app.simulator.engine.rates import KILL_S
from app.simulator.protocol.errors import Broken, ServerError
from tests.examples import examples
from tests.helpers import wait_until
from tests.simulator.asking import chat, ps, virtually

#: Of all that are loaded (at most three on one card), each with its kill and its wait for the card's memory.
LONGEST_EVICTIONS_S = 3 * (KILL_S + RECOVERY_LIMIT_S) + 5
MODELS = ("llama3.1:8b", "mistral:7b", "qwen3:8b", "phi3:mini", "gemma2:9b")


@dataclass(frozen=True)
class Visit:
    """One caller: when he comes, what he wants, and when he loses patience."""

    at_s: float
    model: str
    num_ctx: int | None
    keep_alive: object
    loads_only: bool
    leaves_after_s: float | None


visits = st.builds(
    Visit,
    at_s=st.floats(0, 60),
    model=st.sampled_from(MODELS),
    num_ctx=st.sampled_from([None, 4096, 8192]),
    keep_alive=st.sampled_from([None, 0, "5s", -1, "10m"]),
    loads_only=st.booleans(),
    leaves_after_s=st.one_of(st.none(), st.floats(0, 20)),
)
faults = st.sampled_from([{}, {"mid_stream_error": 5}, {"runtime_oom": 9}, {"load_fail": "no"}, {"load_oom": True}])


async def visit(machine: Machine, asked: Visit) -> None:
    await machine.clock.sleep(asked.at_s)
    options: dict[str, Any] = {} if asked.num_ctx is None else {"num_ctx": asked.num_ctx}
    text: dict[str, Any] = {"text": ""} if asked.loads_only else {"text": f"What happens at {asked.at_s}?"}
    try:
        async with asyncio.timeout(asked.leaves_after_s):
            await chat(machine, asked.model, keep_alive=asked.keep_alive, num_predict=30, **options, **text)
    except (TimeoutError, ServerError, Broken):
        pass


async def watch_memory(machine: Machine) -> None:
    while True:
        runners = machine.scheduler.loaded.values()
        used = sum(runner.placement.vram_bytes for runner in runners)
        assert used <= machine.config.gpu.vram_bytes
        assert len(runners) <= machine.config.loaded_limit
        assert all(runner.refs >= 0 for runner in runners)
        await machine.clock.sleep(0.5)


def two_who_leave_before_their_model_is_evicted() -> list[Visit]:
    """Both want a loaded model with another context; the first leaves when its eviction has begun.

    The second keeps its place in the queue until that eviction is over, more than 5 s after the last caller left.
    """
    answer = partial(Visit, keep_alive=None, loads_only=False)
    first = answer(at_s=0.0, model="llama3.1:8b", num_ctx=8192, leaves_after_s=None)
    others = [
        answer(at_s=0.0, model=model, num_ctx=None, leaves_after_s=None)
        for model in ("mistral:7b", "mistral:7b", "mistral:7b", "phi3:mini")
    ]
    leaving = answer(at_s=19.0, model="llama3.1:8b", num_ctx=None, leaves_after_s=0.0)
    return [first, *others, leaving, leaving]


@settings(max_examples=examples(25))
@example(schedule=two_who_leave_before_their_model_is_evicted(), parallel=1, fault={}, fault_at=0.0)
@given(
    schedule=st.lists(visits, max_size=14), parallel=st.sampled_from([1, 2]), fault=faults, fault_at=st.floats(0, 60)
)
def test_any_schedule_ends_with_everything_given_back(
    schedule: list[Visit], parallel: int, fault: dict[str, Any], fault_at: float
) -> None:
    async def main(machine: Machine) -> None:
        async def break_things() -> None:
            await machine.clock.sleep(fault_at)
            machine.faults.set(fault)
            await machine.clock.sleep(10)
            machine.faults.clear()

        watching = asyncio.create_task(watch_memory(machine))
        async with asyncio.timeout(3600):
            await asyncio.gather(break_things(), *(visit(machine, asked) for asked in schedule))
        # An eviction that was begun for a caller who left goes on, and who left behind him counts until it is over.
        await wait_until(lambda: machine.scheduler.waiting == 0, LONGEST_EVICTIONS_S)
        assert not watching.done()
        watching.cancel()
        assert len(machine.engine) == 0
        for runner in machine.scheduler.loaded.values():
            assert runner.refs == 0
            async with asyncio.timeout(1):
                for _ in range(parallel):
                    await runner.slots.acquire()  # fails when a slot was never given back
        await machine.clock.sleep(700)
        pinned = {runner.model.name for runner in machine.scheduler.loaded.values() if runner.keep_alive_s > 1e9}
        assert set(await ps(machine)) == pinned

    virtually(main, models=MODELS, num_parallel=parallel)
