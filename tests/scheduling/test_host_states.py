"""What is read of the hosts is read once for all who ask in one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from app.hosts.host import Host
from app.scheduling.dispatch.host_states import RECHECK_S, HostStates
from app.scheduling.report import HostReport, Reports


class Counted:
    """Reports and a queue of ``jobs``; counts how often they are read, each time for a turn of the event loop."""

    def __init__(self, jobs: int = 0) -> None:
        self.jobs = jobs
        self.reads = 0

    async def read(self) -> Mapping[str, HostReport]:
        self.reads += 1
        await asyncio.sleep(0)
        return {}

    async def length(self) -> int:
        return self.jobs


def states(counted: Counted, now: list[float]) -> HostStates:
    host = Host("local", "http://127.0.0.1:11434")
    queues: Any = {"local": counted}
    return HostStates([host], queues, cast(Reports, counted), 10, lambda _: True, lambda: now[0])


async def test_all_who_ask_when_what_was_seen_is_too_old_are_served_by_one_reading() -> None:
    counted, now = Counted(jobs=2), [0.0]
    hosts = states(counted, now)
    for reads in (1, 2):
        found = await asyncio.gather(*(hosts.read() for _ in range(6)))
        assert [one["local"].jobs for one in found] == [2] * 6
        assert counted.reads == reads
        await hosts.read()
        assert counted.reads == reads
        now[0] += 2 * RECHECK_S


async def test_near_its_bound_a_queue_is_read_again_each_time() -> None:
    counted = Counted(jobs=8)
    hosts = states(counted, [0.0])
    for reads in (1, 2, 3):
        await hosts.read()
        assert counted.reads == reads
