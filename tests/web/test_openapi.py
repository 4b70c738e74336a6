"""The OpenAPI document: every answer has a model, and names are unique."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from app.battle.events import EventName
from app.web.schemas.battles import ENDED, OPENED, READY, VOTE
from app.web.schemas.events import EVENT_SCHEMAS
from tests.documented import Json, check, check_answer, check_event, document

DOCUMENT = document()
OPERATIONS = {
    f"{verb.upper()} {path}": operation
    for path, verbs in DOCUMENT["paths"].items()
    for verb, operation in verbs.items()
}
SCHEMAS = DOCUMENT["components"]["schemas"]
NOT_JSON = {
    "watch_battle",
    "watch_run",
    "read_results",
    "metrics",
    "legacy_get_responses_streaming",
    "legacy_send_message_streaming",
}


def answers() -> list[tuple[str, str, Json]]:
    return [
        (name, status, response)
        for name, operation in OPERATIONS.items()
        for status, response in operation["responses"].items()
    ]


@pytest.mark.parametrize(("name", "status", "response"), answers())
def test_every_answer_has_a_model(name: str, status: str, response: Json) -> None:
    if status == "204":
        assert "content" not in response
        return
    kinds = response["content"]
    if status == "200" and OPERATIONS[name]["operationId"] in NOT_JSON:
        assert tuple(kinds) in (("text/event-stream",), ("text/plain",), ("application/x-ndjson", "text/csv"))
        assert all(content["schema"] == {"type": "string"} for content in kinds.values())
    else:
        ((kind, content),) = kinds.items()
        assert kind == "application/json"
        assert re.fullmatch(r"#/components/schemas/\w+", content["schema"]["$ref"])


def examples() -> list[tuple[str, str, Any]]:
    return [
        (f"{name} {status}", content["schema"]["$ref"].removeprefix("#"), example)
        for name, status, response in answers()
        for kind, content in response.get("content", {}).items()
        if kind == "application/json"
        for example in [content[key] for key in ("example",) if key in content]
        + [one["value"] for one in content.get("examples", {}).values()]
    ]


@pytest.mark.parametrize(("where", "pointer", "example"), examples())
def test_every_example_is_what_its_model_says(where: str, pointer: str, example: Any) -> None:
    check(pointer, example, where)


def test_every_call_shows_an_example_of_its_answer_and_of_its_refusals() -> None:
    shown = {where for where, _, _ in examples()}
    for name, status, response in answers():
        if "application/json" in response.get("content", {}):
            assert f"{name} {status}" in shown


def test_the_examples_in_models_are_what_the_models_say() -> None:
    answers = {name: schema for name, schema in SCHEMAS.items() if not name.endswith("Body") or name == "ErrorBody"}
    shown = [(name, example) for name, schema in answers.items() for example in schema.get("examples", ())]
    answered = {"BattleSnapshot", "OpenedBattle", "SnapshotEvent", "VoteFeedback", "BoardChange", "ErrorBody"}
    assert {name for name, _ in shown} == answered
    for name, example in shown:
        check(f"/components/schemas/{name}", example, name)


def test_operations_and_models_have_names_of_their_own() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z][a-z_]*[a-z]", one) for one in ids)
    assert all(re.fullmatch("[A-Za-z]+", name) for name in DOCUMENT["components"]["schemas"]), (
        "none has its file in its name"
    )
    snake = {re.sub("(?<!^)(?=[A-Z])", "_", name).lower(): schema for name, schema in SCHEMAS.items()}
    collisions = [name for name, schema in snake.items() if name in schema.get("properties", {})]
    assert collisions == [], "a generated client mixes a model up with its field of the same name"
    titles = [schema["title"] for schema in SCHEMAS.values()]
    assert len(set(titles)) == len(titles)


def test_the_names_of_native_operations_are_these() -> None:
    """Generated clients call functions by them: changing one breaks them."""
    native = {
        name: operation["operationId"]
        for name, operation in OPERATIONS.items()
        if operation["tags"] != ["existing clients"]
    }
    assert native == {
        "POST /api/arena/battles": "open_battle",
        "GET /api/arena/battles": "list_battles",
        "DELETE /api/arena/battles/{battle_id}": "erase_battle",
        "GET /api/arena/battles/{battle_id}": "read_battle",
        "GET /api/arena/battles/{battle_id}/events": "watch_battle",
        "POST /api/arena/battles/{battle_id}/votes": "vote",
        "DELETE /api/arena/battles/{battle_id}/votes/{round_number}": "undo_vote",
        "GET /api/arena/battles/{battle_id}/votes/{round_number}/feedback": "read_feedback",
        "PUT /api/arena/battles/{battle_id}/votes/{round_number}/feedback": "keep_feedback",
        "POST /api/arena/battles/{battle_id}/stop": "stop_battle",
        "POST /api/arena/battles/{battle_id}/whole": "show_whole",
        "GET /api/arena/battles/{battle_id}/board-change": "read_board_change",
        "GET /api/arena/leaderboard": "leaderboard",
        "GET /api/arena/about": "about",
        "GET /api/arena/hosts": "list_hosts",
        "GET /api/arena/models": "list_models",
        "POST /api/arena/warm": "warm_models",
        "POST /api/arena/runs": "submit_run",
        "POST /api/arena/runs/check": "check_run",
        "GET /api/arena/runs": "list_runs",
        "GET /api/arena/runs/{run_id}": "read_run",
        "DELETE /api/arena/runs/{run_id}": "delete_run",
        "GET /api/arena/runs/{run_id}/events": "watch_run",
        "GET /api/arena/runs/{run_id}/results": "read_results",
        "GET /api/arena/runs/{run_id}/report": "read_report",
        "POST /api/arena/runs/{run_id}/pause": "pause_run",
        "POST /api/arena/runs/{run_id}/resume": "resume_run",
        "POST /api/arena/runs/{run_id}/cancel": "cancel_run",
        "POST /api/arena/runs/{run_id}/retry": "retry_run",
        "GET /metrics": "metrics",
        "GET /healthz": "healthz",
        "GET /readyz": "readyz",
    }


def test_every_event_of_the_catalogue_has_a_model_in_the_document() -> None:
    assert set(EVENT_SCHEMAS) == set(EventName)
    events = SCHEMAS["BattleEvents"]
    assert set(events["required"]) == set(events["properties"]) == {name.value for name in EventName}
    for name, model in EVENT_SCHEMAS.items():
        assert events["properties"][name.value]["$ref"] == f"#/components/schemas/{model.__name__}"


def answer(body: Any, status: int = 200, path: str = "/api/arena/battles/b1", method: str = "GET") -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request(method, f"http://arena{path}"))


def test_a_field_that_is_not_documented_is_found() -> None:
    check_answer(answer(READY))
    check_answer(answer(ENDED))
    side = READY["sides"]["a"]
    for wrong in (
        READY | {"host": "gpu-1"},
        READY | {"sides": READY["sides"] | {"a": side | {"model": "llama3.1:8b"}}},
        READY | {"can_vote": None},
        READY | {"status": "over"},
        {name: value for name, value in READY.items() if name != "cursor"},
        READY | {"votes": [VOTE | {"models": None}]},
    ):
        with pytest.raises(AssertionError, match="not as documented"):
            check_answer(answer(wrong))


def test_an_error_that_is_not_documented_is_found() -> None:
    check_answer(answer({"error": "no", "code": "not_found"}, 404))
    check_answer(answer({"error": "no", "code": "teapot"}, 418))
    check_answer(answer({"error": "no", "code": "not_found"}, 404, "/nowhere"))
    for body in ({"detail": "no"}, {"error": "no"}, {"error": "no", "code": "x", "reason": "why"}):
        for path in ("/api/arena/battles/b1", "/nowhere"):
            with pytest.raises(AssertionError, match="not as documented"):
                check_answer(answer(body, 404, path))


def test_a_status_is_held_against_its_own_model() -> None:
    with pytest.raises(AssertionError, match="not as documented"):
        check_answer(answer(OPENED, 404))
    with pytest.raises(AssertionError, match="not as documented"):
        check_answer(answer({"error": "no", "code": "x"}, 200))


def test_an_event_that_is_not_documented_is_found() -> None:
    check_event("ready", b'{"round": 1}')
    check_event("status", b'{"round": 1, "side": "a", "state": "queued", "place": 2, "eta_s": 12}')
    for name, data in (
        ("ready", b'{"round": 1, "model": "llama3.1:8b"}'),
        ("ready", b"{}"),
        ("status", b'{"round": 1, "side": "c", "state": "queued"}'),
        ("unknown", b"{}"),
    ):
        with pytest.raises(ValueError, match=r"validation error|not a valid"):
            check_event(name, data)
