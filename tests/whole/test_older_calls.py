"""The three calls that existing clients make, field by field."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.whole.client import BATTLES, call, client, open_battle, play, until_ready, watch
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import MODELS
from tests.whole.older import CHOICE, PAIR, RANKING, arena, check_types, get, start, submit


async def curl(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        shutil.which("curl") or "curl",
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, problems = await process.communicate()
    assert (process.returncode, problems) == (0, b"")
    return dict(json.loads(out))


async def test_both_documented_curl_lines_work_as_written(deployed: SharedDeployment) -> None:
    def documented(verb: str, body: str) -> Awaitable[Any]:
        return curl("-X", "POST", arena(deployed.one, verb), "-H", "Content-Type: application/json", "-d", body)

    started = await documented("start_progressive", '{"message": "Your question", "session_id": "test-123"}')
    assert started["battle_id"] != "test-123"
    pair = await documented("get_progressive_responses", '{"battle_id": "test-123"}')
    assert pair["status"] == "ready"
    assert pair["battle_id"] == started["battle_id"]
    assert pair["response_a"]
    assert pair["response_b"]


async def test_a_session_means_its_newest_battle(deployed: SharedDeployment) -> None:
    first = await start(deployed.one, session_id="session-of-two")
    second = await start(deployed.two, session_id="session-of-two", message="Why is it dark at night?")
    pair = await get(deployed.one, "session-of-two")
    assert pair["battle_id"] == second["battle_id"] != first["battle_id"]
    voted = (await submit(deployed.two, "session-of-two", "left")).json()
    assert voted["battle_id"] == second["battle_id"]


async def test_a_whole_battle_by_the_older_calls(deployed: SharedDeployment) -> None:
    started = await start(deployed.one)
    assert started == {
        "battle_id": started["battle_id"],
        "status": "initialized",
        "total_models": 3,
        "current_round": 0,
        "message": "Why do rivers bend?",
    }
    battle = started["battle_id"]
    pair = await get(deployed.one, battle)
    check_types(pair, PAIR)
    assert not RANKING.keys() & pair.keys()
    assert pair["status"] == "ready"
    assert pair["responses_ready"] is True
    assert (pair["current_round"], pair["remaining_comparisons"]) == (0, 2)
    assert pair["current_models"] == [pair["model_a"], pair["model_b"]] == ["Model A", "Model B"]
    assert (pair["latency_a"], pair["latency_b"]) == (0, 0)
    assert pair["response_a"]
    assert pair["response_b"]
    assert await get(deployed.one, battle) == pair, "asking again changes nothing"

    reply = await submit(deployed.two, battle, "right")
    assert reply.status_code == 200
    middle = reply.json()
    check_types(middle, CHOICE)
    assert middle["status"] == "continue"
    assert (middle["current_round"], middle["remaining_comparisons"]) == (1, 1)
    assert middle["current_models"] == ["Model C", "Model B"]
    assert (middle["eliminated_model"], middle["eliminated_side"]) == ("Model A", "left")
    assert (middle["latency_a"], middle["latency_b"]) == (0, 0)
    assert middle["responses_ready"] is True
    assert middle["response_b"] == pair["response_b"], "the winner keeps its side and its text"
    again = await get(deployed.one, battle)
    assert {name: again[name] for name in PAIR if name != "status"} == {
        name: middle[name] for name in PAIR if name != "status"
    }

    end = (await submit(deployed.one, battle, "left")).json()
    check_types(end, CHOICE | RANKING)
    assert end["status"] == "completed"
    assert sorted(end["final_ranking"]) == sorted(MODELS)
    assert end["final_ranking"][0] == end["winner"] == end["model_a"]
    assert end["final_ranking"][1] == end["eliminated_model"] == end["model_b"]
    assert end["eliminated_side"] == "right"
    assert (end["total_rounds"], end["remaining_comparisons"]) == (2, 0)
    assert [(line["round"], line["choice"]) for line in end["comparison_history"]] == [(0, "right"), (1, "left")]
    completed = await get(deployed.two, battle)
    check_types(completed, PAIR | RANKING)
    assert completed["status"] == "completed"
    for name in (*RANKING, "current_models", "response_a", "response_b"):
        assert completed[name] == end[name]
    assert completed["latency_a"] > 0
    assert completed["latency_b"] > 0


async def test_waiting_in_vain_gives_the_text_so_far(deployed: SharedDeployment) -> None:
    deployed.deployment.granite.set(stall_s=2.0, stall_after=8)
    deployed.deployment.basalt.set(stall_s=2.0, stall_after=8)
    battle = (await start(deployed.one))["battle_id"]
    await watch(deployed.two.url, battle, until=lambda event: event.event == "delta")
    pair = await get(deployed.two, battle)
    check_types(pair, PAIR)
    assert pair["status"] == "waiting"
    assert pair["responses_ready"] is False
    assert pair["response_a"] + pair["response_b"]
    assert (pair["current_round"], pair["remaining_comparisons"]) == (0, 2)
    assert (pair["latency_a"], pair["latency_b"]) == (0, 0)
    await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")


async def test_a_stopped_battle_is_completed_without_a_winner(deployed: SharedDeployment) -> None:
    battle = (await start(deployed.one))["battle_id"]
    await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")
    pair = await get(deployed.one, battle)
    check_types(pair, PAIR | RANKING)
    assert (pair["status"], pair["winner"], pair["total_rounds"]) == ("completed", "", 0)


async def test_both_ways_to_play_are_one_battle(deployed: SharedDeployment) -> None:
    battle = (await start(deployed.one))["battle_id"]
    end = await play(deployed.two.url, battle, ["tie", "a"])
    assert end["status"] == "finished"
    pair = await get(deployed.one, battle)
    assert pair["winner"] == end["reveal"]["champion"]
    assert pair["final_ranking"] == [line["model"] for line in end["reveal"]["ranking"]]
    assert [line["choice"] for line in pair["comparison_history"]] == ["tie", "left"]


async def test_num_models_above_what_there_is_means_all(deployed: SharedDeployment) -> None:
    assert (await start(deployed.one, num_models=1000))["total_models"] == 3
    assert (await start(deployed.one, num_models=2))["total_models"] == 2


WORDS = [
    ("choice", "left", "a"),
    ("choice", "right", "b"),
    ("vote", "a", "a"),
    ("vote", "B", "b"),
    ("preference", "tie", "tie"),
    ("vote", "bad", "both_bad"),
    ("choice", "both_bad", "both_bad"),
    ("preference", " LEFT ", "a"),
    ("winner", "Model B", "b"),
    ("winner", "model a", "a"),
]


@pytest.fixture
async def pair_on_stage(deployed: SharedDeployment) -> str:
    """A battle of two models that waits for its verdict."""
    battle = (await open_battle(deployed.one.url, num_models=2))["battle_id"]
    await until_ready(deployed.one.url, battle)
    return str(battle)


@pytest.mark.parametrize(("key", "word", "verdict"), WORDS)
async def test_a_verdict_is_understood_in_every_spelling(
    deployed: SharedDeployment, pair_on_stage: str, key: str, word: str, verdict: str
) -> None:
    reply = await submit(deployed.one, pair_on_stage, word, key)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    check_types(body, CHOICE | RANKING)
    assert body["status"] == "completed"
    spoken = {"a": "left", "b": "right"}.get(verdict, verdict)
    assert [line["choice"] for line in body["comparison_history"]] == [spoken]
    champion = body["model_b"] if verdict == "b" else body["model_a"]
    assert body["winner"] == champion, "a tie and both_bad keep the earlier entrant"


@pytest.mark.parametrize("word", [*MODELS, "Model C", "maybe", "", "c", "leftt"])
async def test_what_is_no_verdict_is_refused_and_a_models_name_tells_nothing(
    deployed: SharedDeployment, pair_on_stage: str, word: str
) -> None:
    reply = await submit(deployed.one, pair_on_stage, word)
    assert reply.status_code == 400
    assert isinstance(reply.json()["error"], str)
    named = {(await submit(deployed.one, pair_on_stage, model)).content for model in MODELS}
    assert len(named) == 1, "every model's name gets the same answer, on stage or not"
    await call("POST", f"{deployed.one.url}{BATTLES}/{pair_on_stage}/stop")


async def test_a_round_guards_against_judging_the_next_one(deployed: SharedDeployment) -> None:
    battle = (await start(deployed.one))["battle_id"]
    await get(deployed.one, battle)
    assert (await submit(deployed.one, battle, "left", round=1)).json()["current_round"] == 1
    again = await submit(deployed.two, battle, "left", round=1)
    assert again.status_code == 200, "a double click is answered, and counted once"
    assert again.json()["current_round"] == 1
    other = await submit(deployed.two, battle, "right", round=1)
    assert other.status_code == 400
    assert isinstance(other.json()["error"], str)
    assert (await get(deployed.one, battle))["current_round"] == 1


async def test_a_vote_that_waits_is_counted_as_soon_as_the_answers_are_there(deployed: SharedDeployment) -> None:
    deployed.deployment.granite.set(stall_s=1.0, stall_after=8)
    battle = (await start(deployed.one))["battle_id"]
    reply = await submit(deployed.two, battle, "left")
    assert reply.status_code == 200, reply.text
    assert reply.json()["status"] == "continue"


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json;q=0.5, text/event-stream"])
async def test_asking_for_an_event_stream_gives_the_bytes_of_the_battles_events(
    deployed: SharedDeployment, ended: str, accept: str
) -> None:
    whole = await watch(deployed.two.url, ended)
    async with client() as http:
        address = arena(deployed.one, "get_progressive_responses")
        reply = await http.post(address, json={"battle_id": ended}, headers={"Accept": accept})
    assert reply.content == whole.raw
    assert reply.headers["content-type"].startswith("text/event-stream")
