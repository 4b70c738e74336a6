"""Whatever is sent, the answer is a 4xx that names what to do: never 422, never ``detail``, never a stack trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.whole.client import BATTLES, call, check_refusal, client, open_battle, post, snapshot, until_ready, vote
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import OKAPI, ZIRCON

JSON = {"Content-Type": "application/json"}
START = "/api/arena/start_progressive"
GET = "/api/arena/get_progressive_responses"
SUBMIT = "/api/arena/submit_progressive_choice"
OPEN = BATTLES
VOTE = BATTLES + "/{running}/votes"
NEEDED: dict[str, dict[str, object]] = {
    START: {"message": "Hi"},
    OPEN: {"message": "Hi"},
    GET: {"battle_id": "{running}"},
}
NEEDED |= {SUBMIT: {"battle_id": "{running}", "choice": "left"}, VOTE: {"round": 1, "verdict": "a"}}
LONG = "x" * 1_000_000


@pytest.fixture(scope="module")
def _running(_shared_deployment: SharedDeployment) -> str:
    async def opened() -> str:
        battle = (await open_battle(_shared_deployment.one.url))["battle_id"]
        await until_ready(_shared_deployment.one.url, battle)
        return str(battle)

    return asyncio.run(opened())


@pytest.fixture
def running(deployed: SharedDeployment, _running: str) -> str:
    """A battle whose first round waits for its verdict; nothing that is refused changes it."""
    return _running


async def send(
    deployed: SharedDeployment,
    path: str,
    content: bytes | AsyncIterator[Any],
    status: int,
    running: str = "",
    **more: Any,
) -> dict[str, str]:
    path = path.replace("{running}", running)
    reply = await call("POST", deployed.one.url + path, content=content, headers=more.pop("headers", JSON), **more)
    return check_refusal(reply, status)


BODIES = {
    "nothing at all": b"",
    "only blanks": b"   ",
    "an array": b"[]",
    "a string": b'"message"',
    "a number": b"7",
    "null": b"null",
    "broken JSON": b'{"message": ',
    "two values": b"{}{}",
    "invalid UTF-8": b'{"message": "\xff\xfe", "battle_id": "\xff"}',
    "a bare NaN": b"NaN",
    "an empty object": b"{}",
    "deep nesting": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", NEEDED)
async def test_a_body_that_is_no_object_with_the_fields_is_refused(
    deployed: SharedDeployment, running: str, path: str, body: str
) -> None:
    await send(deployed, path, BODIES[body], 400, running)


WRONG = {
    "missing": None,
    "empty": "",
    "blank": "  \n\t ",
    "a number": 7,
    "a boolean": True,
    "null": ...,
    "an array": ["a"],
    "an object": {"a": 1},
    "NUL": "a\x00b",
    "a lone surrogate": "a\ud800b",
}
TEXTS = [(START, "message"), (OPEN, "message"), (GET, "battle_id"), (SUBMIT, "battle_id"), (SUBMIT, "choice")]


def with_field(path: str, field: str, value: object, running: str) -> bytes:
    body: dict[str, object] = {name: running if text == "{running}" else text for name, text in NEEDED[path].items()}
    body.pop(field, None)
    if value is not None:
        body[field] = None if value is ... else value
    return json.dumps(body).encode()


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("path", "field"), TEXTS)
async def test_a_text_that_is_none_is_refused_and_named(
    deployed: SharedDeployment, running: str, path: str, field: str, wrong: str
) -> None:
    refused = await send(deployed, path, with_field(path, field, WRONG[wrong], running), 400, running)
    assert refused["field"] == field


@pytest.mark.parametrize("field", ["session_id", "system"])
@pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, "a\x00b", "a\ud800b"])
async def test_an_optional_text_of_a_wrong_kind_is_refused_and_named(
    deployed: SharedDeployment, field: str, value: int | str | list[str] | dict[str, int]
) -> None:
    refused = await send(deployed, OPEN, with_field(OPEN, field, value, ""), 400)
    assert refused["field"] == field


@pytest.mark.parametrize("count", [0, 1, -3, 1000, 4, "3", True, 2.5, [3], {}, 10**30])
async def test_a_number_of_models_that_cannot_be_is_refused(deployed: SharedDeployment, count: object) -> None:
    refused = await send(deployed, OPEN, json.dumps({"message": "Hi", "num_models": count}).encode(), 400)
    assert refused["field"] == "num_models"


@pytest.mark.parametrize("count", [0, 1, -3, "3", True, 2.5, [3], {}])
async def test_the_older_call_refuses_fewer_than_two_models_and_other_kinds(
    deployed: SharedDeployment, count: object
) -> None:
    refused = await send(deployed, START, json.dumps({"message": "Hi", "num_models": count}).encode(), 400)
    assert refused["field"] == "num_models"


CHOSEN = {
    "a double": [ZIRCON, OKAPI, ZIRCON],
    "an unknown name": [ZIRCON, "nobody:1b"],
    "a cloud name": [ZIRCON, "gpt-oss:120b-cloud"],
    "only one": [ZIRCON],
    "none": [],
    "no list": ZIRCON,
    "a number in it": [ZIRCON, 3],
    "a NUL in it": [ZIRCON, "a\x00"],
    "an empty name": [ZIRCON, ""],
    "far too many": [f"m{n}" for n in range(2000)],
}


@pytest.mark.parametrize("models", CHOSEN)
async def test_a_choice_of_models_that_cannot_be_is_refused(deployed: SharedDeployment, models: str) -> None:
    refused = await send(deployed, OPEN, json.dumps({"message": "Hi", "models": CHOSEN[models]}).encode(), 400)
    assert refused["field"].split(".")[0] == "models"


async def test_more_models_than_were_chosen_are_refused(deployed: SharedDeployment) -> None:
    body = {"message": "Hi", "models": [ZIRCON, OKAPI], "num_models": 3}
    refused = await send(deployed, OPEN, json.dumps(body).encode(), 400)
    assert refused["field"] == "num_models"


@pytest.mark.parametrize("path", [START, OPEN])
async def test_a_prompt_over_its_limit_is_too_large_whether_the_body_is_or_not(
    deployed: SharedDeployment, path: str
) -> None:
    refused = await send(deployed, path, json.dumps({"message": "x" * 32_001}).encode(), 413)
    assert refused["field"] == "message"
    await send(deployed, path, json.dumps({"message": LONG[:-100]}).encode(), 413)
    await send(deployed, path, json.dumps({"message": LONG}).encode(), 413)


@pytest.mark.parametrize("path", [START, OPEN])
async def test_a_prompt_that_no_context_can_hold_is_refused_before_its_battle(
    deployed: SharedDeployment, path: str
) -> None:
    message = ("The sky is blue because light scatters. " * 800)[:30_800]
    refused = await send(deployed, path, json.dumps({"message": message}).encode(), 413)
    assert (refused["code"], refused["field"]) == ("prompt_too_long", "message")
    assert "4,096 tokens" in refused["error"]


@pytest.mark.parametrize("path", NEEDED)
async def test_a_body_over_a_megabyte_is_too_large_also_without_a_length(
    deployed: SharedDeployment, running: str, path: str
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    await send(deployed, path, b"x" * 1_000_001, 413, running)
    try:
        await send(deployed, path, pieces(), 413, running)
    except httpx.WriteError as closed:
        pytest.fail(f"the refusal was not readable: {closed!r}")


@pytest.mark.parametrize("path", NEEDED)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_a_body_of_another_content_type_is_unsupported(
    deployed: SharedDeployment, running: str, path: str, kind: str
) -> None:
    body = with_field(path, "", None, running)
    await send(deployed, path, body, 415, running, headers={"Content-Type": kind} if kind else {})


BODIES_THAT_NO_CALL_TAKES = [
    {"files": {"file": ("a.csv", b"a,b")}},
    {"content": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"content": b"x" * 1_000_001, "headers": {"Content-Type": "application/json"}},
]


@pytest.mark.parametrize("body", BODIES_THAT_NO_CALL_TAKES)
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/upload", 404, "not_found"),
        ("POST", "/api/arena/nothing", 404, "not_found"),
        ("PUT", "/nothing", 404, "not_found"),
        ("POST", "/ping", 405, "method_not_allowed"),
        ("PUT", "/api/arena/vote", 405, "method_not_allowed"),
    ],
)
async def test_a_path_or_method_that_is_not_there_says_so_whatever_the_body_is(
    deployed: SharedDeployment, method: str, path: str, status: int, code: str, body: dict[str, Any]
) -> None:
    reply = await call(method, deployed.one.url + path, **body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
async def test_json_by_another_name_is_json(deployed: SharedDeployment, kind: str) -> None:
    reply = await call("POST", deployed.one.url + START, content=b'{"message": ""}', headers={"Content-Type": kind})
    assert check_refusal(reply, 400)["field"] == "message"


UNKNOWN = "0" * 32
IDS = [
    "%00",
    "a%00b",
    "..%2f..%2fetc%2fpasswd",
    "x" * 300,
    "%ff%fe",
    "%F0%9F%92%A9",
    "a%20b",
    "'%20OR%201=1",
    "*",
    UNKNOWN,
]
IDS += ["test-123", "{}", "%7Bx%7D", "a%0d%0aX:y"]


@pytest.mark.parametrize("battle", IDS)
async def test_a_battle_that_is_none_is_not_found_under_every_route(deployed: SharedDeployment, battle: str) -> None:
    for method, rest, body in (
        ("GET", "", None),
        ("GET", "/events", None),
        ("POST", "/votes", {"round": 1, "verdict": "a"}),
        ("POST", "/whole", {"round": 1, "side": "a"}),
        ("POST", "/stop", None),
        ("DELETE", "/votes/1", None),
        ("DELETE", "", None),
    ):
        async with client() as http:
            request = http.build_request(method, deployed.one.url + "/x", json=body)
            request.extensions["target"] = f"{BATTLES}/{battle}{rest}".encode()
            check_refusal(await http.send(request), 404)


@pytest.mark.parametrize("battle", [UNKNOWN, "test-of-nobody", "../..", "x" * 200, "%00", "é"])
async def test_the_older_calls_know_no_such_battle(deployed: SharedDeployment, battle: str) -> None:
    await send(deployed, GET, json.dumps({"battle_id": battle}).encode(), 404)
    await send(deployed, SUBMIT, json.dumps({"battle_id": battle, "choice": "left"}).encode(), 404)


async def test_the_native_calls_take_no_session_id(deployed: SharedDeployment) -> None:
    await post(deployed.one.url + START, {"message": "Hi", "session_id": "a-session-of-mine"})
    reply = await call("GET", f"{deployed.one.url}{BATTLES}/a-session-of-mine")
    check_refusal(reply, 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", START, 405),
        ("GET", GET, 405),
        ("PUT", SUBMIT, 405),
        ("DELETE", OPEN, 405),
        ("GET", OPEN, 403),
        ("GET", VOTE, 405),
        ("POST", OPEN + "/{running}", 405),
        ("POST", OPEN + "/{running}/events", 405),
        ("PATCH", OPEN + "/{running}", 405),
        ("POST", "/healthz", 405),
        ("POST", "/", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/api/arena/", 404),
        ("GET", "/api/arena/nodes", 404),
        ("GET", "/metrics/all", 404),
        ("DELETE", OPEN + "/{running}/votes/1", 409),
        ("GET", "/%00", 404),
        ("GET", "/api/arena/../../etc/passwd", 404),
        ("PROPFIND", OPEN, 405),
    ],
)
async def test_a_wrong_method_or_an_unknown_path_has_the_same_shape(
    deployed: SharedDeployment, running: str, method: str, path: str, status: int
) -> None:
    reply = await call(method, deployed.one.url + path.replace("{running}", running))
    check_refusal(reply, status)
    if status == 405:
        assert reply.headers["allow"]


UNKNOWN_FIELDS = [
    (OPEN, "num_modles", "did you mean num_models?"),
    (OPEN, "Message", "did you mean message?"),
    (OPEN, "temperature", "the fields are message, num_models, models, system, messages, session_id"),
    (VOTE, "choice", "the fields are round, verdict, client_time"),
    (VOTE, "verdit", "did you mean verdict?"),
    ("/api/arena/warm", "model", "did you mean models?"),
]


@pytest.mark.parametrize(("path", "field", "remedy"), UNKNOWN_FIELDS)
async def test_an_unknown_field_is_refused_with_the_one_that_was_meant(
    deployed: SharedDeployment, running: str, path: str, field: str, remedy: str
) -> None:
    body = json.dumps(NEEDED.get(path, {}) | {field: 3}).encode()
    refused = await send(deployed, path, body, 400, running)
    assert (refused["code"], refused["field"]) == ("unknown_field", field)
    assert remedy in refused["error"]


async def test_older_calls_ignore_unknown_fields_as_ever(deployed: SharedDeployment) -> None:
    body = {"message": "Hi", "num_modles": 2, "view_index": [], "session_id": "with-more-fields"}
    assert (await post(deployed.one.url + START, body)).status_code == 200


REFUSED = [
    (OPEN, {"message": "Hi", "session_id": "s" * 201}, "session_id must have at most 200 characters"),
    (START, {"message": "Hi", "session_id": "s" * 201}, "session_id must have at most 200 characters"),
    (OPEN, {"message": "Hi", "models": ["m"] * 101}, "models must have at most 100 items"),
    (OPEN, {"message": 7}, "message must be text"),
    (OPEN, {"message": "Hi", "num_models": "3"}, "num_models must be a whole number"),
    (OPEN, {"message": "Hi", "models": "m"}, "models must be a list"),
    (VOTE, {"round": 0, "verdict": "a"}, "round must be at least 1"),
    (VOTE, {"round": 1, "verdict": "left"}, "verdict must be 'a', 'b', 'tie' or 'both_bad'"),
    (VOTE, {"round": 1, "verdict": "a", "client_time": "noon"}, "client_time must be a time with a zone"),
    (OPEN, {"message": "  "}, "message must not be empty"),
]


@pytest.mark.parametrize(("path", "body", "sentence"), REFUSED)
async def test_what_is_wrong_is_told_in_words_of_ours_under_one_code(
    deployed: SharedDeployment, running: str, path: str, body: dict[str, object], sentence: str
) -> None:
    refused = await send(deployed, path, json.dumps(body).encode(), 400, running)
    assert sentence in refused["error"]
    assert refused["code"] == "invalid_field"


@pytest.mark.parametrize("number", ["x", "0", "1001", "1.5", "9" * 5000])
async def test_a_round_to_take_back_that_is_none_is_told_as_such(
    deployed: SharedDeployment, running: str, number: str
) -> None:
    reply = await call("DELETE", f"{deployed.one.url}{BATTLES}/{running}/votes/{number}")
    assert check_refusal(reply, 400)["field"] == "round_number"


@pytest.mark.parametrize(("where", "field"), [("headers", "Last-Event-ID"), ("params", "after")])
async def test_a_cursor_that_is_none_is_told_by_where_it_stood(
    deployed: SharedDeployment, running: str, where: str, field: str
) -> None:
    url = f"{deployed.one.url}{BATTLES}/{running}/events"
    refused = check_refusal(await call("GET", url, **{where: {field: "not a cursor"}}), 400)
    assert refused["field"] == field
    assert field in refused["error"]


VOTES = {
    "no round": {"verdict": "a"},
    "no verdict": {"round": 1},
    "round 0": {"round": 0, "verdict": "a"},
    "a negative round": {"round": -1, "verdict": "a"},
    "a round as text": {"round": "1", "verdict": "a"},
    "a round as truth": {"round": True, "verdict": "a"},
    "half a round": {"round": 1.5, "verdict": "a"},
    "an unknown verdict": {"round": 1, "verdict": "c"},
    "an older word": {"round": 1, "verdict": "left"},
    "a verdict as number": {"round": 1, "verdict": 1},
    "null": {"round": None, "verdict": None},
    "a name": {"round": 1, "verdict": ZIRCON},
}


@pytest.mark.parametrize("body", VOTES)
async def test_a_vote_that_is_none_is_refused(deployed: SharedDeployment, running: str, body: str) -> None:
    refused = await send(deployed, VOTE, json.dumps(VOTES[body]).encode(), 400, running)
    assert refused["field"] in ("round", "verdict")


@pytest.mark.parametrize("number", [2, 99, 10**18])
async def test_a_vote_out_of_turn_is_a_conflict(deployed: SharedDeployment, running: str, number: int) -> None:
    await send(deployed, VOTE, json.dumps({"round": number, "verdict": "a"}).encode(), 409, running)


async def test_a_round_beyond_all_numbers_is_refused(deployed: SharedDeployment, running: str) -> None:
    await send(deployed, VOTE, b'{"round": 1' + b"0" * 5000 + b', "verdict": "a"}', 400, running)


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_an_idempotency_key_that_is_empty_or_too_long_is_refused(
    deployed: SharedDeployment, running: str, key: str
) -> None:
    headers = {"Idempotency-Key": key}
    check_refusal(await post(deployed.one.url + OPEN, {"message": "Hi"}, headers=headers), 400)
    check_refusal(await vote(deployed.one.url, running, 1, "a", headers=headers), 400)


async def test_nothing_of_all_this_has_changed_the_battle(deployed: SharedDeployment, running: str) -> None:
    now = await snapshot(deployed.one.url, running)
    assert (now["round"], now["votes"], now["can_vote"]) == (1, [], True)
    for instance in (deployed.one, deployed.two):
        assert not instance.logged("unexpected_error"), instance.logged("unexpected_error")
