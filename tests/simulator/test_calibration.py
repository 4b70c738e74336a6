"""The measured cases come out: speeds, swaps, cold starts, memory, sharing of a card."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from app.simulator.engine.machine import Machine
from app.simulator.engine.memory import place, predicted_bytes
from app.simulator.models.cards import CARDS, GIB
from app.simulator.models.catalog import MODELS, parse_model
from app.simulator.protocol.errors import PromptRefused
from tests.helpers import known
from tests.simulator.asking import Kept, chat, load, ps, virtually

TRIO = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
EIGHT_B = MODELS["llama3.1:8b"]


async def tokens_per_s(machine: Machine, model: str = "llama3.1:8b", **options: Any) -> float:
    ended = await chat(machine, model, **({"num_predict": 200} | options))
    return ended.tokens / ended.decode_s


def test_three_resident_models_give_a_first_token_in_a_quarter_to_half_a_second() -> None:
    async def main(machine: Machine) -> None:
        for model in TRIO:
            await load(machine, model)
        for _ in range(20):
            for model in TRIO:
                began, kept = machine.clock.now(), Kept(machine)
                await chat(machine, model, sink=kept, num_predict=5)
                assert 0.25 <= kept.times[0] - began <= 0.45
        used = sum(runner.placement.size_bytes for runner in machine.scheduler.loaded.values())
        assert used == pytest.approx(18.4e9, rel=0.05)

    virtually(main, context_length=8192)


@pytest.mark.parametrize(("disk", "low", "high"), [("nvme", 6, 10), ("sata", 12, 20), ("network", 30, 41)])
def test_a_swap_takes_seven_to_forty_seconds_by_disk(disk: str, low: int, high: int) -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "llama3.1:8b")
        for model in ("mistral:7b", "llama3.1:8b", "qwen3:8b"):
            assert low <= (await chat(machine, model, num_predict=2)).load_s <= high

    virtually(main, disk=disk, max_loaded=1)


@pytest.mark.parametrize(
    ("card", "low", "high"), [("a10g", 30, 50), ("cpu", 5, 10), ("l4", 25, 45), ("h100", 150, 300)]
)
def test_an_8b_model_writes_as_fast_as_measured(card: str, low: int, high: int) -> None:
    async def main(machine: Machine) -> None:
        assert low <= await tokens_per_s(machine) <= high

    virtually(main, card=card, answer_tokens=400)


def test_a_cold_start_after_a_scale_down_takes_15_to_25_seconds_and_only_once() -> None:
    async def main(machine: Machine) -> None:
        assert 15 <= (await chat(machine, "llama3.1:8b", num_predict=2)).load_s <= 25
        assert (await chat(machine, "mistral:7b", num_predict=2)).load_s < 10

    virtually(main, cold_boot=True)


def test_models_that_decode_on_one_card_share_its_time() -> None:
    async def main(machine: Machine) -> None:
        for model in TRIO:
            await load(machine, model)
        alone = await tokens_per_s(machine)
        together = await asyncio.gather(*(tokens_per_s(machine, model) for model in TRIO))
        assert together[0] == pytest.approx(alone / 3, rel=0.25)

    virtually(main, answer_tokens=600, answer_spread=0.0)


def test_answers_of_one_model_share_its_batch() -> None:
    async def main(machine: Machine) -> None:
        alone = await tokens_per_s(machine)
        together = await asyncio.gather(*(tokens_per_s(machine, text=f"Question {n} about rain") for n in range(4)))
        for rate in together:
            assert rate == pytest.approx(alone / 1.69, rel=0.15)

    virtually(main, num_parallel=4, answer_tokens=600, answer_spread=0.0)


def test_a_prefill_stalls_what_decodes_on_its_card() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "llama3.1:8b")
        await load(machine, "mistral:7b")
        kept = Kept(machine)
        writing = asyncio.create_task(chat(machine, "llama3.1:8b", sink=kept, num_predict=200))
        await machine.clock.sleep(2)
        await chat(machine, "mistral:7b", text="a very long text " * 400, num_predict=1)
        await writing
        longest = max(later - earlier for earlier, later in pairwise(kept.times))
        assert longest > 0.6

    virtually(main, answer_tokens=400, context_length=8192)


def test_the_same_prompt_again_is_read_from_the_cache_and_counted_whole() -> None:
    async def main(machine: Machine) -> None:
        text = "a long text about rivers " * 400
        first, again = [await chat(machine, "mistral:7b", text=text, num_predict=2) for _ in range(2)]
        other = await chat(machine, "mistral:7b", text="other words entirely " * 400, num_predict=2)
        assert first.prompt_tokens == again.prompt_tokens > 1500
        assert again.prompt_s < 0.5 < first.prompt_s
        assert other.prompt_s > 0.5

    virtually(main, context_length=8192)


def test_what_does_not_fit_is_partly_on_the_cpu_and_slow_when_nothing_else_is_loaded() -> None:
    async def main(machine: Machine) -> None:
        rate = await tokens_per_s(machine, "big:32b")
        (runner,) = await machine.scheduler.listed()
        assert 0.3 < runner.placement.gpu_share < 1
        assert rate < 5

    virtually(main, models=("big:32b=34",))


def test_a_card_with_23_gib_gets_a_context_of_32768_and_a_smaller_one_4096() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "mistral:7b")
        (runner,) = await machine.scheduler.listed()
        assert runner.num_ctx == (32768 if machine.config.card == "rtx3090" else 4096)

    for card in ("rtx3090", "a10g"):
        virtually(main, card=card)


def test_a_context_is_never_longer_than_the_trained_one() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "gemma2:9b", num_ctx=100_000)
        (runner,) = await machine.scheduler.listed()
        assert runner.num_ctx == 8192
        with pytest.raises(PromptRefused):
            await chat(machine, "gemma2:9b", num_ctx=100_000, text="words " * 9000)

    virtually(main, models=("gemma2:9b",))


def test_the_prediction_is_the_published_formula() -> None:
    assert predicted_bytes(EIGHT_B, 4096, 1) / GIB == pytest.approx(5.1, abs=0.05)
    assert predicted_bytes(EIGHT_B, 8192, 1) / GIB == pytest.approx(5.6, abs=0.05)
    assert predicted_bytes(EIGHT_B, 32768, 1) / GIB == pytest.approx(8.6, abs=0.05)
    assert predicted_bytes(MODELS["qwen2.5:14b"], 4096, 1) / GIB == pytest.approx(9.1, abs=0.1)
    four = predicted_bytes(EIGHT_B, 4096, 4) - predicted_bytes(EIGHT_B, 4096, 1)
    assert four == 3 * 2 * 32 * 8 * 128 * 4096 * 2


def test_placement_takes_the_emptiest_gpu_that_passes_else_all_else_none() -> None:
    free = (10 * GIB, 20 * GIB)
    assert known(place(free, 15 * GIB, 14 * GIB, require_full=True, spread=False)).gpus == (1,)
    both = known(place(free, 17 * GIB, 16 * GIB, require_full=True, spread=True))
    assert (both.gpus, both.vram_bytes) == ((0, 1), 16 * GIB)
    assert both.on_gpu(0) == pytest.approx(16 * GIB / 3)
    tight = known(place((2 * GIB, 20 * GIB), 17 * GIB, 16 * GIB, require_full=True, spread=True))
    assert tight.on_gpu(0) < 2 * GIB
    assert known(place(free, 23 * GIB, 22 * GIB, require_full=True, spread=False)).gpus == (0, 1)
    assert place(free, 25 * GIB, 22 * GIB, require_full=True, spread=False) is None
    part = known(place(free, 40 * GIB, 38 * GIB, require_full=False, spread=False))
    assert (part.vram_bytes, round(part.gpu_share, 2)) == (30 * GIB, 0.79)
    assert known(place((), 5 * GIB, 5 * GIB, require_full=True, spread=False)).gpu_share == 0


def test_two_names_of_the_same_weights_share_a_process() -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "mistral:7b")
        assert (await chat(machine, "twin:latest", num_predict=2)).load_s < 1
        assert await ps(machine) == ["mistral:7b"]

    virtually(main, models=("mistral:7b", "twin=mistral:7b"))


@pytest.mark.parametrize(("family", "slots"), [("llama", 4), ("qwen3next", 1), ("nemotron_h_moe", 1)])
def test_some_families_write_one_answer_at_a_time_whatever_the_setting(family: str, slots: int) -> None:
    async def main(machine: Machine) -> None:
        await load(machine, "mine:8b")
        (runner,) = await machine.scheduler.listed()
        assert runner.parallel == slots
        began = machine.clock.now()
        await asyncio.gather(*(chat(machine, "mine:8b", text=f"Question {n}", num_predict=100) for n in range(4)))
        assert (machine.clock.now() - began > 8) is (slots == 1)

    virtually(main, models=(f"mine:8b=4.9/{family}",), num_parallel=4, answer_tokens=600)


def test_a_modelfiles_num_ctx_is_asked_for_unless_the_request_does_and_evicts_the_same_weights_without_it() -> None:
    async def main(machine: Machine) -> None:
        cases: tuple[tuple[str, dict[str, Any], int], ...] = (
            ("long", {}, 8192),
            ("long", {"num_ctx": 2048}, 2048),
            ("mistral:7b", {}, 4096),
        )
        for name, options, num_ctx in cases:
            assert (await chat(machine, name, num_predict=2, **options)).load_s > 1
            (runner,) = await machine.scheduler.listed()
            assert (runner.model.name.removesuffix(":latest"), runner.num_ctx) == (name, num_ctx)
        assert (await chat(machine, "long", num_predict=2)).load_s > 1

    virtually(main, models=("mistral:7b", "long=mistral:7b@8192"))


def test_every_card_and_model_is_usable() -> None:
    assert {"a10g", "rtx3090", "rtx4090", "l4", "a100", "h100", "cpu"} <= set(CARDS)
    wanted = {"llama3.1:8b", "mistral:7b", "qwen3:8b", "phi3:mini", "gemma2:9b", "biomistral:7b", "codellama:7b"}
    assert wanted <= set(MODELS)
    added = parse_model("Mine:13b=7.9")
    assert (added.name, added.parameter_size, added.layers) == ("mine:13b", "13.0B", 48)
    full = parse_model("me/other:8b=4.9/qwen3next@16384")
    assert (full.name, full.family, full.num_ctx) == ("me/other:8b", "qwen3next", 16384)
