"""Two real workers and two model hosts: the same figures from both, and a dead host that is named everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.helpers import wait_until
from tests.whole.client import call, open_battle, play
from tests.whole.harness import BASALT, GRANITE, MODELS, Deployment, Instance, running_deployment

THROUGH_A_PROXY = {"X-Forwarded-For": "8.8.8.8"}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, tuple[Instance, Instance]]]:
    with running_deployment(tmp_path_factory.mktemp("served")) as deployment:
        yield deployment, (deployment.driver(ARENA_PROBE="1"), deployment.start(ARENA_PROBE="1"))


async def metrics(worker: Instance, **more: Any) -> str:
    reply = await call("GET", f"{worker.url}/metrics", **more)
    assert reply.status_code == 200, reply.text
    return reply.text


def samples(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


async def hosts(worker: Instance, **more: Any) -> dict[str, Any]:
    return dict((await call("GET", f"{worker.url}/api/arena/hosts", **more)).json())


def answered(text: str) -> float:
    return sum(sample.value for sample in samples(text) if sample.name == "arena_answers_total")


async def test_both_workers_show_what_both_counted(workers: tuple[Deployment, tuple[Instance, Instance]]) -> None:
    _, (one, two) = workers
    for worker in (one, two):
        battle = (await open_battle(worker.url))["battle_id"]
        assert (await play(worker.url, battle, ["a", "b"]))["status"] == "finished"

    async def settled() -> list[str]:
        texts = [await metrics(worker) for worker in (one, two)]
        assert texts[0] == texts[1]
        return texts if answered(texts[0]) == 2 * len(MODELS) else []

    text, _ = await wait_until(settled, interval=0.2)
    stopped = {s.labels["model"]: s.value for s in samples(text) if s.name == "arena_answers_total"}
    assert stopped == dict.fromkeys(MODELS, 2.0)
    public = await metrics(two, headers=THROUGH_A_PROXY)
    assert answered(public) in (0, 2 * len(MODELS)), "held back until there are more"
    assert not [s for s in samples(public) if "model" in s.labels]


async def test_both_workers_know_what_is_in_memory_where(workers: tuple[Deployment, tuple[Instance, Instance]]) -> None:
    deployment, (one, two) = workers
    for worker in (one, two):

        async def known(worker: Instance = worker) -> list[dict[str, Any]]:
            seen = (await hosts(worker))["hosts"]
            assert [(host["name"], host["health"], host["driven"]) for host in seen] == [
                (GRANITE, "up", True),
                (BASALT, "up", True),
            ]
            assert {one["model"] for host in seen for one in host["residents"]} == set(MODELS)
            return list(seen)

        seen = await wait_until(known, interval=0.2)
        assert seen[0]["url"] == deployment.granite.url
        public = await hosts(worker, headers=THROUGH_A_PROXY)
        assert public["view"] == "public"
        assert deployment.granite.url not in str(public)


async def test_the_page_may_ask_for_its_models_before_anybody_plays(
    workers: tuple[Deployment, tuple[Instance, Instance]],
) -> None:
    _, (_, two) = workers
    reply = await call("POST", f"{two.url}/api/arena/warm", headers=THROUGH_A_PROXY)
    assert reply.status_code == 202
    assert sorted(reply.json()["warming"]) == sorted(MODELS)


async def test_a_host_that_dies_is_named_by_every_worker_until_it_lives_again(
    workers: tuple[Deployment, tuple[Instance, Instance]],
) -> None:
    deployment, (one, two) = workers
    deployment.basalt.set(connection_refused=True)

    async def named() -> bool:
        views = [(await hosts(worker))["hosts"][1]["health"] for worker in (one, two)]
        ready = [(await call("GET", f"{worker.url}/readyz")).json() for worker in (one, two)]
        down = [s for s in samples(await metrics(two)) if s.name == "arena_host_up" and s.labels["host"] == BASALT]
        named = all(answer["degraded"] and BASALT in str(answer["trouble"]) for answer in ready)
        return views == ["down", "down"] and named and down[0].value == 0

    await wait_until(named, interval=0.5)
    deployment.basalt.clear()

    async def alive() -> bool:
        return "down" not in [(await hosts(worker))["hosts"][1]["health"] for worker in (one, two)]

    await wait_until(alive, interval=0.5)
    assert [(await hosts(worker))["hosts"][0]["health"] for worker in (one, two)] == ["up", "up"], "the other one stays"
