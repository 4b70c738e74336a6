"""Why a round was judged as it was: reasons for each side and a comment, by the battle's owner, told to nobody else."""

from __future__ import annotations

from typing import Any

import httpx

from app.battle.feedback import Reason
from tests.documented import check_answer
from tests.whole.client import BATTLES, TOKENS, bare_client, check_refusal, open_battle, snapshot, until_ready
from tests.whole.conftest import SharedDeployment

SAID: dict[str, Any] = {"reasons": {"a": ["useful", "clear"], "b": ["superficial"]}, "comment": "An example helps."}
NOTHING: dict[str, Any] = {"reasons": {"a": [], "b": []}, "comment": None}


async def ask(method: str, url: str, body: object = None, token: str = "") -> httpx.Response:
    """A call by whoever has ``token``."""
    headers = {"X-Battle-Token": token} if token else {}
    async with bare_client() as http:
        reply = await http.request(method, url, json=body, headers=headers)
    check_answer(reply)
    return reply


class Owner:
    """Somebody's battle whose first round is judged."""

    def __init__(self, deployed: SharedDeployment, battle: str) -> None:
        self.deployed, self.battle, self.token = deployed, battle, TOKENS[battle]

    async def ask(self, method: str, rest: str = "/votes/1/feedback", body: object = None) -> httpx.Response:
        return await ask(method, f"{self.deployed.one.url}{BATTLES}/{self.battle}{rest}", body, self.token)

    async def judge(self, verdict: str = "a") -> None:
        await until_ready(self.deployed.one.url, self.battle)
        assert (await self.ask("POST", "/votes", {"round": 1, "verdict": verdict})).status_code == 200


async def owner(deployed: SharedDeployment) -> Owner:
    """A battle that is judged."""
    one = Owner(deployed, str((await open_battle(deployed.one.url))["battle_id"]))
    await one.judge()
    return one


async def test_reasons_and_a_comment_are_kept_replaced_and_read_on_any_worker(deployed: SharedDeployment) -> None:
    mine = await owner(deployed)
    url = f"{deployed.two.url}{BATTLES}/{mine.battle}/votes/1/feedback"
    assert (await ask("GET", url, token=mine.token)).json() == {"round": 1, "verdict": "a"} | NOTHING

    shuffled = SAID | {
        "reasons": {"a": ["clear", "useful", "clear"], "b": ["superficial"]},
        "comment": " An example helps. ",
    }
    reply = await mine.ask("PUT", body=shuffled)

    assert reply.json() == {"round": 1, "verdict": "a"} | SAID
    assert (await ask("GET", url, token=mine.token)).json() == reply.json()
    less = await mine.ask("PUT", body={"reasons": {"b": ["creative"]}})
    assert less.json() == {"round": 1, "verdict": "a", "reasons": {"a": [], "b": ["creative"]}, "comment": None}
    assert (await mine.ask("PUT", body={})).json() == {"round": 1, "verdict": "a"} | NOTHING


async def test_it_is_blind_and_shown_to_nobody_who_watches(deployed: SharedDeployment) -> None:
    mine = await owner(deployed)
    reply = await mine.ask("PUT", body=SAID)
    assert set(reply.json()) == {"round", "verdict", "reasons", "comment"}
    assert "An example helps." not in str(await snapshot(deployed.one.url, mine.battle))


async def test_only_the_owner_says_and_reads_it(deployed: SharedDeployment) -> None:
    mine, other = await owner(deployed), await owner(deployed)
    url = f"{deployed.two.url}{BATTLES}/{mine.battle}/votes/1/feedback"
    for token in ("", "0" * 32, other.token):
        for method, body in (("PUT", SAID), ("GET", None)):
            assert check_refusal(await ask(method, url, body, token), 403)["code"] == "not_yours"
    assert (await mine.ask("GET")).json()["comment"] is None
    nowhere = f"{deployed.one.url}{BATTLES}/{'f' * 32}/votes/1/feedback"
    assert check_refusal(await ask("PUT", nowhere, SAID, mine.token), 404)["code"] == "not_found"


async def test_a_reason_that_nobody_knows_is_refused_with_those_that_are_known(deployed: SharedDeployment) -> None:
    mine = await owner(deployed)
    await mine.ask("PUT", body=SAID)
    refused = check_refusal(await mine.ask("PUT", body={"reasons": {"a": ["useful", "nice"]}}), 400)
    assert refused["field"] == "reasons.a.1"
    assert [one for one in Reason if f"'{one}'" not in refused["error"]] == []
    for body, field in (
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": "a\x00b"}, "comment"),
        ({"comment": 7}, "comment"),
        ({"reasons": ["useful"]}, "reasons"),
        ({"reasons": {"c": []}}, "c"),
        ({"reason": {"a": []}}, "reason"),
        ({"reasons": {"a": "useful"}}, "reasons.a"),
    ):
        assert check_refusal(await mine.ask("PUT", body=body), 400)["field"] == field
    assert (await mine.ask("GET")).json() == {"round": 1, "verdict": "a"} | SAID
    assert len((await mine.ask("PUT", body={"comment": "ü" * 2000})).json()["comment"]) == 2000


async def test_it_needs_a_verdict_that_stands_and_goes_with_it(deployed: SharedDeployment) -> None:
    mine = Owner(deployed, str((await open_battle(deployed.one.url))["battle_id"]))
    assert check_refusal(await mine.ask("PUT", body=SAID), 409)["code"] == "not_judged"
    await mine.judge()
    assert (await mine.ask("PUT", body=SAID)).status_code == 200

    taken_back = await mine.ask("DELETE", "/votes/1")
    assert taken_back.status_code == 200, taken_back.text

    for method, body in (("GET", None), ("PUT", SAID)):
        assert check_refusal(await mine.ask(method, body=body), 409)["code"] == "not_judged"
    await mine.judge("b")
    assert (await mine.ask("GET")).json() == {"round": 1, "verdict": "b"} | NOTHING


async def test_erasing_the_battle_erases_the_words_and_keeps_the_reasons(deployed: SharedDeployment) -> None:
    mine = await owner(deployed)
    await mine.ask("PUT", body=SAID)
    assert (await mine.ask("POST", "/stop")).status_code == 200

    assert (await mine.ask("DELETE", "")).status_code == 204

    assert (await mine.ask("GET")).json() == {"round": 1, "verdict": "a"} | SAID | {"comment": None}
    assert check_refusal(await mine.ask("PUT", body=SAID), 409)["code"] == "erased"
