"""The board of the arena as users have it: two processes, real battles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import wait_until
from tests.whole.client import call, open_battle, play
from tests.whole.harness import MODELS, Deployment, running_deployment

BOARD = "/api/arena/leaderboard"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_deployment(tmp_path_factory.mktemp("board")) as deployment:
        deployment.driver()
        deployment.start()
        yield deployment


async def test_a_battle_that_ended_is_on_the_board_of_every_worker_in_the_same_bytes(deployment: Deployment) -> None:
    one, two = deployment.instances
    empty = await call("GET", one.url + BOARD)
    assert empty.json()["leaderboard"] == []

    battle = (await open_battle(one.url))["battle_id"]
    await play(two.url, battle, ["a"])
    await call("POST", f"{one.url}/api/arena/battles/{battle}/stop")

    async def counted() -> bool:
        return bool((await call("GET", two.url + BOARD)).json()["counts"]["votes"] == 1)

    await wait_until(counted)
    shown = [await call("GET", worker.url + BOARD) for worker in (one, two)]
    assert shown[0].content == shown[1].content
    board = shown[0].json()
    assert {row["model"] for row in board["leaderboard"]} < set(MODELS)
    assert sorted(row["wins"] for row in board["leaderboard"]) == [0, 1]
    assert all(who["digest"] for who in board["contestants"].values())
    assert all(row["ttft_s_p50"] > 0 and row["tokens_per_s_p50"] > 0 for row in board["speed"])

    status = (await call("GET", f"{two.url}/api/arena/status")).json()
    assert status["leaderboard"] == board["leaderboard"]
    statistics = (await call("GET", f"{one.url}/api/arena/statistics")).json()
    assert (statistics["active_models"], statistics["total_battles"]) == (len(MODELS), 1)
