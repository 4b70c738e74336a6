"""A host goes from one worker to another: killed, frozen, or restarted under load; small editions of two commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import time
from typing import Any

from tests.helpers import PATIENCE_S, known, wait_until
from tests.whole.client import open_battle, play, snapshot, until_snapshot
from tests.whole.crowd import MESSAGES, Truth, Viewer, viewing
from tests.whole.harness import OKAPI, ZIRCON, Instance, running_deployment
from tests.whole.rolling import rolling
from tests.whole.takeover import HOST_OF, HOSTS, Report, Workers, judge, takeovers


async def test_owners_killed_in_mid_answer_lose_and_double_nothing(tmp_path: Path) -> None:
    report = await takeovers(tmp_path, kills=2)
    assert report.troubles == []
    assert report.kills == 2
    assert len(report.takeovers_s) >= 2  # how long they take is what `make takeover` is about


async def test_an_owner_that_hangs_is_replaced_and_writes_nothing_when_it_wakes_up(tmp_path: Path) -> None:
    report = Report()
    truth = await asyncio.to_thread(Truth)
    with running_deployment(tmp_path, tokens_per_s=15.0) as deployment:
        workers = Workers(deployment)
        await asyncio.gather(workers.start(), workers.start())
        await wait_until(lambda: all(workers.owner(host) for host in HOSTS), interval=0.1)
        frozen = known(workers.owner(HOSTS[0]))
        other = workers.other_than(frozen)
        opened, lost, cut = await frozen_in_mid_answer(workers, frozen, truth)
        at = time()
        viewer = Viewer(opened, lambda: other.url)
        async with viewing(viewer) as tasks:
            try:
                await wait_until(lambda: all(workers.taken(host)[0] > at for host in lost), interval=0.1)
                await wait_until(lambda: len(viewer.watched.named("reset")) == cut)
                names = [event.event for event in viewer.events]
                assert "ready" not in names[: names.index("reset")]
            finally:
                frozen.thaw()
            end = await play(other.url, opened["battle_id"], ["a"])
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)
        await wait_until(lambda: bool(frozen.logged("answer_left")))
        await judge([viewer], [end], frozen.url, truth, lost, report)
    assert report.troubles == []
    assert report.resets == cut


async def frozen_in_mid_answer(
    workers: Workers, frozen: Instance, truth: Truth
) -> tuple[dict[str, Any], set[str], int]:
    """Freeze the worker while it writes: the battle, the hosts that it drives, and how many sides it leaves unfinished.

    On a busy machine the answers may have ended before it is frozen: then another battle is tried.
    """
    url = workers.other_than(frozen).url
    for _ in range(10):
        opened = await open_battle(url, MESSAGES[0], models=[ZIRCON, OKAPI])
        await until_snapshot(url, opened["battle_id"], lambda now: all(writers(now, truth)))
        lost = {host for host in HOSTS if workers.owner(host) is frozen}
        frozen.freeze()
        for _ in range(2):  # what it sent last is stored by the second time
            now = await snapshot(url, opened["battle_id"])
        sides = zip(now["sides"].values(), writers(now, truth), strict=True)
        cut = sum(side["state"] != "done" and HOST_OF[known(model)] in lost for side, model in sides)
        if cut:
            return opened, lost, cut
        frozen.thaw()
        await play(url, opened["battle_id"], ["a"])
    raise AssertionError("ten battles were over before the worker could be frozen")


def writers(now: dict[str, Any], truth: Truth) -> list[str | None]:
    """Which models write the two sides, by their texts."""
    return [truth.writer(now["message"], side["text"]) for side in now["sides"].values()]


async def test_instances_restarted_one_by_one_under_load_are_no_more_than_a_pause(tmp_path: Path) -> None:
    report = await rolling(tmp_path, battles=4, pause_s=0.2, instances=2)
    assert report.troubles == []
    assert report.restarts == 2
    assert report.battles >= 4
    assert report.gaps_s
