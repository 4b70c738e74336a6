"""The database goes away: nothing is judged, nobody who reads is sent away, and everything goes on when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from app.database.database import migrate
from tests.helpers import PATIENCE_S, wait_until
from tests.records.postgres_server import PostgresServer
from tests.whole.client import (
    BATTLES,
    call,
    check_refusal,
    client,
    folded,
    open_battle,
    play,
    post,
    until_ready,
    vote,
    watch,
    watching,
)
from tests.whole.harness import Deployment, running_deployment

PAIR = "/api/arena/get_progressive_responses"
ROUND = "/api/arena/get_responses_streaming"

SharedDeployment = tuple[PostgresServer, Deployment, str]


@pytest.fixture(scope="module")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDeployment]:
    postgres = PostgresServer()
    try:
        with running_deployment(tmp_path_factory.mktemp("database-away")) as deployment:
            url = postgres.url(postgres.create())
            asyncio.run(migrate(url))
            deployment.settings["DATABASE_URL"] = url
            yield postgres, deployment, deployment.driver().url
    finally:
        postgres.close()


@pytest.fixture
async def restored_at_the_end(_deployed: SharedDeployment) -> AsyncIterator[None]:
    """Let the test end with a database that answers."""
    postgres, _, url = _deployed
    yield
    if postgres.is_down:
        await asyncio.to_thread(postgres.start)
    await wait_until(lambda: _ready(url))


async def _ready(url: str) -> bool:
    return (await call("GET", f"{url}/readyz")).status_code == 200


async def test_who_comes_back_meanwhile_is_served_from_redis(
    _deployed: SharedDeployment, restored_at_the_end: None
) -> None:
    postgres, _, url = _deployed
    opened = await open_battle(url)
    battle = opened["battle_id"]
    await until_ready(url, battle)
    postgres.kill()
    refused = await vote(url, battle, 1, "a")
    assert check_refusal(refused, 503)["code"] == "database_away"

    first = await watch(url, battle, until=lambda event: event.event == "ready")
    again = await watch(url, battle, last_event_id=first.ids[2], until=lambda event: event.event == "ready")
    assert (first.status, again.status) == (200, 200)
    assert again.ids == first.ids[3:]
    assert not again.retries
    async with (
        client() as http,
        http.stream("POST", url + PAIR, json={"battle_id": battle}, headers={"Accept": "text/event-stream"}) as stream,
    ):
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    pair = await post(url + PAIR, {"battle_id": battle})
    assert (pair.status_code, pair.json()["status"]) == (200, "ready")
    reply = await post(url + ROUND, {"battle_id": battle})
    assert reply.status_code == 200
    assert pair.json()["response_a"][:20] in reply.text

    async with watching(url, battle, after=opened["cursor"]) as (watched, whole):
        await asyncio.to_thread(postgres.start)
        await wait_until(lambda: _ready(url))
        end = await play(url, battle, ["a", "b"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert end["status"] == "finished"
    assert folded(opened, watched.events) == end


async def test_a_battle_that_redis_has_lost_too_keeps_its_readers_until_one_of_both_is_back(
    _deployed: SharedDeployment, restored_at_the_end: None
) -> None:
    postgres, deployment, url = _deployed
    opened = await open_battle(url)
    battle = opened["battle_id"]
    ready = await until_ready(url, battle)
    postgres.kill()
    await asyncio.to_thread(deployment.redis.flush)
    async with watching(url, battle, after=ready["cursor"]) as (watched, whole):
        await wait_until(lambda: watched.retries == [b"3000"])
        assert watched.status == 200
        await asyncio.to_thread(postgres.start)
        await wait_until(lambda: watched.named("snapshot"))
        await play(url, battle, ["tie", "tie"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert watched.events[-1].event == "end"


async def test_a_battle_that_never_was_is_told_when_that_is_known(
    _deployed: SharedDeployment, restored_at_the_end: None
) -> None:
    postgres, _, url = _deployed
    postgres.kill()
    async with watching(url, "0" * 32) as (watched, whole):
        await wait_until(lambda: watched.retries)
        await asyncio.to_thread(postgres.start)
        await asyncio.wait_for(whole, PATIENCE_S)
    assert (watched.status, watched.events) == (200, [])
    check_refusal(await call("GET", f"{url}{BATTLES}/{'0' * 32}/events"), 404)


async def test_the_outage_left_no_stack_traces(_deployed: SharedDeployment) -> None:
    _, deployment, _ = _deployed
    for instance in deployment.instances:
        traces = [line for line in instance.logged() if line.get("exception")]
        assert not [line for line in traces if line["logger"].startswith("uvicorn")]
