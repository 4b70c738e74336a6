"""A recorded session of each client, on one worker and on two by turns, with three models and four."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers import wait_until
from tests.legacy.clients import (
    ANY_NUMBER,
    ARENA,
    ONLY_THREE,
    QUESTION,
    chatting_script,
    compiled_page,
    middle_page,
    naming_script,
    newest_page,
    tournament_script,
)
from tests.legacy.conftest import MODELS, SPEED, LegacyDeployment
from tests.legacy.parsers import ChatPage, OldChatPage, RoundPage

VERDICTS = {3: "ba", 4: "aba"}
SESSIONS = [(client, 3, workers) for client in ONLY_THREE + ANY_NUMBER for workers in (1, 2)]
SESSIONS += [(client, 4, workers) for client in ANY_NUMBER for workers in (1, 2)]


@pytest.mark.parametrize(("client", "models", "workers"), SESSIONS, ids=lambda value: getattr(value, "__name__", value))
async def test_a_client_plays_its_battle_to_the_end(
    deployed: LegacyDeployment, client: Callable[..., Any], models: int, workers: int
) -> None:
    end = await client(deployed.caller(workers), VERDICTS[models], models)
    assert len(set(end["final_ranking"])) == models
    assert set(end["final_ranking"]) <= set(MODELS)
    assert len(end["comparison_history"]) == models - 1


async def test_five_clients_play_at_once(deployed: LegacyDeployment) -> None:
    clients = (compiled_page, middle_page, newest_page, naming_script, tournament_script)
    ends = await asyncio.gather(*(client(deployed.caller(), "ab", 3) for client in clients))
    assert [len(set(end["final_ranking"])) for end in ends] == [3] * 5


async def test_two_questions_in_one_session_are_two_battles(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    first = await caller.post(f"{ARENA}/start_battle", message=QUESTION, session_id="two-questions")
    second = await caller.read(
        ChatPage(), "/send_message_streaming", message="Why is it dark?", session_id="two-questions"
    )
    assert second.battle != first["battle_id"]
    newest = await caller.post(f"{ARENA}/vote", battle_id="two-questions", vote="a")
    assert newest["battle_id"] == second.battle
    older = await caller.post(f"{ARENA}/vote", battle_id=first["battle_id"], vote="b")
    assert (older["battle_id"], older["round"]) == (first["battle_id"], 2), "the first one can still be played"


async def test_a_vote_in_mid_stream_counts_once_the_answers_are_complete(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED, stall_after=6)
    caller, page = deployed.caller(), ChatPage()
    reading = asyncio.create_task(caller.read(page, "/send_message_streaming", message=QUESTION))
    await wait_until(lambda: all(page.texts.values()))
    assert not page.done, "the buttons of this page are there from its first event on"
    half = dict(page.texts)
    voted = await caller.post(f"{ARENA}/vote", battle_id=page.battle, vote="a")
    await reading
    assert page.done
    assert voted["round"] == 2
    assert all(page.texts[side].startswith(half[side]) and page.texts[side] != half[side] for side in "ab")
    assert page.events[-1]["response_b"] == page.texts["b"], "it told the round that it began with to its end"
    if not voted["needs_responses"]:
        assert voted["response_a"] == page.texts["a"]


async def test_a_stream_that_is_left_half_read_harms_nobody(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED / 2, stall_after=6)
    caller, page = deployed.caller(), ChatPage()
    async with caller.stream("/send_message_streaming", message=QUESTION) as response:
        async for chunk in response.aiter_raw():
            page.read(chunk)
            if any(page.texts.values()):
                break
    later = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=page.battle)
    assert later.done
    assert all(later.texts[side].startswith(page.texts[side]) for side in "ab")
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=page.battle)
    assert later.texts == {"a": pair["response_a"], "b": pair["response_b"]}


async def test_two_readers_of_one_round_on_two_workers_see_the_same(deployed: LegacyDeployment) -> None:
    deployed.set(stall_s=SPEED / 3, stall_after=6)
    caller = deployed.caller()
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION)
    streams = (
        caller.read(page(), f"{ARENA}/get_responses_streaming", battle_id=started["battle_id"])
        for page in (RoundPage, RoundPage, OldChatPage)
    )
    one, two, old = await asyncio.gather(*streams)
    assert one.texts == two.texts == old.texts
    assert one.events[-1] == two.events[-1] == old.events[-1]


async def test_a_round_that_is_complete_is_streamed_again_as_often_as_it_is_asked_for(
    deployed: LegacyDeployment,
) -> None:
    caller = deployed.caller()
    page = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION)
    for _ in range(2):
        again = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=page.battle)
        assert again.texts == page.texts
        assert again.events[0]["response_a"] == ""
        assert [event["done"] for event in again.events] == [False, False, False, True]


async def test_the_script_of_the_chat_needs_no_session(deployed: LegacyDeployment) -> None:
    await chatting_script(deployed.caller(), "ab", 3)
