"""The simulator behaves as the recorded H100 (data/ollama-recordings/h100): speeds, loads, and what it believes."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from app.simulator.engine import mishaps
from app.simulator.engine.machine import Machine
from app.simulator.models.cards import GIB
from app.simulator.protocol.errors import Broken
from app.simulator.protocol.names import ModelName
from benchmarks.scheduling import recorded
from tests.helpers import known
from tests.simulator.asking import Kept, chat, load, ps, virtually

FACTS: dict[str, Any] = json.loads((recorded.RECORDINGS / "facts.json").read_text())
LOG = (recorded.RECORDINGS / "scheduler.log").read_text()
A, B, C, D, E = recorded.NAMES
SLOTS = 4


def on_the_card(main: Callable[[Machine], Coroutine[Any, Any, None]], seed: int = 1, **more: Any) -> None:
    config = recorded.setup(seed).config
    given = {name: getattr(config, name) for name in ("card", "others_gb", "models", "num_parallel", "disk", "seed")}
    virtually(main, **(given | {"context_length": 4096, "answer_tokens": 400, "answer_spread": 0.0} | more))


def readings(machine: Machine) -> list[float]:
    return sorted(round(runner.reading[0] / GIB, 1) for runner in machine.scheduler.loaded.values())


async def took_s(machine: Machine, model: str) -> float:
    began = machine.clock.now()
    await load(machine, model)
    return machine.clock.now() - began


async def rate(machine: Machine, model: str, number: int = 0) -> float:
    ended = await chat(machine, model, text=f"Question {number} about rain", num_predict=100)
    return ended.tokens / ended.decode_s


def test_a_model_lists_its_buffers_and_takes_more_and_each_remembers_what_it_found() -> None:
    async def main(machine: Machine) -> None:
        for model in (A, B, C):
            await load(machine, model)
        listed = [runner.placement.vram_bytes / GIB for runner in await machine.scheduler.listed()]
        assert listed == pytest.approx([FACTS["seed_0"]["ps"][0][1]] * 3, abs=0.03)
        # nvidia-smi: used, free, total in MiB; what a new process would take for itself is no longer free
        free_mib = float(FACTS["seed_2"]["smi"].split(",")[1])
        found = machine.scheduler.memory.measured(tuple(machine.scheduler.loaded.values()))[0]
        assert found / GIB == pytest.approx(free_mib / 1024 - 0.58, abs=0.2)
        logged = {float(text) for text in re.findall(r'loaded models".*available="([\d.]+) GiB"', LOG)}
        assert logged == {16.7, 9.9, 9.8, 3.0}
        assert readings(machine) == pytest.approx([3.0, 9.8, 16.7], abs=0.15)

    on_the_card(main)


def test_a_load_takes_as_long_as_recorded_on_an_empty_card_and_beside_others() -> None:
    async def main(machine: Machine) -> None:
        empty = [FACTS["seed_0"]["load_s"][0], FACTS["load_into_empty"][0]]
        assert min(empty) - 0.15 <= await took_s(machine, A) <= max(empty)
        beside = [FACTS["seed_1"]["load_s"][0], FACTS["seed_2"]["load_s"][0]]
        assert min(beside) <= await took_s(machine, B) <= max(beside)

    on_the_card(main)


def test_an_eviction_waits_five_seconds_in_vain_or_not_at_all() -> None:
    seen: list[float] = []

    async def main(machine: Machine) -> None:
        for model in (A, B, C):
            await load(machine, model)
        seen.append(await took_s(machine, D))

    for seed in range(20):
        on_the_card(main, seed)
    slow, quick = FACTS["seed_3"]["load_s"][0], FACTS["swaps"][0]["load"][0]
    assert sorted(seen)[len(seen) // 2] == pytest.approx(slow, rel=0.08)
    assert min(seen) == pytest.approx(quick, rel=0.2)
    assert all(any(abs(one - wait - quick) < 0.5 for wait in (0, 5, 10)) for one in seen)


def test_after_unloads_the_server_evicts_more_than_it_needs() -> None:
    extra: list[int] = []

    async def main(machine: Machine) -> None:
        chance = random.Random(machine.config.seed)
        for model in (A, B, C):
            await load(machine, model)
        for _ in range(4):
            there = await ps(machine)
            gone = chance.choice(there)
            await load(machine, gone, keep_alive=0)
            await machine.clock.sleep(6)
            await load(machine, chance.choice([model for model in recorded.NAMES if model not in there]))
            extra.append(len(there) - len(await ps(machine)))

    for seed in range(10):
        on_the_card(main, seed)
    assert 2 / 8 <= sum(extra) / len(extra) <= 6 / 12  # as recorded


def test_answers_are_as_fast_as_recorded_alone_in_a_batch_and_beside_other_models() -> None:
    async def main(machine: Machine) -> None:
        for model in (A, B, C):
            await load(machine, model)
        assert await rate(machine, A) == pytest.approx(sum(FACTS["alone"]) / 3, rel=0.08)
        batch = await asyncio.gather(*(rate(machine, A, number) for number in range(SLOTS)))
        assert sum(batch) / SLOTS == pytest.approx(FACTS["par4"]["each_tok_s"][0], rel=0.05)
        thirds = await asyncio.gather(*(rate(machine, model) for model in (A, B, C)))
        assert sum(thirds) == pytest.approx(sum(FACTS["three_models_at_once"].values()), rel=0.1)

    on_the_card(main)


def test_the_second_four_of_eight_begin_when_the_first_have_ended() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        sinks = [Kept(machine) for _ in range(8)]
        began = machine.clock.now()
        asks = (chat(machine, A, text=f"Question {n}", num_predict=100, sink=sink) for n, sink in enumerate(sinks))
        await asyncio.gather(*asks)
        firsts = sorted(sink.times[0] - began for sink in sinks)
        assert firsts[SLOTS - 1] < 0.1
        assert firsts[SLOTS] == pytest.approx(sorted(FACTS["par8"]["first_s"])[SLOTS], rel=0.2)

    on_the_card(main)


def test_a_killed_child_stays_listed_until_somebody_asks_and_comes_back_with_the_servers_keep_alive() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A, keep_alive="72h")
        writing = asyncio.create_task(chat(machine, A, num_predict=200))
        await machine.clock.sleep(0.3)
        assert mishaps.kill_child(machine, A)
        with pytest.raises(Broken):
            await writing
        assert await ps(machine) == [A]
        assert (await chat(machine, A, num_predict=5)).load_s > 1
        (runner,) = await machine.scheduler.listed()
        assert runner.keep_alive_s == 300

    on_the_card(main)


def test_a_stopped_child_is_listed_and_answers_nothing() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        assert mishaps.stop_child(machine, A)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await chat(machine, A, num_predict=5)
        assert await ps(machine) == [A]
        assert not mishaps.stop_child(machine, B)

    on_the_card(main, keep_alive="72h")


def test_a_tag_that_was_created_anew_keeps_its_digest_in_ps_until_the_next_request() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        (before,) = await machine.scheduler.listed()
        assert mishaps.recreate(machine, A)
        (still,) = await machine.scheduler.listed()
        assert still.model.digest == before.model.digest != known(machine.find(ModelName.parse(A))).digest
        await chat(machine, A, num_predict=5)
        (after,) = await machine.scheduler.listed()
        assert after.model.digest == known(machine.find(ModelName.parse(A))).digest

    on_the_card(main)


def test_children_outlive_a_killed_server_and_keep_their_memory() -> None:
    async def main(machine: Machine) -> None:
        for model in (A, B, C):
            await load(machine, model)
        await machine.restart(1.0, children_stay=True)
        assert await ps(machine) == []
        await load(machine, D)
        (runner,) = await machine.scheduler.listed()
        assert runner.placement.gpu_share < 1  # what the three others left is too little

    on_the_card(main)


def test_the_recorded_files_are_named() -> None:
    assert "Recorded on a real GPU" in (Path(recorded.RECORDINGS) / "README.md").read_text()
