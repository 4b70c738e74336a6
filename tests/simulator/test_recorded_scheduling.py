"""The scheduler does what a real server was seen to do (the cases of scheduler.json, times aside)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from app.simulator.engine.machine import Machine
from app.simulator.protocol.errors import Broken, ServerBusy
from tests.simulator.asking import Kept, chat, load, ps, virtually

SEEN = {
    case["name"]: case
    for case in json.loads((Path(__file__).parents[1] / "data/ollama-recordings/scheduler.json").read_text())
}
A, B, C, D = "llama3.1:8b", "mistral:7b", "qwen3:8b", "gemma2:9b"
SMALL = {"context_length": 4096, "models": (A, B, C, D), "max_loaded": 2, "card": "h100", "answer_tokens": 60}


def context_of(machine: Machine, name: str) -> int:
    return next(runner.num_ctx for runner in machine.scheduler.loaded.values() if runner.model.name == name)


def test_a_third_model_evicts_one_of_two() -> None:
    async def main(machine: Machine) -> None:
        for name in (A, B, C):
            await load(machine, name, num_ctx=2048)
        left = await ps(machine)
        assert C in left
        assert len(left) == len(SEEN["third model evicts one"]["ps"]) == 2

    virtually(main, **SMALL)


def test_a_third_model_evicts_one_of_two_that_are_pinned() -> None:
    async def main(machine: Machine) -> None:
        for name in (A, B):
            await load(machine, name, keep_alive=-1)
        for runner in machine.scheduler.loaded.values():
            assert runner.shown_expiry().year == machine.clock.utc().year + 292
        await load(machine, C)
        assert C in await ps(machine)
        assert len(await ps(machine)) == len(SEEN["C still evicts a model pinned by -1"]["ps"])

    virtually(main, **SMALL)


def test_a_changed_num_ctx_reloads_once() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, C, num_ctx=2048)
        loads = [(await chat(machine, C, num_ctx=ctx, num_predict=2)).load_s for ctx in (2048, 1024, 1024)]
        seen = SEEN["num_ctx changed reloads"]["load_ms"]
        assert [seconds > 1 for seconds in loads] == [milliseconds > 100 for milliseconds in seen]
        assert context_of(machine, C) == 1024

    virtually(main, **SMALL)


def test_three_requests_on_one_slot_wait_for_each_other_and_the_wait_shows_in_no_figure() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        ended = await asyncio.gather(*(chat(machine, A, text=f"What is the number {n}?") for n in range(3)))
        waits = sorted(e.total_s - e.load_s - e.prompt_s - e.decode_s for e in ended)
        assert waits[0] < 0.1
        assert waits[1] > 0.15
        assert waits[2] > waits[1]
        assert all(e.load_s < 0.2 for e in ended)

    virtually(main, **SMALL)


def test_of_twelve_loads_with_a_queue_of_two_three_are_served() -> None:
    async def main(machine: Machine) -> None:
        asks = [chat(machine, f"m{n}:1b", num_predict=1) for n in range(12)]
        done = await asyncio.gather(*asks, return_exceptions=True)
        refused = sum(isinstance(outcome, ServerBusy) for outcome in done)
        assert refused == SEEN["12 loads at once, MAX_QUEUE 2, MAX_LOADED 2"]["statuses"].count(503) == 9

    names = tuple(f"m{n}:1b=1.0" for n in range(12))
    virtually(main, models=names, max_loaded=2, max_queue=2, card="h100")


def test_a_caller_that_leaves_during_a_load_leaves_nothing_loaded() -> None:
    async def main(machine: Machine) -> None:
        leaving = asyncio.create_task(load(machine, A))
        await machine.clock.sleep(0.5)
        leaving.cancel()
        await machine.clock.sleep(30)
        assert await ps(machine) == SEEN["caller left after 100 ms of a load: loaded 0.6 s later?"]["ps"] == []

    virtually(main, **SMALL)


def test_a_caller_that_leaves_the_queue_keeps_its_place_until_its_turn() -> None:
    async def main(machine: Machine) -> None:
        first = asyncio.create_task(load(machine, A))
        await machine.clock.sleep(0.5)
        leaving = asyncio.create_task(load(machine, B))
        await machine.clock.sleep(0.5)
        leaving.cancel()
        await machine.clock.sleep(0.5)
        assert machine.scheduler.waiting == 1
        await first
        await machine.clock.sleep(0.1)
        assert machine.scheduler.waiting == 0
        assert await ps(machine) == [A]

    virtually(main, **SMALL)


def test_a_caller_that_leaves_while_it_is_answered_frees_the_slot_at_once() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        leaving = asyncio.create_task(chat(machine, A, num_predict=500))
        await machine.clock.sleep(1.0)
        leaving.cancel()
        ended = await chat(machine, A, num_predict=2)
        assert ended.total_s - ended.load_s - ended.prompt_s - ended.decode_s < 0.05

    virtually(main, **SMALL | {"answer_tokens": 500})


def test_a_caller_that_leaves_while_it_waits_for_a_slot_leaves_it_to_the_next() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        writing = asyncio.create_task(chat(machine, A, num_predict=500))
        await machine.clock.sleep(0.5)
        waiting = asyncio.create_task(chat(machine, A))
        await machine.clock.sleep(0.5)
        waiting.cancel()
        await writing
        assert (await chat(machine, A, num_predict=2)).total_s < 1

    virtually(main, **SMALL)


def test_an_unload_is_answered_at_once_and_happens_when_the_answer_is_over() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, B)
        writing = asyncio.create_task(chat(machine, B))
        await machine.clock.sleep(1)
        assert (await load(machine, B, keep_alive=0)).done_reason == "unload"
        assert await ps(machine) == [B]
        assert (await writing).done_reason == "stop"
        await machine.clock.sleep(0.2)
        assert await ps(machine) == SEEN["unload while an answer is written"]["ps_after"] == []

    virtually(main, **SMALL)


def test_a_chat_with_keep_alive_zero_is_answered_and_then_unloads() -> None:
    async def main(machine: Machine) -> None:
        assert (await chat(machine, B, keep_alive=0, num_predict=3)).done_reason == "length"
        await machine.clock.sleep(0.2)
        assert await ps(machine) == []

    virtually(main, **SMALL)


def test_a_chat_without_keep_alive_keeps_the_runners_own_duration() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A, keep_alive="20s")
        await machine.clock.sleep(10)
        await chat(machine, A, num_predict=2)
        (runner,) = await machine.scheduler.listed()
        left = runner.shown_expiry() - machine.clock.utc()
        assert timedelta(seconds=19.9) < left <= timedelta(seconds=20)
        await machine.clock.sleep(20.5)
        assert await ps(machine) == SEEN["keep_alive 2s; a chat without keep_alive after 1 s"]["later"] == []

    virtually(main, **SMALL)


def test_an_expiry_that_has_begun_is_not_taken_back_by_who_comes_in_between() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, B)
        await load(machine, A, keep_alive="10s")
        await machine.clock.sleep(10 - 0.08)
        await load(machine, B, keep_alive=0)  # while it is killed, requests and expiries wait for the same lock
        await machine.clock.sleep(0.04)
        assert (await chat(machine, A, num_predict=20)).load_s < 1
        await machine.clock.sleep(5.5)  # it is killed when the memory of the one before was waited for
        assert await ps(machine) == []

    virtually(main, **SMALL)


def test_expiry_is_stale_during_later_requests_and_live_during_the_first() -> None:
    async def main(machine: Machine) -> None:
        first = asyncio.create_task(chat(machine, A, keep_alive="10s", num_predict=200))
        await machine.clock.sleep(15)
        (runner,) = await machine.scheduler.listed()
        assert runner.shown_expiry() - machine.clock.utc() == timedelta(seconds=10)
        await first
        later = asyncio.create_task(chat(machine, A, num_predict=4000))
        await machine.clock.sleep(12)
        assert runner.shown_expiry() < machine.clock.utc()
        later.cancel()

    virtually(main, **SMALL | {"answer_tokens": 4000, "tokens_per_s": 20.0})


def test_a_killed_process_ends_the_stream_with_an_error_and_the_next_request_loads_again() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, A)
        machine.faults.set({"mid_stream_error": 20})
        kept = Kept(machine)
        with pytest.raises(Broken, match="unexpected EOF"):
            await chat(machine, A, sink=kept)
        assert len(kept.texts) == 20
        machine.faults.clear()
        ended = await chat(machine, A, num_predict=4)
        assert ended.load_s > 1
        assert await ps(machine) == [A]

    virtually(main, **SMALL)
