"""Whose a battle is: its token judges, takes back, stops and erases it; its address alone only reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis as sync_redis

from tests.documented import check_answer
from tests.whole.client import (
    ADMIN_KEY,
    BATTLES,
    TOKENS,
    bare_client,
    check_refusal,
    open_battle,
    play,
    snapshot,
    until_ready,
)
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import Instance

VERDICT = {"round": 1, "verdict": "a"}
NATIVE = [
    *(("POST", "/votes", VERDICT), ("DELETE", "/votes/1", None), ("POST", "/whole", {"round": 1, "side": "a"})),
    *(("POST", "/stop", None), ("DELETE", "", None)),
]
SUBMIT = "/api/arena/submit_progressive_choice"


async def ask(method: str, url: str, body: object = None, **headers: str) -> httpx.Response:
    """A call by somebody who has no token but those that he is given here."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    async with bare_client() as http:
        reply = await http.request(method, url, json=body, headers=named)
    check_answer(reply)
    return reply


async def ready(deployed: SharedDeployment, **more: Any) -> str:
    battle = str((await open_battle(deployed.one.url, **more))["battle_id"])
    await until_ready(deployed.one.url, battle)
    return battle


async def test_an_opening_answers_with_a_token_a_cookie_for_that_battle_and_its_address(
    deployed: SharedDeployment,
) -> None:
    reply = await ask("POST", deployed.one.url + BATTLES, {"message": "Hi"})
    battle, token = reply.json()["battle_id"], reply.json()["token"]
    assert len(token) == 32
    assert reply.headers["location"] == f"{BATTLES}/{battle}"
    pair, *attributes = reply.headers["set-cookie"].split("; ")
    assert pair == f"arena_battle_token={token}"
    assert {"HttpOnly", "SameSite=strict", f"Path={BATTLES}/{battle}", "Max-Age=34560000"} == set(attributes)


async def test_a_cookie_of_https_is_sent_by_https_only(deployed: SharedDeployment) -> None:
    reply = await ask("POST", deployed.one.url + BATTLES, {"message": "Hi"}, X_Forwarded_Proto="https")
    assert "Secure" in reply.headers["set-cookie"].split("; ")


async def test_who_has_the_address_alone_reads_and_does_nothing_else(deployed: SharedDeployment) -> None:
    battle = await ready(deployed)
    before = await snapshot(deployed.one.url, battle)
    for worker in (deployed.one, deployed.two):
        for method, rest, body in NATIVE:
            for wrong in ({}, {"X_Battle_Token": "0" * 32}, {"X_Battle_Token": "é"}, {"X_Admin_Key": "guessed"}):
                reply = await ask(method, f"{worker.url}{BATTLES}/{battle}{rest}", body, **wrong)
                refused = check_refusal(reply, 403)
                assert refused["code"] == "not_yours"
        assert (await ask("GET", f"{worker.url}{BATTLES}/{battle}")).json() == before


async def test_a_token_is_good_for_its_own_battle_only(deployed: SharedDeployment) -> None:
    mine, other = await ready(deployed), await ready(deployed)
    url = f"{deployed.two.url}{BATTLES}/{mine}/votes"
    assert (await ask("POST", url, VERDICT, X_Battle_Token=TOKENS[other])).status_code == 403
    assert (await ask("POST", url, VERDICT, X_Session_ID=mine)).status_code == 403
    assert (await ask("POST", url, VERDICT, X_Battle_Token=TOKENS[mine])).status_code == 200


async def test_a_browser_owns_by_its_cookie_on_every_worker(deployed: SharedDeployment) -> None:
    async with bare_client() as browser:
        opened = (await browser.post(deployed.one.url + BATTLES, json={"message": "Hi"})).json()
        await until_ready(deployed.one.url, opened["battle_id"])
        path = f"{deployed.two.url}{BATTLES}/{opened['battle_id']}"
        assert (await browser.post(f"{path}/votes", json=VERDICT)).status_code == 200
        assert (await browser.delete(f"{path}/votes/1")).status_code == 200
        assert (await browser.post(f"{path}/stop")).status_code == 200
        assert (await browser.delete(path)).status_code == 204


async def test_the_same_opening_again_answers_with_the_same_token_on_any_worker(deployed: SharedDeployment) -> None:
    body = {"message": "Hi", "num_models": 2}
    replies = [
        await ask("POST", w.url + BATTLES, body, Idempotency_Key="own-once") for w in (deployed.one, deployed.two)
    ]
    assert replies[0].json()["token"] == replies[1].json()["token"]
    assert replies[0].headers["set-cookie"] == replies[1].headers["set-cookie"]


@pytest.mark.parametrize("header", [{"X_Admin_Key": ADMIN_KEY}, {"Authorization": f"Bearer {ADMIN_KEY}"}])
async def test_the_admin_key_may_do_what_owners_may(deployed: SharedDeployment, header: dict[str, str]) -> None:
    battle = await ready(deployed)
    for method, rest, body in NATIVE:
        reply = await ask(method, f"{deployed.one.url}{BATTLES}/{battle}{rest}", body, **header)
        assert reply.is_success, reply.text


@pytest.fixture(scope="module")
def open_to_all(_shared_deployment: SharedDeployment) -> Iterator[Instance]:
    instance = _shared_deployment.deployment.start("--no-scheduler", ARENA_OPEN="true")
    yield instance
    instance.close()


async def test_an_open_arena_asks_nobody_for_a_token(deployed: SharedDeployment, open_to_all: Instance) -> None:
    battle = await ready(deployed)
    for method, rest, body in NATIVE:
        reply = await ask(method, f"{open_to_all.url}{BATTLES}/{battle}{rest}", body)
        assert reply.is_success, reply.text


async def test_an_older_call_with_the_address_alone_judges_no_native_battle(deployed: SharedDeployment) -> None:
    battle = await ready(deployed)
    body = {"battle_id": battle, "choice": "left"}
    for path, given in (
        (SUBMIT, body),
        ("/api/arena/vote", {"battle_id": battle, "vote": "a"}),
        ("/api/vote_arena", {"battle_id": battle, "vote": "a"}),
    ):
        reply = await ask("POST", deployed.one.url + path, given)
        assert reply.status_code == 403, reply.text
        assert reply.json()["code"] == "not_yours"
    assert (await snapshot(deployed.one.url, battle))["votes"] == []
    assert (await ask("POST", deployed.one.url + SUBMIT, body, X_Battle_Token=TOKENS[battle])).status_code == 200


async def test_older_calls_judge_by_session_and_what_they_opened_by_its_id(deployed: SharedDeployment) -> None:
    await ready(deployed, session_id="session-of-an-owner")
    by_session = {"battle_id": "session-of-an-owner", "choice": "left"}
    assert (await ask("POST", deployed.one.url + SUBMIT, by_session)).status_code == 200
    opened = await ask("POST", f"{deployed.one.url}/api/arena/start_progressive", {"message": "Hi"})
    battle = opened.json()["battle_id"]
    await until_ready(deployed.one.url, battle)
    reply = await ask("POST", deployed.two.url + SUBMIT, {"battle_id": battle, "choice": "left"})
    assert reply.status_code == 200, reply.text


def pairs(*battles: str) -> str:
    return ", ".join(f"{battle}:{TOKENS[battle]}" for battle in battles)


async def test_a_list_has_the_battles_whose_tokens_are_shown_the_newest_first(deployed: SharedDeployment) -> None:
    first, second, other = [await ready(deployed, message=f"Question {n}?") for n in range(3)]
    shown = f"{pairs(first, second)}, {other}:{'0' * 32}, nobody:{'0' * 32},"
    reply = await ask("GET", deployed.two.url + BATTLES, X_Battle_Tokens=shown)
    assert reply.json()["next"] is None
    lines = reply.json()["battles"]
    assert [(line["battle_id"], line["message"]) for line in lines] == [(second, "Question 1?"), (first, "Question 0?")]
    assert (lines[0]["status"], lines[0]["ended_at"], lines[0]["erased"]) == ("running", None, False)
    assert not any(model in reply.text for model in ("zircon", "quokka", "okapi"))


async def test_a_list_is_for_owners_and_never_by_a_session_alone(deployed: SharedDeployment) -> None:
    await ready(deployed, session_id="listed-session")
    for header in ({}, {"X_Session_ID": "listed-session"}, {"Cookie": "session=listed-session"}):
        refused = check_refusal(await ask("GET", deployed.one.url + BATTLES, **header), 403)
        assert "X-Battle-Tokens" in refused["error"]
    for shown in ("", ",", "a", "a:", ":b", "é", ", ".join(f"b{n}:t" for n in range(101))):
        reply = await ask("GET", deployed.one.url + BATTLES, X_Battle_Tokens=shown)
        assert check_refusal(reply, 400)["field"] == "X-Battle-Tokens"


async def test_the_admin_key_lists_all_battles_page_by_page(deployed: SharedDeployment) -> None:
    mine = [await ready(deployed) for _ in range(3)]
    listed: list[str] = []
    before = ""
    for _ in range(100):
        url = f"{deployed.one.url}{BATTLES}?limit=2{before}"
        page = (await ask("GET", url, X_Admin_Key=ADMIN_KEY)).json()
        listed += [line["battle_id"] for line in page["battles"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert [battle for battle in listed if battle in mine] == mine[::-1]
    assert len(set(listed)) == len(listed)
    for wrong in ("limit=0", "limit=201", "limit=x", "before=%00"):
        check_refusal(await ask("GET", f"{deployed.one.url}{BATTLES}?{wrong}", X_Admin_Key=ADMIN_KEY), 400)


async def test_a_battle_that_runs_is_not_erased(deployed: SharedDeployment) -> None:
    battle = await ready(deployed)
    url = f"{deployed.one.url}{BATTLES}/{battle}"
    assert check_refusal(await ask("DELETE", url, X_Battle_Token=TOKENS[battle]), 409)["code"] == "still_running"
    assert (await snapshot(deployed.one.url, battle))["message"]


def kept(deployed: SharedDeployment, statement: str, battle: str) -> list[Any]:
    with sqlite3.connect(deployed.deployment.folder / "data" / "arena.db") as database:
        return database.execute(statement, (battle,)).fetchall()


async def test_erasing_takes_the_words_and_leaves_votes_and_timings(deployed: SharedDeployment) -> None:
    battle = await ready(deployed, message="What nobody else shall know?", session_id="mine")
    end = await play(deployed.one.url, battle, ["a", "tie"])
    url = f"{deployed.two.url}{BATTLES}/{battle}"
    for _ in range(2):
        assert (await ask("DELETE", url, X_Battle_Token=TOKENS[battle])).status_code == 204
    for worker in (deployed.one, deployed.two):
        now = await snapshot(worker.url, battle)
        assert (now["message"], [side["text"] for side in now["sides"].values()]) == ("", ["", ""])
        assert (now["status"], now["votes"], now["reveal"]) == (end["status"], end["votes"], end["reveal"])
    with sync_redis.Redis.from_url(deployed.deployment.redis.url) as redis:
        left = set(redis.scan_iter(match=f"arena:*{battle}*"))
    # What its votes did to the leaderboard has no words; it is there when the board was made anew since.
    assert left <= {f"arena:board:change:{battle}".encode()}
    assert kept(deployed, "SELECT message, system, session_id FROM battles WHERE id = ?", battle) == [("", None, None)]
    assert kept(deployed, "SELECT DISTINCT text FROM answers WHERE battle_id = ?", battle) == [("",)]
    assert kept(deployed, "SELECT verdict, voter FROM votes WHERE battle_id = ? ORDER BY round", battle) == [
        ("a", None),
        ("tie", None),
    ]
    listed = (await ask("GET", deployed.one.url + BATTLES, X_Battle_Tokens=pairs(battle))).json()["battles"]
    assert [(line["message"], line["erased"]) for line in listed] == [("", True)]
