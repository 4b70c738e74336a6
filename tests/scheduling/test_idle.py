"""A process that has nothing to do hardly wakes: what is periodic waits for one beat, and asks as rarely as it may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from app.scheduling.driver.intervals import Intervals
from app.scheduling.fair_share import FairShare
from app.scheduling.lease import LEASE
from app.scheduling.testing.in_memory import MemoryLease
from app.simulator.engine.clock import VirtualTimeLoop
from tests.helpers import wait_until
from tests.scheduling.conftest import SharedHost, loop_monotonic

MINUTE_S = 60.0


async def waits_in_a_minute(monkeypatch: pytest.MonkeyPatch) -> int:
    """How often the event loop waits within a minute of its time: each is a wake-up of the process."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    select, waits = loop._jumps.select, [0]

    def counted(timeout: float | None = None) -> Any:
        waits[0] += timeout is None or timeout > 0
        return select(timeout)

    monkeypatch.setattr(loop._jumps, "select", counted)
    await asyncio.sleep(MINUTE_S)
    return waits[0]


async def test_a_driver_that_has_nothing_to_do_wakes_once_a_second(
    shared: SharedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = MemoryLease(shared.leases, term=LEASE, clock=loop_monotonic)
    driver = shared.open(lease=lease, intervals=Intervals())
    await wait_until(lambda: driver.driving and driver._prober.ready)
    assert await waits_in_a_minute(monkeypatch) <= 1.2 * MINUTE_S


class Announcements:
    """Stands for Redis: who lives, whether each host is driven, and how often it was asked."""

    def __init__(self, members: Sequence[bytes], driven: int) -> None:
        self.members, self.driven, self.asked = members, driven, 0

    def register_script(self, _: str) -> Any:
        async def announce(**_: Any) -> tuple[Sequence[bytes], list[int]]:
            self.asked += 1
            return self.members, [self.driven]

        return announce


@pytest.mark.parametrize(
    ("members", "driven", "mine", "asked_per_s"),
    [
        pytest.param([b"me"], 1, True, 1, id="alone with all hosts"),
        pytest.param([b"me"], 0, False, 4, id="a host to take"),
        pytest.param([b"me"], 1, False, 4, id="a host of one who just died"),
        pytest.param([b"me", b"other"], 1, True, 4, id="another lives"),
    ],
)
async def test_a_process_looks_for_others_as_often_as_it_may_have_to_act(
    members: Sequence[bytes], driven: int, mine: bool, asked_per_s: int
) -> None:
    redis = Announcements(members, driven)
    share = FairShare(cast(Any, redis), ["gpu"], clock=loop_monotonic, member="me")
    if mine:
        share.taken("gpu")
    task = asyncio.create_task(share.run())
    await asyncio.sleep(MINUTE_S)
    assert redis.asked == pytest.approx(asked_per_s * MINUTE_S, abs=2)
    share.leave()
    await task
