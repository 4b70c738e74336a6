"""The contract as a table: call, body, expected status and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.web.legacy.battles import _ratings
from tests.helpers import wait_until
from tests.legacy.caller import Caller
from tests.legacy.conftest import MODELS, LegacyDeployment

ARENA = "/api/arena"
NUMBER = (int, float)
PAIR = {"model_a": str, "model_b": str, "response_a": str, "response_b": str, "latency_a": NUMBER, "latency_b": NUMBER}
STANDINGS = {"eliminated_models": list, "winner_chain": list, "remaining_models": list}
LAST = {"previous_winner": str, "previous_loser": str, "eliminated_side": str}
START = {"battle_id": str, "status": "initialized", "total_models": 3, "current_round": 0, "message": "Why?"}
START_BATTLE = START | PAIR | {"arena_mode": True, "responses_ready": False, "response_a": "", "latency_b": 0}
SESSION_BATTLE = {"battle_id": "table", "status": "ready", "message": "Why?", "models_hidden": True, "view_index": -1}
RESPONSES = {"battle_id": str, **PAIR, "ready": True, "latency_a": 0, "status": "ready", "models_hidden": True}
PROGRESSIVE = {
    **PAIR,
    "battle_id": str,
    "status": "ready",
    "current_round": 0,
    "current_models": ["Model A", "Model B"],
    "remaining_comparisons": 2,
    "latency_a": 0,
}
NEXT = {"success": True, **PAIR, "model_a": "Model A", "model_b": "Model B"}
VOTED = {
    **PAIR,
    **STANDINGS,
    **LAST,
    "success": True,
    "continue_battle": True,
    "continue": True,
    "needs_responses": True,
    "preference_recorded": True,
    "models_revealed": dict,
    "round": 2,
    "current_round": 2,
    "battle_id": str,
    "final_ranking": [],
    "latency_a": 0,
    "eliminated_side": "right",
    "eliminated_models": ["Model B"],
    "winner_chain": ["Model A"],
    "remaining_models": [],
    "previous_winner": "Model A",
    "model_b": "Model C",
}
OTHER_WAY = VOTED | {
    "eliminated_side": "left",
    "eliminated_models": ["Model A"],
    "winner_chain": ["Model B"],
    "previous_winner": "Model B",
    "model_a": "Model C",
    "model_b": "Model B",
}
CHOSEN = {
    **PAIR,
    "status": "continue",
    "current_round": 1,
    "remaining_comparisons": 1,
    "eliminated_model": "Model B",
    "model_a": "Model A",
}
ARENA_VOTED = {
    **PAIR,
    **STANDINGS,
    **LAST,
    "success": True,
    "continue_battle": True,
    "round": 1,
    "next_view_index": 1,
    "previous_loser": "Model B",
}
SENT = {**PAIR, "status": "success", "arena_mode": True, "battle_id": str, "round": 1, "total_rounds": 2}
SENT |= {"message": "Two models answered; which answer is better?"}
ROUTING = {"route": str, "query_type": str, "reasoning": str, "confidence": float, "use_arena": True}
MESSAGE = {"message": "Why?"}
BATTLE = {"battle_id": "{battle}"}

#: call, body, shape of the answer; ``{battle}`` is a battle of three whose first pair is complete.
ANSWERED = [
    ("start_battle", MESSAGE, START_BATTLE),
    ("start_battle", MESSAGE | {"session_id": "s", "current_tab": 7}, START_BATTLE),
    ("start_battle", MESSAGE | {"session_id": ""}, START_BATTLE),
    ("start_progressive", MESSAGE, START),
    ("start_progressive", MESSAGE | {"num_models": 4}, START | {"total_models": 4}),
    ("start_progressive", MESSAGE | {"num_models": 9}, START | {"total_models": 4}),
    ("battle", MESSAGE | {"session_id": "table"}, SESSION_BATTLE),
    ("get_responses", BATTLE, RESPONSES),
    ("get_responses", BATTLE | {"message": "Test message"}, RESPONSES),
    ("get_responses", BATTLE | {"message": None}, RESPONSES),
    ("responses", BATTLE, RESPONSES),
    ("get_progressive_responses", BATTLE, PROGRESSIVE),
    ("get_next_responses", BATTLE, NEXT),
    ("vote", BATTLE | {"vote": "a"}, VOTED),
    ("vote", BATTLE | {"preference": "left", "session_id": "s"}, VOTED),
    ("vote", BATTLE | {"choice": "LEFT"}, VOTED),
    ("vote", BATTLE | {"winner": "Model A"}, VOTED),
    ("vote", BATTLE | {"vote": "a", "round": 1}, VOTED),
    ("vote", BATTLE | {"vote": "tie"}, VOTED),
    ("vote", BATTLE | {"vote": "bad"}, VOTED),
    ("vote", BATTLE | {"preference": "both_bad"}, VOTED),
    ("vote", BATTLE | {"vote": "b"}, OTHER_WAY),
    ("submit_progressive_choice", BATTLE | {"choice": "left"}, CHOSEN),
    ("submit_progressive_choice", BATTLE | {"choice": "both_bad"}, CHOSEN),
    ("submit_progressive_choice", BATTLE | {"winner": "model a"}, CHOSEN),
    ("../vote_arena", BATTLE | {"vote": "a", "view_index": 0}, ARENA_VOTED),
    ("check_routing", MESSAGE, ROUTING),
    ("../../send_message", MESSAGE | {"use_arena": True}, SENT),
    ("../../send_message", MESSAGE | {"session_id": "s", "language": "en", "tab_context": "x"}, SENT),
]

#: call, body, status, what the answer says beside ``error``.
REFUSED = [
    ("start_battle", {}, 400, {"field": "message"}),
    ("start_battle", {"message": "  "}, 400, {"field": "message"}),
    ("start_battle", {"message": 7}, 400, {"field": "message"}),
    ("start_battle", MESSAGE | {"num_models": 1}, 400, {"field": "num_models"}),
    ("battle", MESSAGE, 400, {"field": "session_id"}),
    ("battle", {"session_id": "s"}, 400, {"field": "message"}),
    ("get_responses", {}, 400, {"field": "battle_id"}),
    ("get_responses", {"battle_id": "nobody"}, 404, {}),
    ("get_responses_streaming", {}, 400, {"field": "battle_id"}),
    ("get_responses_streaming", {"battle_id": "nobody"}, 404, {}),
    ("get_next_responses", {}, 400, {"field": "battle_id"}),
    ("get_next_responses", {"battle_id": "nobody"}, 404, {}),
    ("vote", {}, 400, {"field": "battle_id"}),
    ("vote", {"battle_id": "nobody", "vote": "a"}, 404, {}),
    ("vote", BATTLE, 400, {"field": "vote"}),
    ("vote", BATTLE | {"vote": "maybe"}, 400, {"field": "vote"}),
    ("vote", BATTLE | {"vote": 1}, 400, {"field": "vote"}),
    ("vote", BATTLE | {"winner": "Model C"}, 400, {"field": "vote"}),
    ("vote", BATTLE | {"vote": "a", "round": 2}, 400, {"code": "not_this_round"}),
    ("vote", BATTLE | {"vote": "a", "round": 0}, 400, {"field": "round"}),
    ("submit_progressive_choice", {"battle_id": "nobody", "choice": "left"}, 404, {}),
    ("submit_progressive_choice", BATTLE, 400, {"field": "choice"}),
    ("submit_progressive_choice", BATTLE | {"choice": "left", "round": 2}, 400, {"code": "not_this_round"}),
    ("submit_progressive_choice", BATTLE | {"choice": "left", "round": 0}, 400, {"field": "round"}),
    ("../vote_arena", BATTLE, 400, {"success": False, "field": "vote"}),
    ("../vote_arena", {}, 400, {"success": False, "field": "battle_id"}),
    ("../vote_arena", {"battle_id": "nobody", "vote": "a"}, 404, {"success": False}),
    ("../vote_arena", BATTLE | {"vote": "a", "round": 2}, 400, {"success": False}),
    ("check_routing", {}, 400, {"field": "message"}),
    ("../../send_message", {}, 400, {"field": "message"}),
    ("../../send_message_streaming", {"message": 7}, 400, {"field": "message"}),
]


def filled(body: dict[str, Any], battle: str) -> dict[str, Any]:
    return {key: battle if value == "{battle}" else value for key, value in body.items()}


def path_of(call: str) -> str:
    return {"../vote_arena": "/api/vote_arena"}.get(call, f"{ARENA}/{call}").replace(f"{ARENA}/../..", "")


def check_shape(body: dict[str, Any], shape: dict[str, Any]) -> None:
    for name, wanted in shape.items():
        is_kind = isinstance(wanted, type | tuple)
        assert isinstance(body[name], wanted) if is_kind else body[name] == wanted, (name, body.get(name))
        assert wanted is not str or body[name] or name.startswith("response"), name


@pytest.mark.parametrize(("call", "body", "shape"), ANSWERED)
async def test_a_call_is_answered_as_its_clients_know_it(
    deployed: LegacyDeployment, battle_of: Callable[..., Any], call: str, body: dict[str, Any], shape: dict[str, Any]
) -> None:
    battle = await battle_of() if "battle_id" in body else ""
    check_shape(await deployed.caller().post(path_of(call), **filled(body, battle)), shape)


@pytest.fixture
def battle_of(deployed: LegacyDeployment) -> Callable[..., Any]:
    """Starts a battle of three and waits for its first pair."""

    async def start() -> str:
        caller = deployed.caller()
        started = await caller.post(f"{ARENA}/start_battle", message="Why?", num_models=3)
        await caller.post(f"{ARENA}/get_responses", battle_id=started["battle_id"])
        return str(started["battle_id"])

    return start


@pytest.fixture(scope="package")
def _one_battle() -> dict[Any, Any]:
    return {}


@pytest.mark.parametrize(("call", "body", "status", "expected"), REFUSED)
async def test_a_call_is_refused_in_the_contracts_form(
    deployed: LegacyDeployment,
    battle_of: Callable[..., Any],
    _one_battle: dict[str, str],
    call: str,
    body: dict[str, Any],
    status: int,
    expected: dict[str, Any],
) -> None:
    if "id" not in _one_battle:
        _one_battle["id"] = await battle_of()
    refused = await deployed.caller().refused(path_of(call), status, **filled(body, _one_battle["id"]))
    check_shape(refused, expected)
    assert set(refused) <= {"error", "code", "field", "success"}


async def test_nothing_that_was_refused_was_recorded(deployed: LegacyDeployment, battle_of: Callable[..., Any]) -> None:
    battle, caller = await battle_of(), deployed.caller()
    for word in ("maybe", "", *MODELS):
        await caller.refused(f"{ARENA}/vote", 400, battle_id=battle, vote=word)
    now = await caller.get(f"{ARENA}/battles/{battle}")
    assert (now["round"], now["votes"]) == (1, [])


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"7", b'{"message"', b'"a"', b"\xff"])
@pytest.mark.parametrize(
    "path", [f"{ARENA}/vote", f"{ARENA}/start_battle", "/api/vote_arena", "/send_message_streaming"]
)
async def test_a_body_that_is_no_object_is_refused(deployed: LegacyDeployment, path: str, content: bytes) -> None:
    reply = await deployed.caller().send("POST", path, content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert isinstance(reply.json()["error"], str)
    assert "detail" not in reply.json()


GETS = [
    (f"{ARENA}/status", {"available": True, "active_models": 4, "models": list(MODELS), "leaderboard": list}),
    (f"{ARENA}/status", {"total_battles": int, "completed_battles": int, "storage_status": str}),
    (f"{ARENA}/ollama-status", {"status": "healthy", "base_url": str, "total_models": 4, "recommendation": str}),
    (f"{ARENA}/ollama-status", {"arena_models_status": dict.fromkeys(MODELS, True), "all_arena_models_ready": True}),
    ("/ping", {"status": "ok"}),
    ("/session_info", {"session_id": str}),
]


@pytest.mark.parametrize(("path", "shape"), GETS)
async def test_a_question_is_answered(deployed: LegacyDeployment, path: str, shape: dict[str, Any]) -> None:
    body = await deployed.caller().get(path)
    check_shape(body, shape)
    assert "error" not in body


async def test_the_storage_is_redis_for_those_who_look_for_that_word(deployed: LegacyDeployment) -> None:
    assert "Redis" in (await deployed.caller().get(f"{ARENA}/status"))["storage_status"]


@pytest.mark.parametrize("call", ["get_all_responses", "compare", "vote_stream", "debug/health"])
async def test_what_was_never_there_is_not_there(deployed: LegacyDeployment, call: str) -> None:
    reply = await deployed.caller().send("GET", f"{ARENA}/{call}")
    assert reply.status_code == 404
    assert isinstance(reply.json()["error"], str)


async def test_asking_for_the_stream_without_a_body_fails_so_that_the_oldest_page_falls_back(
    deployed: LegacyDeployment,
) -> None:
    reply = await deployed.caller().send("GET", f"{ARENA}/get_responses_streaming?battle_id=x")
    assert 400 <= reply.status_code < 500
    assert isinstance(reply.json()["error"], str)


async def test_loading_status_lists_aliases_until_the_end(
    deployed: LegacyDeployment, battle_of: Callable[..., Any]
) -> None:
    battle, caller = await battle_of(), deployed.caller()
    before = await caller.get(f"{ARENA}/loading_status/{battle}")
    assert {"Model A", "Model B"} <= set(before["loaded_models"])
    assert sorted(before["loaded_models"] + before["pending_models"]) == ["Model A", "Model B", "Model C"]
    assert before["progress_percentage"] in (66.7, 100.0)
    assert before["all_loaded"] is (before["pending_models"] == [])
    for word in ("a", "b"):
        await caller.post(f"{ARENA}/vote", battle_id=battle, vote=word)
    after = await caller.get(f"{ARENA}/loading_status/{battle}")
    assert (after["total_models"], after["progress_percentage"], after["all_loaded"]) == (3, 100.0, True)
    assert set(after["loaded_models"]) < set(MODELS)


@pytest.mark.parametrize("battle", ["nobody", "%00", "x" * 201, "a%20b", "%ff"])
async def test_the_loading_of_no_battle_is_not_found(deployed: LegacyDeployment, battle: str) -> None:
    missing = await deployed.caller().send("GET", f"{ARENA}/loading_status/{battle}")
    assert (missing.status_code, type(missing.json()["error"])) == (404, str)


async def test_the_session_of_the_header_is_taken_where_the_body_has_none(deployed: LegacyDeployment) -> None:
    caller = Caller([deployed.one.url, deployed.two.url], headers={"X-Session-ID": "from-axios"})
    started = await caller.post(f"{ARENA}/start_battle", message="Why?")
    pair = await caller.post(f"{ARENA}/get_responses", battle_id="from-axios")
    assert pair["battle_id"] == started["battle_id"]
    await caller.post(f"{ARENA}/start_battle", message="Why?", session_id="of-the-body")
    assert (await caller.post(f"{ARENA}/get_responses", battle_id="from-axios"))["battle_id"] == started["battle_id"]
    assert (await caller.get("/session_info"))["session_id"] == "from-axios"


async def test_names_are_given_back_to_old_pages_where_that_is_configured(deployed: LegacyDeployment) -> None:
    caller = Caller([deployed.named.url])
    started = await caller.post(f"{ARENA}/start_battle", message="Why?")
    battle = started["battle_id"]
    assert {started["model_a"], started["model_b"]} < set(MODELS)
    await deployed.caller().post(f"{ARENA}/get_responses", battle_id=battle)
    voted = await caller.post(f"{ARENA}/vote", battle_id=battle, winner=started["model_b"])
    assert voted["eliminated_models"] == [started["model_a"]]
    assert voted["models_revealed"]["model_b"]["name"] == started["model_b"] == voted["model_b"]
    assert isinstance(voted["models_revealed"]["model_b"]["rating"], float)
    assert (voted["latency_a"], voted["latency_b"]) == (0, 0), "timings are no names"


async def test_names_are_given_with_the_ratings_of_the_board(deployed: LegacyDeployment) -> None:
    caller = deployed.caller()

    async def revealed() -> dict[str, float]:
        battle = (await caller.post(f"{ARENA}/start_battle", message="Why?", num_models=2))["battle_id"]
        voted = await caller.post(f"{ARENA}/vote", battle_id=battle, vote="a")
        return {model["name"]: model["rating"] for model in voted["models_revealed"].values()}

    async def rated() -> dict[str, float]:
        rows = (await caller.get(f"{ARENA}/leaderboard"))["leaderboard"]
        return {row["model"]: row["elo_rating"] for row in rows}

    async def check() -> bool:
        assert (await revealed()).items() <= (await rated()).items()
        return True

    assert await wait_until(check, interval=0.2)


class Board:
    """Services whose board has the ratings of two builds of a model; or which is unavailable with Redis."""

    def __init__(self, *ratings: tuple[str, float]) -> None:
        self.boards = self
        self._ratings = ratings

    async def leaders(self, _: int) -> list[dict[str, Any]]:
        if not self._ratings:
            raise RedisConnectionError("refused")
        return [{"model": model, "elo_rating": rating} for model, rating in self._ratings]


async def test_a_rating_of_several_builds_is_that_of_the_best() -> None:
    assert (await _ratings(cast(Any, Board(("x@1234", 1100.0), ("y", 1050.0), ("x@5678", 900.0)))))["x"] == 1100.0
    assert await _ratings(cast(Any, Board())) == {}, "a verdict is answered, whatever becomes of the board"


async def test_an_empty_chat_message_is_answered_with_one_event(deployed: LegacyDeployment) -> None:
    for body in ({}, {"message": ""}, {"message": "  "}):
        async with deployed.caller().stream("/send_message_streaming", **body) as response:
            text = (await response.aread()).decode()
        assert text.startswith('data: {"content":"')
        assert text.count("data: ") == 1
        assert '"done":true' in text
