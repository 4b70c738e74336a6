"""Redis goes away: nothing is answered from memory, nobody is lost, and everything goes on when it is back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial

import pytest

from tests.helpers import PATIENCE_S, MachineTime, wait_until
from tests.whole.client import (
    BATTLES,
    Watched,
    call,
    folded,
    open_battle,
    play,
    post,
    snapshot,
    text_of,
    until_ready,
    vote,
    watch,
    watching,
)
from tests.whole.harness import Deployment, Instance, running_deployment
from tests.whole.older import START, patient


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Instance, Instance]]:
    with running_deployment(tmp_path_factory.mktemp("outages"), persistent=True) as deployment:
        one = deployment.driver()
        yield deployment, one, deployment.start()


@pytest.fixture
def deployment(_running: tuple[Deployment, Instance, Instance]) -> Iterator[Deployment]:
    deployment, _, _ = _running
    yield deployment
    deployment.granite.clear()
    deployment.basalt.clear()


@pytest.fixture
def workers(_running: tuple[Deployment, Instance, Instance]) -> tuple[Instance, Instance]:
    return _running[1:]


async def readyz(worker: Instance) -> int:
    return (await call("GET", f"{worker.url}/readyz")).status_code


async def test_while_redis_is_away_calls_get_503_and_open_streams_stay_open_and_go_on(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    one, two = workers
    opened = await open_battle(one.url)
    battle = opened["battle_id"]
    await until_ready(one.url, battle)
    another = (await open_battle(one.url))["battle_id"]
    async with watching(two.url, battle) as (watched, whole):
        await wait_until(lambda: watched.named("ready"))
        deployment.redis.kill()
        await check_everything_is_503(two, battle, another)
        late = Watched()
        rest = asyncio.create_task(watch(one.url, battle, into=late))
        await wait_until(lambda: watched.retries and late.retries)  # each is told that Redis is away
        assert not whole.done()
        assert not rest.done(), "a stream that is opened meanwhile stays open, too"
        await asyncio.to_thread(deployment.redis.start)
        await wait_until(lambda: recovered(two))
        assert (await vote(two.url, battle, 1, "b")).status_code == 200
        end = await play(one.url, battle, ["a"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert end["status"] == "finished"
    assert [line["verdict"] for line in end["votes"]] == ["b", "a"]
    assert folded(opened, watched.events) == end
    assert watched.retries == [b"3000"]
    assert (await asyncio.wait_for(rest, PATIENCE_S)).ids == watched.ids
    stopped = await post(f"{one.url}{BATTLES}/{another}/stop")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "stopped"), "what was refused can be asked again"


async def recovered(worker: Instance) -> bool:
    return await readyz(worker) == 200


async def has_no_redis(worker: Instance) -> bool:
    return await readyz(worker) == 503


async def check_everything_is_503(worker: Instance, battle: str, another: str) -> None:
    pairs = (
        ("GET", f"{BATTLES}/{battle}", None),
        ("POST", BATTLES, {"message": "Hi"}),
        ("POST", f"{BATTLES}/{battle}/votes", {"round": 1, "verdict": "a"}),
        ("POST", f"{BATTLES}/{another}/stop", None),
        ("POST", START, {"message": "Hi"}),
        ("POST", "/api/arena/get_progressive_responses", {"battle_id": battle}),
        ("POST", "/api/arena/submit_progressive_choice", {"battle_id": battle, "choice": "left"}),
        ("GET", "/readyz", None),
    )
    for method, path, body in pairs:
        reply = await call(method, worker.url + path, json=body)
        assert reply.status_code == 503, (method, path, reply.status_code, reply.text)
        assert int(reply.headers["retry-after"]) > 0
        assert {"error", "code"} <= reply.json().keys()
    assert (await call("GET", f"{worker.url}/healthz")).status_code == 200


async def test_a_battle_that_was_being_written_goes_on_where_it_was(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    for server in (deployment.granite, deployment.basalt):
        server.set(stall_s=2.0, stall_after=10)
    opened = await open_battle(workers[0].url)
    battle = opened["battle_id"]
    async with watching(workers[1].url, battle) as (watched, whole):
        await wait_until(lambda: len({event.data["side"] for event in watched.named("delta")}) == 2)
        waits = await patient(workers[0], battle)
        deployment.redis.kill()
        for worker in workers:
            await wait_until(partial(has_no_redis, worker))
        await asyncio.to_thread(deployment.redis.start)
        await wait_until(lambda: watched.named("ready"))
        assert (await waits)["status"] == "ready", "who waited for the pair gets it, too"
        deployment.granite.clear()
        deployment.basalt.clear()
        end = await play(workers[1].url, battle, ["a", "a"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert end["status"] == "finished"
    assert folded(opened, watched.events) == end
    models = {line["alias"]: line["model"] for line in end["reveal"]["ranking"]}
    for alias, side in (("Model A", "a"), ("Model B", "b")):
        model = models[alias]
        server = deployment.basalt if model == "okapi:8b" else deployment.granite
        assert text_of(watched.events, side, 1) == server.answer_of(model, opened["message"])


async def test_a_battle_goes_on_after_redis_came_back_empty_before_its_vote(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    one, two = workers
    opened = await open_battle(one.url)
    battle = opened["battle_id"]
    await until_ready(one.url, battle)
    before = await snapshot(one.url, battle)
    async with watching(two.url, battle) as (watched, whole):
        await wait_until(lambda: watched.named("ready"))
        await asyncio.to_thread(deployment.redis.restart)
        await wait_until(lambda: watched.named("snapshot"))
        again = await snapshot(one.url, battle)
        assert again["sides"] == before["sides"], "finished answers stay"
        assert again["cursor"].split("-")[0] != before["cursor"].split("-")[0], "under a new name"
        await wait_until(lambda: recovered(one))
        assert (await play(one.url, battle, ["a", "b"]))["status"] == "finished"
        await asyncio.wait_for(whole, PATIENCE_S)
    assert watched.events[-1].event == "end"


async def test_a_battle_goes_on_after_redis_came_back_empty_in_mid_answer(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    one, two = workers
    for server in (deployment.granite, deployment.basalt):
        server.set(stall_s=3.0, stall_after=10)
    battle = (await open_battle(one.url))["battle_id"]
    async with watching(two.url, battle) as (watched, whole):
        await wait_until(lambda: watched.named("delta"))
        await asyncio.to_thread(deployment.redis.restart)
        deployment.granite.clear()
        deployment.basalt.clear()
        await wait_until(lambda: watched.named("ready"))
        now = await snapshot(one.url, battle)
        assert now["can_vote"]
        assert all(side["state"] == "done" for side in now["sides"].values())
        assert (await play(one.url, battle, ["tie", "b"]))["status"] == "finished"
        await asyncio.wait_for(whole, PATIENCE_S)


async def test_a_redis_that_hangs_is_told_within_the_patience_of_a_load_balancer(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    deployment.redis.freeze()
    try:
        with MachineTime() as took:
            reply = await post(workers[0].url + BATTLES, {"message": "Hi"})
        assert reply.status_code == 503
        assert took.seconds < 20
    finally:
        deployment.redis.thaw()
    await wait_until(lambda: recovered(workers[0]))


async def test_the_log_of_an_outage_has_no_stack_traces_and_no_prompts(
    deployment: Deployment, workers: tuple[Instance, Instance]
) -> None:
    for worker in workers:
        lines = worker.logged()
        assert not [line for line in lines if line["level"] in ("error", "critical")], lines
        assert "Why do rivers bend" not in json.dumps(lines)
