"""Somebody empties Redis under running battles (FLUSHALL): it stays up, but nothing of a battle is there any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.helpers import PATIENCE_S, wait_until
from tests.whole.client import folded, open_battle, play, snapshot, text_of, until_ready, vote, watching
from tests.whole.harness import Deployment, running_deployment


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_deployment(tmp_path_factory.mktemp("flushed")) as deployment:
        deployment.driver()
        deployment.start()
        yield deployment


async def test_a_battle_goes_on_after_a_flush_in_mid_answer(deployment: Deployment) -> None:
    one, two = deployment.instances
    for server in (deployment.granite, deployment.basalt):
        server.set(stall_s=3.0, stall_after=10)
    opened = await open_battle(one.url)
    battle = opened["battle_id"]
    async with watching(two.url, battle) as (watched, whole):
        await wait_until(lambda: watched.named("delta"))
        await asyncio.to_thread(deployment.redis.flush)
        deployment.granite.clear()
        deployment.basalt.clear()
        await wait_until(lambda: watched.named("ready"))
        now = await snapshot(one.url, battle)
        assert [side["state"] for side in now["sides"].values()] == ["done", "done"]
        end = await play(one.url, battle, ["tie", "b"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert (end["status"], [line["verdict"] for line in end["votes"]]) == ("finished", ["tie", "b"])
    assert folded(opened, watched.events) | {"cursor": ""} == end | {"cursor": ""}


async def test_votes_and_finished_answers_stay_after_a_flush(deployment: Deployment) -> None:
    one, two = deployment.instances
    battle = (await open_battle(one.url))["battle_id"]
    await until_ready(one.url, battle, 1)
    assert (await vote(one.url, battle, 1, "a")).status_code == 200
    before = await until_ready(one.url, battle, 2)

    await asyncio.to_thread(deployment.redis.flush)

    again = await until_ready(two.url, battle, 2)
    assert (again["votes"], again["sides"]) == (before["votes"], before["sides"])
    assert again["cursor"].split("-")[0] != before["cursor"].split("-")[0], "under a new name"
    assert (await vote(two.url, battle, 1, "a")).status_code == 200, "a retry learns that it stands"
    assert (await vote(two.url, battle, 1, "b")).status_code == 409
    async with watching(two.url, battle) as (watched, whole):
        end = await play(one.url, battle, ["b"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert [line["verdict"] for line in end["votes"]] == ["a", "b"]
    assert text_of(watched.events, "a", 2) == before["sides"]["a"]["text"]
