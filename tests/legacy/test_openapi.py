"""The OpenAPI document tells all of the contract, with examples that are what is really answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.legacy.caller import Caller
from tests.legacy.clients import ARENA, QUESTION
from tests.legacy.conftest import LegacyDeployment
from tests.legacy.parsers import ChatPage, RoundPage
from tests.services import app_with

OLD, NATIVE = "existing clients", "battles"
CALLS = {
    f"{ARENA}/{call}"
    for call in (
        "status",
        "ollama-status",
        "start_battle",
        "battle",
        "get_responses",
        "responses",
        "get_responses_streaming",
        "loading_status/{battle_id}",
        "vote",
        "start_progressive",
        "get_progressive_responses",
        "submit_progressive_choice",
        "get_next_responses",
        "check_routing",
        "statistics",
        "export_training_data",
    )
} | {"/api/vote_arena", "/send_message_streaming", "/send_message", "/ping", "/session_info"}


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    document = app_with(None).openapi()
    return {path: operation for path, verbs in document["paths"].items() for operation in verbs.values()}


def example(operations: dict[str, dict[str, Any]], path: str, status: str = "200") -> Any:
    """A body as a dictionary, a stream as text."""
    (content,) = operations[path]["responses"][status]["content"].values()
    return content["example"]


def test_every_call_is_there_and_tagged_apart_from_the_native_api(operations: dict[str, dict[str, Any]]) -> None:
    assert {path for path, operation in operations.items() if operation.get("tags") == [OLD]} >= CALLS
    assert all(operations[path]["tags"] == [OLD] for path in CALLS)
    assert operations["/api/arena/battles"]["tags"] == [NATIVE]
    others = {path for path, operation in operations.items() if OLD in operation["tags"]} - CALLS
    assert others == {f"{ARENA}/leaderboard"}, "which is the same for both"
    assert set(operations[f"{ARENA}/leaderboard"]["tags"]) == {OLD, "leaderboard"}


def test_no_refusal_is_told_that_is_never_sent(operations: dict[str, dict[str, Any]]) -> None:
    assert all("422" not in operation["responses"] for operation in operations.values())


@pytest.mark.parametrize("path", sorted(CALLS))
def test_every_call_has_examples(operations: dict[str, dict[str, Any]], path: str) -> None:
    operation = operations[path]
    assert example(operations, path)
    for status in ("400", "404", "503"):
        assert isinstance(example(operations, path, status)["error"], str)
    assert operation["description"]


def test_every_body_has_an_example() -> None:
    schemas = app_with(None).openapi()["components"]["schemas"]
    bodies = [schema for name, schema in schemas.items() if name.endswith("Body")]
    assert len(bodies) > 5
    assert all(schema["examples"] for schema in bodies)


def check_alike(shown: dict[str, Any], answered: dict[str, Any]) -> None:
    assert list(shown) == list(answered), "the same fields in the same order"
    for name, value in shown.items():
        kinds = (int, float) if isinstance(value, float | int) and not isinstance(value, bool) else type(value)
        assert isinstance(answered[name], kinds), name


async def test_the_examples_are_what_is_answered(
    deployed: LegacyDeployment, operations: dict[str, dict[str, Any]]
) -> None:
    caller = deployed.caller()

    async def alike(path: str, **body: Any) -> dict[str, Any]:
        answered = await caller.post(path, **body)
        check_alike(example(operations, path), answered)
        return answered

    battles = [(await alike(f"{ARENA}/start_battle", message=QUESTION))["battle_id"] for _ in range(3)]
    await alike(f"{ARENA}/battle", message=QUESTION, session_id="examples")
    await alike(f"{ARENA}/start_progressive", message=QUESTION)
    await alike("/send_message", message=QUESTION)
    await alike(f"{ARENA}/check_routing", message=QUESTION)
    for battle in battles:
        for call in ("get_responses", "responses", "get_progressive_responses"):
            await alike(f"{ARENA}/{call}", battle_id=battle)
    await alike(f"{ARENA}/vote", battle_id=battles[0], vote="a")
    await alike(f"{ARENA}/submit_progressive_choice", battle_id=battles[1], choice="left")
    await alike("/api/vote_arena", battle_id=battles[2], vote="a")
    await alike(f"{ARENA}/get_next_responses", battle_id=battles[0])
    calls = ("status", "ollama-status", "statistics", "export_training_data")
    for path in (*(f"{ARENA}/{call}" for call in calls), "/ping", "/session_info"):
        check_alike(example(operations, path), await caller.get(path))
    loading = example(operations, f"{ARENA}/loading_status/{{battle_id}}")
    check_alike(loading, await caller.get(f"{ARENA}/loading_status/{battles[0]}"))


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line]


async def test_the_examples_of_streams_are_what_is_told(
    deployed: LegacyDeployment, operations: dict[str, dict[str, Any]]
) -> None:
    caller: Caller = deployed.caller()
    page = await caller.read(ChatPage(), "/send_message_streaming", message=QUESTION)
    later = await caller.read(RoundPage(), f"{ARENA}/get_responses_streaming", battle_id=page.battle)
    for path, events in (
        ("/send_message_streaming", page.events),
        (f"{ARENA}/get_responses_streaming", later.events),
    ):
        init, delta, final = events_of(example(operations, path))
        check_alike(init, events[0])
        check_alike(delta, events[1])
        check_alike(final, events[-1])
