"""Verdicts without a round: clicks too many, verdicts before their time, and verdicts after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.battle.battle import Pair, Verdict, Vote
from app.battle.events import Snapshot
from app.records.values import BattleRecord, LastVote
from app.web.legacy.answers import DO_NOT_JUDGE, UNFINISHED
from app.web.legacy.verdict_answers import CLICKED_AGAIN
from tests.helpers import wait_until
from tests.legacy.builders import READY, done, record_of, stage
from tests.legacy.caller import Caller
from tests.legacy.clients import ARENA, QUESTION
from tests.legacy.conftest import SPEED, LegacyDeployment
from tests.services import app_with, services_with

NOT_READY = "Both answers must be complete before you vote; try again in a moment."


async def ready(caller: Caller, models: int = 3) -> str:
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=models)
    await caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"])
    return str(started["battle_id"])


async def votes_of(caller: Caller, battle: str) -> list[str]:
    return [vote["verdict"] for vote in (await caller.get(f"{ARENA}/battles/{battle}"))["votes"]]


@pytest.mark.parametrize(
    ("call", "key", "word"),
    [("vote", "vote", "a"), ("submit_progressive_choice", "choice", "right"), ("../vote_arena", "vote", "tie")],
)
async def test_a_double_click_gets_the_first_ones_answer_on_either_worker(
    deployed: LegacyDeployment, call: str, key: str, word: str
) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    path = f"{ARENA}/{call}".replace("/arena/..", "")
    body = {"battle_id": battle, key: word, "round": 1}
    answers = await asyncio.gather(*(caller.post(path, **body) for _ in range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await votes_of(caller, battle)) == 1


@pytest.mark.parametrize("path", [f"{ARENA}/vote", "/api/vote_arena"])
async def test_of_clicks_at_once_one_counts_on_either_worker(deployed: LegacyDeployment, path: str) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    answers = await asyncio.gather(*(caller.post(path, battle_id=battle, vote="tie") for _ in range(5)))
    without_notice = [answer | {"preference_recorded": True, "message": ""} for answer in answers]
    assert all(answer == without_notice[0] for answer in without_notice)
    assert await votes_of(caller, battle) == ["tie"]


@pytest.mark.parametrize("path", [f"{ARENA}/vote", "/api/vote_arena"])
async def test_the_same_click_just_after_the_reply_gets_its_answer_and_is_told_that_it_did_not_count(
    deployed: LegacyDeployment, path: str
) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    first = await caller.post(path, battle_id=battle, vote="a")
    assert first["preference_recorded"] is True
    again = await caller.post(path, battle_id=battle, vote="a")
    assert again == first | {"preference_recorded": False, "message": CLICKED_AGAIN}
    assert await votes_of(caller, battle) == ["a"]


@pytest.mark.parametrize(
    ("call", "key", "words"),
    [
        ("vote", "preference", ["left", "left"]),
        ("submit_progressive_choice", "choice", ["left", "left"]),
        ("submit_progressive_choice", "winner", ["Model A", "Model A"]),
        ("submit_progressive_choice", "vote", ["a", "a"]),
    ],
)
async def test_a_script_is_heard_as_soon_as_it_has_its_reply(
    deployed: LegacyDeployment, call: str, key: str, words: list[str]
) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    for word in words:
        last = await caller.post(f"{ARENA}/{call}", battle_id=battle, **{key: word})
    assert (await caller.post(f"{ARENA}/get_responses", battle_id=battle))["status"] == "completed"
    assert last["total_rounds"] == 2
    assert await votes_of(caller, battle) == ["a", "a"]


class SilentlyCounted:
    """Rooms in which a verdict is in SQL and nobody was told of it yet."""

    def __init__(self) -> None:
        self.cast: list[tuple[int, Verdict]] = []
        self.replied: list[tuple[str | int, ...]] = []
        self.replies = self
        self.before = READY
        self.after = replace(stage(READY, b=done("Model C", "three")), round=2, votes=({"round": 1, "verdict": "a"},))

    async def resolve(self, battle_id: str) -> str:
        return battle_id

    async def snapshot(self, _: str) -> Snapshot:
        return self.after if self.cast else self.before

    async def entered(self, _: str) -> BattleRecord:
        return record_of(READY, (Verdict.A, 0, 1))

    record = entered

    async def last_vote(self, battle_id: str) -> LastVote:
        return LastVote(Vote(1, Verdict.A, Pair(0, 1)), "of the first one")

    async def state(self, battle_id: str, round_number: int, request: str) -> str | None:
        return "owed" if request == "of the first one" else None

    async def mark_sent(self, *reply: str | int) -> None:
        self.replied.append(reply)

    async def vote(self, battle_id: str, round_number: int, verdict: Verdict, **_: Any) -> None:
        self.cast.append((round_number, verdict))

    async def wait(self, battle_id: str, limit: timedelta, done: Callable[..., Any]) -> Snapshot:
        return await self.snapshot(battle_id)


async def test_a_double_click_is_answered_with_what_the_first_one_brought_about_though_nobody_was_told_yet() -> None:
    rooms = SilentlyCounted()
    app = app_with(services_with(manager=rooms, viewing=rooms))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://arena") as http:
        reply = await http.post(f"{ARENA}/vote", json={"battle_id": "b1", "vote": "a"})
    assert rooms.cast == [(1, Verdict.A)]
    assert rooms.replied == [("b1", 1, "of the first one")]
    assert reply.json()["round"] == 2


async def test_the_same_verdict_is_one_on_the_next_round_when_that_was_seen(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    first, last = await ready(caller), await ready(caller, 2)
    assert (await caller.post(f"{ARENA}/vote", battle_id=first, vote="a"))["round"] == 2
    end = await caller.post(f"{ARENA}/vote", battle_id=last, vote="a")
    again = await caller.post(f"{ARENA}/vote", battle_id=last, vote="a")
    assert again == end | {"preference_recorded": False, "message": CLICKED_AGAIN}

    async def counts() -> bool:
        return bool((await caller.post(f"{ARENA}/vote", battle_id=first, vote="a"))["preference_recorded"])

    await wait_until(counts)
    assert (await caller.get(f"{ARENA}/battles/{first}"))["status"] == "finished"
    assert await votes_of(caller, first) == ["a", "a"]

    async def is_refused() -> bool:
        return (await caller.reply(f"{ARENA}/vote", battle_id=last, vote="a")).status_code == 400

    await wait_until(is_refused)
    late = await caller.refused(f"{ARENA}/vote", 400, battle_id=last, vote="a")
    assert late["code"] == "battle_over"
    assert await votes_of(caller, last) == ["a"]


async def test_another_body_is_no_double_click(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a")
    end = await caller.post(f"{ARENA}/vote", battle_id=battle, preference="left")
    assert end["continue"] is False
    assert await votes_of(caller, battle) == ["a", "a"]


async def test_a_verdict_that_came_by_another_way_is_not_doubled(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    reply = await caller.reply(f"{ARENA}/battles/{battle}/votes", round=1, verdict="a")
    assert reply.status_code == 200
    await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    assert (await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a"))["continue"] is False


async def test_a_verdict_that_names_its_round_is_counted_once_however_often_it_comes(
    deployed: LegacyDeployment,
) -> None:
    caller = deployed.caller()
    battle = await ready(caller)
    for _ in range(3):
        assert (await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a", round=1))["round"] == 2
    other = await caller.refused(f"{ARENA}/vote", 400, battle_id=battle, vote="b", round=1)
    assert other["code"] == "already_judged"
    await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a", round=2)
    assert await votes_of(caller, battle) == ["a", "a"]


async def test_who_waits_is_heard_and_a_script_that_waits_too_long_is_told_so(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    slow_end = await ready(caller, 4)
    deployed.set(stall_s=SPEED * 11, stall_after=6)
    early, page = [(await caller.post(f"{ARENA}/start_battle", message=QUESTION))["battle_id"] for _ in range(2)]
    second = await caller.post(f"{ARENA}/vote", battle_id=slow_end, preference="left")
    assert "[" not in second["response_b"], "the third model had written while the first two were read"
    heard = asyncio.create_task(caller.post(f"{ARENA}/vote", battle_id=page, vote="a"))
    refused, third = await asyncio.gather(
        caller.refused(f"{ARENA}/vote", 400, battle_id=early, preference="left"),
        caller.post(f"{ARENA}/vote", battle_id=slow_end, preference="right"),
    )
    assert refused["error"] == NOT_READY
    assert await votes_of(caller, early) == []
    assert third["needs_responses"] is True
    assert third["eliminated_side"] == "left"
    assert third["response_b"] == second["response_b"], "the champion's text is always there"
    # Whether it has begun by now is its host's affair: the stalled answers before it may have all slots.
    reasons = tuple(f"[{UNFINISHED[state]} {DO_NOT_JUDGE}]" for state in ("queued", "writing"))
    assert third["response_a"].endswith(reasons), "a late text says why"
    late = await caller.post(f"{ARENA}/get_next_responses", battle_id=slow_end)
    assert late["response_b"] == second["response_b"], "the winner's panel may be kept"
    assert len(late["response_a"].split()) > 15, "a model that is slow is waited for and not cut off"
    assert (await heard)["round"] == 2, "a page waits longer"
    assert (await caller.post(f"{ARENA}/vote", battle_id=early, vote="a"))["round"] == 2


async def test_who_asks_for_texts_that_take_too_long_gets_what_there_is_and_is_told_so(
    deployed: LegacyDeployment,
) -> None:
    deployed.set(stall_s=SPEED * 2, stall_after=6)
    impatient = Caller([deployed.named.url])
    battle = (await impatient.post(f"{ARENA}/start_battle", message=QUESTION))["battle_id"]
    for call in ("get_responses", "responses"):
        pair = await impatient.post(f"{ARENA}/{call}", battle_id=battle)
        assert (pair["ready"], pair["status"]) == (False, "waiting")
        assert all(DO_NOT_JUDGE in pair[f"response_{side}"] for side in "ab")
    refused = await impatient.refused(f"{ARENA}/get_next_responses", 503, battle_id=battle)
    assert refused["code"] == "not_ready"
    sent = await impatient.post("/send_message", message=QUESTION)
    assert (sent["status"], sent["responses_ready"], sent["arena_mode"]) == ("success", False, True)
