"""What the simulator was asked to be: residency and thrash, reloads, the queue, cancelled loads, eviction order."""

from __future__ import annotations

import asyncio

import pytest

from app.simulator.engine.machine import Machine
from app.simulator.protocol.errors import ServerBusy
from tests.simulator.asking import chat, in_order_of_eviction, load, ps, virtually

TRIO = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
COLD_S = 1.0


@pytest.mark.parametrize("card", ["a10g", "rtx3090", "rtx4090", "l4"])
def test_three_models_stay_resident_at_8192_over_a_hundred_rounds(card: str) -> None:
    async def main(machine: Machine) -> None:
        cold = 0
        for _ in range(100):
            for model in TRIO:
                cold += (await chat(machine, model, num_ctx=8192, num_predict=3)).load_s > COLD_S
        assert cold == 3

    virtually(main, card=card, answer_tokens=5)


@pytest.mark.parametrize("card", ["a10g", "rtx3090"])
def test_three_models_thrash_at_32768(card: str) -> None:
    async def main(machine: Machine) -> None:
        cold = 0
        for _ in range(100):
            for model in TRIO:
                cold += (await chat(machine, model, num_ctx=32768, num_predict=3)).load_s > COLD_S
        assert cold > 150

    virtually(main, card=card, answer_tokens=5)


@pytest.mark.parametrize("pause_s", [0.0, 60.0])
def test_memory_that_was_unloaded_is_not_seen_while_another_model_is_loaded(pause_s: float) -> None:
    """Two of these models fit at a time: who unloads the first and loads a third costs the second its place, too."""

    async def main(machine: Machine) -> None:
        for model in TRIO[:2]:
            await load(machine, model, num_ctx=32768)
        await load(machine, TRIO[0], keep_alive=0)
        await asyncio.sleep(1 + pause_s)
        assert await ps(machine) == [TRIO[1]]
        await load(machine, TRIO[2], num_ctx=32768)
        assert await ps(machine) == [TRIO[2]]

    virtually(main, card="a10g")


def test_alternating_num_ctx_reloads_with_every_request() -> None:
    async def main(machine: Machine) -> None:
        loads = [(await chat(machine, "mistral:7b", num_ctx=ctx, num_predict=2)).load_s for ctx in [4096, 8192] * 10]
        assert all(seconds > COLD_S for seconds in loads)

    virtually(main)


def test_an_explicit_num_ctx_and_then_none_reloads_and_two_automatic_ones_do_not() -> None:
    async def main(machine: Machine) -> None:
        await chat(machine, "mistral:7b", num_ctx=8192, num_predict=2)
        assert (await chat(machine, "mistral:7b", num_predict=2)).load_s > COLD_S
        assert (await chat(machine, "mistral:7b", num_predict=2)).load_s < COLD_S

    virtually(main)


def test_sampling_options_never_reload_and_runner_options_do() -> None:
    async def main(machine: Machine) -> None:
        await chat(machine, "mistral:7b", num_predict=2)
        assert (await chat(machine, "mistral:7b", num_predict=2, temperature=0, top_k=3, seed=5)).load_s < COLD_S
        assert (await chat(machine, "mistral:7b", num_predict=2, num_gpu=-1)).load_s < COLD_S
        assert (await chat(machine, "mistral:7b", num_predict=2, num_batch=256)).load_s > COLD_S
        assert (await chat(machine, "mistral:7b", num_predict=2, num_batch=256, num_thread=4)).load_s > COLD_S

    virtually(main)


def test_of_600_cold_requests_512_wait_and_the_others_are_refused() -> None:
    async def main(machine: Machine) -> None:
        asks = [asyncio.create_task(chat(machine, "mistral:7b", num_predict=1)) for _ in range(600)]
        await machine.clock.sleep(0.5)
        refused = sum(isinstance(ask.exception(), ServerBusy) for ask in asks if ask.done())
        assert machine.scheduler.waiting == 512
        assert refused == 600 - 512 - 1  # one is being loaded for
        await asyncio.gather(*asks, return_exceptions=True)
        assert sum(ask.exception() is None for ask in asks) == 513

    virtually(main, answer_tokens=2)


def test_600_warm_requests_are_never_refused() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "mistral:7b")
        ended = await asyncio.gather(*(chat(machine, "mistral:7b", num_predict=1) for _ in range(600)))
        assert len(ended) == 600

    virtually(main, answer_tokens=2)


def test_a_cancelled_load_leaves_nothing_and_the_next_waiter_starts_from_zero() -> None:
    async def main(machine: Machine) -> None:
        first = asyncio.create_task(load(machine, "mistral:7b"))
        second = asyncio.create_task(chat(machine, "mistral:7b", num_predict=2))
        await machine.clock.sleep(4.0)
        first.cancel()
        await asyncio.wait({first})
        assert await ps(machine) == []
        full = (await second).load_s - 4.0
        alone = (await chat(machine, "llama3.1:8b", num_predict=2)).load_s
        assert full > 0.8 * alone

    virtually(main)


def test_a_model_pinned_for_ever_is_evicted_when_another_needs_its_room() -> None:
    async def main(machine: Machine) -> None:
        for model in TRIO[:2]:
            await load(machine, model, num_ctx=32768, keep_alive=-1)
        await load(machine, "qwen3:8b", num_ctx=32768)
        left = await ps(machine)
        assert "qwen3:8b" in left
        assert len(left) == 2

    virtually(main)


def test_the_victim_is_the_shortest_keep_alive_then_the_smallest_digest_never_the_least_used() -> None:
    async def main(machine: Machine) -> None:
        for model in TRIO:
            await load(machine, model, keep_alive="10m")
        first = next(name for name in in_order_of_eviction(machine) if name in TRIO)
        await chat(machine, first, num_predict=2)  # the most recently used one
        await load(machine, "phi3:mini")
        assert first not in await ps(machine)
        await load(machine, first, keep_alive="10m")  # phi3:mini has the server's own 5m
        assert set(await ps(machine)) == set(TRIO)

    virtually(main, models=(*TRIO, "phi3:mini"), card="h100", context_length=4096)


def test_an_idle_model_goes_before_a_busy_one_and_a_busy_one_is_waited_for() -> None:
    async def main(machine: Machine) -> None:
        order = [name for name in in_order_of_eviction(machine) if name in TRIO]
        for model in TRIO:
            await load(machine, model)
        busy = asyncio.create_task(chat(machine, order[0], num_predict=400))
        await machine.clock.sleep(1)
        await load(machine, "phi3:mini")
        assert set(await ps(machine)) == {order[0], order[2], "phi3:mini"}
        await busy

    virtually(main, models=(*TRIO, "phi3:mini"), card="h100", context_length=4096, answer_tokens=400, tokens_per_s=20.0)


def test_nothing_is_sent_before_the_first_token_which_comes_after_queue_load_and_prompt() -> None:
    async def main(machine: Machine) -> None:
        from tests.simulator.asking import Kept

        kept = Kept(machine)
        ended = await chat(machine, "mistral:7b", sink=kept, num_predict=5)
        assert kept.times[0] >= ended.load_s + ended.prompt_s - 1e-6
        assert ended.total_s == pytest.approx(ended.load_s + ended.prompt_s + ended.decode_s)

    virtually(main)
