"""The contract's streams on real processes: real deltas, models that leave, and ends that are always told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.helpers import PATIENCE_S, wait_until
from tests.legacy.caller import Caller
from tests.legacy.clients import ARENA, QUESTION
from tests.legacy.conftest import MODELS, SPEED, LegacyDeployment
from tests.legacy.parsers import ChatPage, OldChatPage, RoundPage


class Watching:
    """Pages of every generation on one round, on both workers, while its models write."""

    def __init__(self, deployed: LegacyDeployment, caller: Caller) -> None:
        self._deployed, self.caller = deployed, caller
        self.chat, self.old, self.round = ChatPage(), OldChatPage(), RoundPage()

    async def __aenter__(self) -> Watching:
        body = {"message": QUESTION, "session_id": f"watching-{id(self)}"}
        self._tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.caller.read(self.chat, "/send_message_streaming", **body))
        ]
        await wait_until(lambda: self.chat.battle)
        again = {"battle_id": self.chat.battle}
        for page in (self.old, self.round):
            self._tasks.append(asyncio.create_task(self.caller.read(page, f"{ARENA}/get_responses_streaming", **again)))
        await wait_until(lambda: all(self.chat.texts.values()) and all(self.round.texts.values()))
        self.names = await self._deployed.names(self.chat.battle)
        return self

    async def __aexit__(self, *_: None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def read_to_the_end(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self._tasks), PATIENCE_S)
        assert self.chat.done
        assert self.old.done
        assert self.round.done


async def test_the_words_come_while_they_are_written(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED / 2, stall_after=6)
    page, seen = ChatPage(), []
    async with deployed.caller().stream("/send_message_streaming", message=QUESTION) as response:
        assert "no-transform" in response.headers["cache-control"]
        assert response.headers["x-accel-buffering"] == "no"
        async for chunk in response.aiter_raw():
            page.read(chunk)
            seen.append(dict(page.texts))
    assert any(all(texts.values()) and texts != page.texts for texts in seen), "both sides grew"
    assert len([event for event in page.events if event.get("delta")]) > 4
    assert page.events[0]["done"] is False
    assert page.events[-1]["arena_complete"] is True
    assert {"a": page.events[-1]["response_a"], "b": page.events[-1]["response_b"]} == page.texts


FAILING = MODELS[1]


@asynccontextmanager
async def watching_one_that_fails(deployed: LegacyDeployment) -> AsyncIterator[tuple[Watching, str]]:
    """Pages on a round in which one side will fail in mid-stream; gives them and that side."""
    deployed.set(stall_s=SPEED, stall_after=6)
    deployed.servers[FAILING].set(mid_stream_error=8)
    for _ in range(30):
        async with Watching(deployed, deployed.caller()) as pages:
            side = next((side for side, model in pages.names.items() if model == FAILING), "")
            if side:
                yield pages, side
                return
            await pages.caller.reply(f"{ARENA}/battles/{pages.chat.battle}/stop")
    raise AssertionError("it is never drawn")


async def test_a_model_that_leaves_in_mid_stream_is_replaced_on_every_page(deployed: LegacyDeployment) -> None:
    async with watching_one_that_fails(deployed) as (pages, side):
        stays, half = "ab".replace(side, ""), dict(pages.round.texts)
        await pages.read_to_the_end()
        pair = await pages.caller.post(f"{ARENA}/get_responses", battle_id=pages.chat.battle)
    assert pair[f"model_{side}"] == "Model C"
    right = {"a": pair["response_a"], "b": pair["response_b"]}
    assert pages.round.texts == right
    assert pages.old.texts == right
    assert pages.round.names == pages.old.names == [pair["model_a"], pair["model_b"]]
    assert pages.chat.texts[stays] == right[stays]
    assert pages.chat.texts[side].startswith(half[side])
    assert pages.chat.texts[side].endswith(f"Another one answers from here on:]\n\n{right[side]}")
    voted = await pages.caller.post(f"{ARENA}/vote", battle_id=pages.chat.battle, vote=side)
    assert voted["continue"] is False
    assert voted["final_ranking"][-1] == FAILING, "who failed is last"


async def test_a_verdict_on_a_model_that_leaves_is_not_given_to_who_steps_in(deployed: LegacyDeployment) -> None:
    async with watching_one_that_fails(deployed) as (pages, side):
        refused = await pages.caller.refused(f"{ARENA}/vote", 400, battle_id=pages.chat.battle, vote=side)
        await pages.read_to_the_end()
    assert refused["code"] == "not_ready"
    assert (await pages.caller.get(f"{ARENA}/battles/{pages.chat.battle}"))["votes"] == []


async def test_a_battle_that_fails_in_mid_stream_ends_with_its_reason_on_every_page(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED / 2, stall_after=6, mid_stream_error=8)
    async with Watching(deployed, deployed.caller()) as pages:
        await pages.read_to_the_end()
        texts = (pages.chat.texts, pages.old.texts, pages.round.texts)
        assert any(text.endswith("the model leaves the battle.") for text in pages.round.texts.values())
        assert all(all(shown.values()) for shown in texts)
        failed = await pages.caller.refused(f"{ARENA}/get_responses", 503, battle_id=pages.chat.battle)
        refused = await pages.caller.refused(f"{ARENA}/vote", 400, battle_id=pages.chat.battle, vote="a")
    assert failed["code"] == "battle_failed"
    assert refused["code"] == "battle_over"


async def test_a_battle_that_is_stopped_in_mid_stream_ends_on_every_page(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED * 2, stall_after=6)
    async with Watching(deployed, deployed.caller()) as pages:
        half = dict(pages.round.texts)
        await pages.caller.reply(f"{ARENA}/battles/{pages.chat.battle}/stop")
        await pages.read_to_the_end()
    for side in "ab":
        assert pages.chat.texts[side].startswith(half[side])
        assert pages.chat.texts[side].endswith("This answer was stopped before its end.")


async def test_a_round_of_a_battle_that_has_ended_is_told_from_what_is_kept(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=2)
    await caller.post(f"{ARENA}/vote", battle_id=started["battle_id"], vote="b")
    page = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=started["battle_id"])
    assert page.done
    assert all(page.texts.values())
    assert not any(name.startswith("Model ") for name in page.names), "names are no secret any more"


async def test_a_process_that_ends_tells_its_pages_what_there_is(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED * 6, stall_after=6)
    leaving, page = deployed.deployment.start("--no-scheduler"), ChatPage()
    reading = asyncio.create_task(Caller([leaving.url]).read(page, "/send_message_streaming", message=QUESTION))
    await wait_until(lambda: all(page.texts.values()))
    leaving.terminate()
    await asyncio.wait_for(reading, PATIENCE_S)
    final = page.events[-1]
    assert (final["done"], final["responses_ready"]) == (True, False)
    assert {"a": final["response_a"], "b": final["response_b"]} == page.texts
    now = await deployed.caller().get(f"{ARENA}/battles/{page.battle}")
    assert now["status"] == "running", "the battle goes on without it"
