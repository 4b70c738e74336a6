"""A verdict is counted once: double clicks, other verdicts, other workers, and votes that come too late."""

from __future__ import annotations

import asyncio

from tests.whole.client import BATTLES, check_refusal, open_battle, play, post, snapshot, until_ready, vote
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import MODELS

OPEN = BATTLES
OPENING = {"a": "Model A", "b": "Model B"}
SUBMIT = "/api/arena/submit_progressive_choice"


async def test_the_same_key_and_body_open_the_same_battle_on_any_worker(deployed: SharedDeployment) -> None:
    key, body = {"Idempotency-Key": "open-once"}, {"message": "Hi", "num_models": 2}
    replies = await asyncio.gather(
        *(post(worker.url + OPEN, body, headers=key) for worker in (deployed.one, deployed.two, deployed.one))
    )
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["battle_id"] for reply in replies}) == 1
    other = await post(deployed.two.url + OPEN, {"message": "Ho", "num_models": 2}, headers=key)
    check_refusal(other, 409)


async def test_a_double_click_is_counted_once_and_another_verdict_is_a_conflict(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await until_ready(deployed.one.url, battle)
    replies = await asyncio.gather(*(vote(worker.url, battle, 1, "a") for worker in (deployed.one, deployed.two) * 4))
    assert {reply.status_code for reply in replies} == {200}
    refused = check_refusal(await vote(deployed.two.url, battle, 1, "b"), 409)
    assert (refused["code"], refused["vote"]) == ("already_judged", {"round": 1, "verdict": "a", "aliases": OPENING})
    now = await until_ready(deployed.one.url, battle, 2)
    assert now["votes"] == [{"round": 1, "verdict": "a", "aliases": OPENING}]
    key = {"Idempotency-Key": "vote-once"}
    assert (await vote(deployed.one.url, battle, 2, "tie", headers=key)).status_code == 200
    again = await vote(deployed.two.url, battle, 2, "tie", headers=key)
    assert (again.status_code, again.json()["status"]) == (200, "finished")
    check_refusal(await vote(deployed.one.url, battle, 2, "a", headers=key), 409)
    check_refusal(await vote(deployed.one.url, battle, 2, "a"), 409)
    check_refusal(await vote(deployed.one.url, battle, 3, "a"), 409)
    assert len((await snapshot(deployed.two.url, battle))["votes"]) == 2


async def test_a_key_that_was_used_for_another_vote_is_a_conflict(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await until_ready(deployed.one.url, battle)
    key = {"Idempotency-Key": "vote-key-once"}
    assert (await vote(deployed.one.url, battle, 1, "a", headers=key)).status_code == 200
    await until_ready(deployed.one.url, battle, 2)
    check_refusal(await vote(deployed.one.url, battle, 2, "a", headers=key), 409)
    assert len((await snapshot(deployed.one.url, battle))["votes"]) == 1


async def test_opposite_verdicts_at_the_same_moment_leave_one_that_stands(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await until_ready(deployed.one.url, battle)
    pairs = ((deployed.one, "a"), (deployed.two, "b"), (deployed.two, "tie"), (deployed.one, "both_bad"))
    replies = await asyncio.gather(*(vote(worker.url, battle, 1, verdict) for worker, verdict in pairs))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    (counted,) = [verdict for reply, (_, verdict) in zip(replies, pairs, strict=True) if reply.status_code == 200]
    assert (await snapshot(deployed.one.url, battle))["votes"] == [{"round": 1, "verdict": counted, "aliases": OPENING}]


async def test_a_vote_after_the_end_is_a_conflict_in_both_ways_of_asking(
    deployed: SharedDeployment, ended: str
) -> None:
    before = await snapshot(deployed.one.url, ended)
    check_refusal(await vote(deployed.one.url, ended, 3, "a"), 409)
    check_refusal(await vote(deployed.one.url, ended, 2, "tie"), 409)
    same = await vote(deployed.one.url, ended, 2, "b")
    assert (same.status_code, same.json()) == (200, before)
    reply = await post(deployed.one.url + SUBMIT, {"battle_id": ended, "choice": "tie"})
    check_refusal(reply, 400)
    assert await snapshot(deployed.two.url, ended) == before


async def test_a_vote_after_a_stop_is_a_conflict(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await until_ready(deployed.one.url, battle)
    stopped = (await post(f"{deployed.two.url}{BATTLES}/{battle}/stop")).json()
    assert stopped["status"] == "stopped"
    check_refusal(await vote(deployed.one.url, battle, 1, "a"), 409)
    check_refusal(await post(deployed.one.url + SUBMIT, {"battle_id": battle, "choice": "left"}), 400)
    assert len(stopped["reveal"]["ranking"]) == len(MODELS)
    assert (await play(deployed.one.url, battle, []))["status"] == "stopped"


async def test_a_repeated_opening_is_answered_also_when_no_model_is_left(deployed: SharedDeployment) -> None:
    key, body = {"Idempotency-Key": "opened-before"}, {"message": "Again?"}
    first = await post(deployed.one.url + OPEN, body, headers=key)
    for server in (deployed.deployment.granite, deployed.deployment.basalt):
        server.set(connection_refused=True)
    again = await post(deployed.two.url + OPEN, body, headers=key)
    assert (again.status_code, again.json()["battle_id"]) == (201, first.json()["battle_id"])
    refused = check_refusal(await post(deployed.two.url + OPEN, {"message": "Another?"}, headers=key), 409)
    assert refused["code"] == "idempotency_key_reused"
