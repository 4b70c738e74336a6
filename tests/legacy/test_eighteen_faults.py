"""The older server had eighteen faults that its clients suffered from; for each, that this one does right."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.helpers import MachineTime
from tests.legacy.caller import Caller
from tests.legacy.clients import ARENA, QUESTION
from tests.legacy.conftest import MODELS, SPEED, LegacyDeployment
from tests.legacy.parsers import ChatPage, RoundPage
from tests.services import app_with, services_with, settings_with


async def start(caller: Caller, models: int = 3, **more: Any) -> str:
    return str((await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=models, **more))["battle_id"])


async def ready(caller: Caller, models: int = 3) -> tuple[str, dict[str, Any]]:
    battle = await start(caller, models)
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    return battle, pair


async def vote(caller: Caller, battle: str, verdict: str, **more: Any) -> dict[str, Any]:
    return await caller.post(f"{ARENA}/vote", battle_id=battle, vote=verdict, **more)


async def play(caller: Caller, battle: str, verdicts: str | list[str]) -> dict[str, Any]:
    for verdict in verdicts:
        end = await vote(caller, battle, verdict)
    return end


@pytest.mark.parametrize("verdict", ["tie", "bad"])
async def test_01_a_tie_is_no_toss_up_and_the_history_can_be_played_again(
    deployed: LegacyDeployment, verdict: str
) -> None:
    caller = deployed.caller()
    battles = [await start(caller) for _ in range(4)]
    ends = await asyncio.gather(*(play(caller, battle, [verdict, "b"]) for battle in battles))
    for end in ends:
        first, second = end["comparison_history"]
        assert first["choice"] == {"tie": "tie", "bad": "both_bad"}[verdict]
        assert first["eliminated_model"] == first["model_b"], "who was there first stays, every time"
        assert second["model_a"] == first["model_a"]
        assert end["final_ranking"] == [second["model_b"], second["model_a"], first["model_b"]]


async def test_02_the_winner_is_who_won_last(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    end = await play(caller, await start(caller), "ab")
    assert end["winner"] == end["final_ranking"][0] == end["comparison_history"][-1]["model_b"]
    assert end["winner"] != end["winner_chain"][0]


async def test_03_a_verdict_is_kept_with_the_pair_that_was_judged(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle, _ = await ready(caller, 4)
    stages = [await deployed.names(battle)]
    for verdict in ("b", "tie"):
        await vote(caller, battle, verdict)
        stages.append(await deployed.names(battle))
    end = await vote(caller, battle, "a")
    judged = [{"a": line["model_a"], "b": line["model_b"]} for line in end["comparison_history"]]
    assert judged == stages


async def test_04_counts_are_those_of_all_workers(deployed: LegacyDeployment) -> None:
    one, two = Caller([deployed.one.url]), Caller([deployed.two.url])
    before = await two.get(f"{ARENA}/status")
    await play(one, await start(one), "ab")
    for worker in (one, two):
        after = await worker.get(f"{ARENA}/status")
        assert after["total_battles"] == before["total_battles"] + 1
        assert after["completed_battles"] == before["completed_battles"] + 1


async def test_05_a_verdict_after_the_end_changes_nothing(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle = await start(caller, 4)
    end = await play(caller, battle, "aba")
    for word in ("b", "tie", "left"):
        await caller.refused(f"{ARENA}/vote", 400, battle_id=battle, vote=word)
    after = await caller.post(f"{ARENA}/get_progressive_responses", battle_id=battle)
    assert after["final_ranking"] == end["final_ranking"]
    assert Counter(after["final_ranking"]) == Counter(MODELS)


async def test_06_no_name_is_told_before_the_end(deployed: LegacyDeployment) -> None:
    caller, received = deployed.caller(), b""
    for call, body in (
        ("/api/arena/start_battle", {"message": QUESTION, "session_id": "blind"}),
        ("/api/arena/get_responses", {"battle_id": "blind"}),
        ("/api/arena/get_responses_streaming", {"battle_id": "blind"}),
        ("/api/arena/vote", {"battle_id": "blind", "vote": "b"}),
        ("/api/arena/get_next_responses", {"battle_id": "blind"}),
        ("/api/arena/get_progressive_responses", {"battle_id": "blind"}),
        ("/send_message", {"message": QUESTION}),
        ("/send_message_streaming", {"message": QUESTION}),
        ("/api/arena/vote", {"battle_id": "blind", "winner": MODELS[0]}),
    ):
        received += (await caller.reply(call, **body)).content
    received += (await caller.send("GET", f"{ARENA}/loading_status/blind")).content
    assert b"Model C" in received
    assert not any(model.split(":")[0].encode() in received.lower() for model in MODELS)
    end = await vote(caller, "blind", "a")
    assert set(end["final_ranking"]) < set(MODELS)


async def test_07_an_error_is_no_answer_and_never_judged(deployed: LegacyDeployment) -> None:
    deployed.set(mid_stream_error=8)
    caller = deployed.caller()
    battle = await start(caller)
    await caller.refused(f"{ARENA}/get_responses", 503, battle_id=battle)
    for word in ("a", "tie"):
        await caller.refused(f"{ARENA}/vote", 400, battle_id=battle, vote=word)
    after = await caller.reply(f"{ARENA}/get_progressive_responses", battle_id=battle)
    assert (after.json()["status"], after.json()["winner"]) == ("failed", "")
    assert after.json()["comparison_history"] == []


async def test_08_the_stream_of_a_later_round_has_its_texts(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle = await start(caller)
    voted = await vote(caller, battle, "b")
    page = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=battle)
    assert page.texts == {"a": voted["response_a"], "b": voted["response_b"]}
    assert all(page.texts.values())


async def test_09_a_slow_model_keeps_its_side_and_holds_nobody_up(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    deployed.servers[MODELS[0]].set(slow_headers_s=SPEED)
    battle = await start(caller, 4)
    with MachineTime() as took:
        quick = await asyncio.gather(*(start(caller, 2) for _ in range(3)))
    assert took.seconds < 2, "to start waits for no model"
    pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    assert all((pair["ready"], pair["response_a"], pair["response_b"]))
    for other in quick:
        assert (await caller.post(f"{ARENA}/get_responses", battle_id=other))["ready"]
    end = await play(caller, battle, "aba")
    assert set(end["final_ranking"]) == set(MODELS), "nobody was dropped"


async def test_10_what_was_judged_is_what_is_shown_later(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle, first = await ready(caller)
    again = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
    assert again == first
    await vote(caller, battle, "b")
    for call in ("get_next_responses", "get_responses", "get_next_responses", "get_progressive_responses"):
        later = await caller.post(f"{ARENA}/{call}", battle_id=battle)
        assert later["response_b"] == first["response_b"]


async def test_11_of_verdicts_that_come_at_once_one_counts(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle, _ = await ready(caller)
    words = ["a", "b", "tie", "bad", "left", "right"]
    replies = await asyncio.gather(*(caller.reply(f"{ARENA}/vote", battle_id=battle, vote=w, round=1) for w in words))
    assert {reply.status_code for reply in replies} == {200, 400}
    now = await caller.get(f"{ARENA}/battles/{battle}")
    assert (now["round"], len(now["votes"])) == (2, 1)
    verdict = now["votes"][0]["verdict"]
    kept = [w for w, reply in zip(words, replies, strict=True) if reply.status_code == 200]
    spoken = {"a": {"a", "left"}, "b": {"b", "right"}, "tie": {"tie"}, "both_bad": {"bad"}}[verdict]
    assert set(kept) == spoken


async def test_12_every_worker_knows_every_battle(deployed: LegacyDeployment) -> None:
    one, two = Caller([deployed.one.url]), Caller([deployed.two.url])
    battle = await start(one)
    pair = await two.post(f"{ARENA}/get_responses", battle_id=battle)
    assert (await one.post(f"{ARENA}/get_responses", battle_id=battle)) == pair
    assert (await two.post(f"{ARENA}/vote", battle_id=battle, vote="a"))["round"] == 2
    assert (await one.post(f"{ARENA}/get_progressive_responses", battle_id=battle))["current_round"] == 1


class Away:
    """A manager whose Redis is unavailable: nothing is kept in the process instead."""

    async def resolve(self, _: str) -> None:
        raise RedisConnectionError("refused")


@pytest.mark.parametrize("path", [f"{ARENA}/vote", f"{ARENA}/get_responses", "/api/vote_arena"])
async def test_12_without_redis_every_call_says_so(path: str) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app_with(services_with(manager=Away()))), base_url="http://arena"
    ) as http:
        reply = await http.post(path, json={"battle_id": "b", "vote": "a"})
    assert reply.status_code == 503
    assert reply.json()["error"].startswith("Redis is unavailable")
    assert "retry-after" in reply.headers


async def test_13_the_status_survives_a_progressive_battle(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    started = await caller.post(f"{ARENA}/start_progressive", message=QUESTION)
    before = await caller.get(f"{ARENA}/status")
    for word in ("left", "right"):
        await caller.post(f"{ARENA}/submit_progressive_choice", battle_id=started["battle_id"], choice=word)
    after = await caller.get(f"{ARENA}/status")
    assert after["completed_battles"] == before["completed_battles"] + 1


def test_14_the_port_of_redis_is_the_configured_one() -> None:
    assert settings_with(redis_host="cache", redis_port=6400).redis_address == "redis://cache:6400/0"


async def test_14_a_session_overwrites_no_battle_and_ids_cannot_be_guessed(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    first, second = await start(caller, session_id="mine"), await start(caller, session_id="mine")
    assert len({first, second, "mine"}) == 3
    assert min(len(first), len(second)) >= 32
    pairs = [await caller.post(f"{ARENA}/get_responses", battle_id=battle) for battle in (first, second)]
    assert [pair["battle_id"] for pair in pairs] == [first, second]


@pytest.mark.parametrize("key", ["vote", "preference", "choice", "winner"])
async def test_15_every_spelling_under_every_key_is_counted(deployed: LegacyDeployment, key: str) -> None:
    caller = deployed.caller()
    words = ["a", "b", "left", "right", "tie", "bad", "both_bad", "A", "Model A"]
    battles = [await start(caller, 2) for _ in words]
    bodies = [{"battle_id": battle, key: word} for battle, word in zip(battles, words, strict=True)]
    ends = await asyncio.gather(*(caller.post(f"{ARENA}/vote", **body) for body in bodies))
    choices = [end["comparison_history"][0]["choice"] for end in ends]
    assert choices == ["left", "right", "left", "right", "tie", "both_bad", "both_bad", "left", "left"]


async def test_16_the_comparisons_that_remain_are_counted_and_always_told(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle, _ = await ready(caller, 4)
    received = []
    for word in ("left", "right", "tie"):
        for _ in range(2):
            pair = await caller.post(f"{ARENA}/get_progressive_responses", battle_id=battle)
            received.append(pair["remaining_comparisons"])
        chosen = await caller.post(f"{ARENA}/submit_progressive_choice", battle_id=battle, choice=word)
        received.append(chosen["remaining_comparisons"])
    assert received == [3, 3, 2, 2, 2, 1, 1, 1, 0]


async def test_17_a_model_is_asked_the_same_way_whoever_asks(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    started = await caller.post(f"{ARENA}/start_battle", message=QUESTION, num_models=4)
    progressive = await caller.post(f"{ARENA}/start_progressive", message=QUESTION, num_models=4)
    page = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION)
    sent = await caller.post("/send_message", message=QUESTION)
    texts: dict[str, set[str]] = {}
    for battle in (started["battle_id"], progressive["battle_id"], page.battle, sent["battle_id"]):
        pair = await caller.post(f"{ARENA}/get_responses", battle_id=battle)
        for side, model in (await deployed.names(battle)).items():
            texts.setdefault(model, set()).add(pair[f"response_{side}"])
    for model, said in texts.items():
        direct = await asyncio.to_thread(deployed.servers[model].answer_of, model, QUESTION)
        assert said == {direct}


async def test_18_a_battle_that_is_over_says_so_wherever_it_is_asked(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()
    battle = await start(caller)
    end = await play(caller, battle, "ab")
    assert (end["continue_battle"], end["continue"], end["needs_responses"]) == (False, False, False)
    assert end["remaining_models"] == []
    assert (await caller.post(f"{ARENA}/get_progressive_responses", battle_id=battle))["status"] == "completed"
    assert (await caller.post(f"{ARENA}/get_responses", battle_id=battle))["status"] == "completed"
    over = await caller.refused(f"{ARENA}/get_next_responses", 400, battle_id=battle)
    assert over["error"].startswith("No current matchup")
