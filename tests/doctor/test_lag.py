"""A machine that is too busy to listen says so, instead of accusing those who were not heard."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.cli.doctor import status_of
from app.doctor.diagnose import Diagnosis, findings_of
from app.doctor.probing.lag import BUSY_S, Lag, without_doubtful
from app.doctor.probing.observation import Observation, ObservedDatabase, ObservedHost, Reach
from app.doctor.render import verdict
from app.store_errors import Trouble
from tests.doctor.test_findings import REDIS, healthy, seen
from tests.helpers import wait_until


def diagnosed(observation: Observation) -> Diagnosis:
    left = without_doubtful(observation)
    return Diagnosis(datetime.now(UTC), 2.5, findings_of(left), ("gpu",), left.catalog.models)


def unheard(reach: Reach, detail: str = "no answer within 1.1 s") -> ObservedHost:
    return ObservedHost(healthy().host, reach, detail)


@pytest.mark.parametrize("reach", ["no_connection", "silent", "slow", "dns"])
def test_a_host_that_a_busy_machine_did_not_hear_is_not_accused(reach: Reach) -> None:
    host = unheard(reach)
    busy, idle = diagnosed(seen(host, lost_s=BUSY_S)), diagnosed(seen(host, lost_s=BUSY_S / 2))
    assert [finding.code for finding in busy.findings] == ["machine_too_busy"]
    assert (busy.can_battle, busy.unsure, status_of(busy)) == (True, True, 3)
    assert "too busy to tell" in verdict(busy)
    assert "machine_too_busy" not in [finding.code for finding in idle.findings]
    assert idle.findings[0].subject == "gpu"


def test_what_does_not_hang_on_time_is_found_on_a_busy_machine_too() -> None:
    refused = replace(unheard("refused"), detail="nothing listens on port 11434")
    busy = diagnosed(seen(refused, lost_s=9.0))
    assert [finding.code for finding in busy.findings] == ["host_refuses"]
    assert status_of(busy) == 1


def test_stores_that_were_late_or_locked_are_not_accused_either() -> None:
    redis = replace(REDIS, state="unavailable", detail="no answer within 2.3 s")
    late = ObservedDatabase("postgresql://db/arena", "unavailable", "no answer within 2.3 s")
    locked = ObservedDatabase("sqlite:///arena.db", refusal=Trouble("locked", "database is locked"))
    for database in (late, locked):
        busy = diagnosed(seen(redis=redis, database=database, lost_s=1.0, driven={}))
        assert [finding.code for finding in busy.findings] == ["machine_too_busy"]
        assert "redis, database" in busy.findings[0].cause
    refused = replace(redis, detail="Connection refused")
    assert diagnosed(seen(redis=refused, lost_s=1.0, driven={})).findings[0].code == "redis_missing"


def test_an_error_that_is_known_counts_before_what_cannot_be_told() -> None:
    busy = diagnosed(seen(unheard("silent"), redis=replace(REDIS, state="refused", detail="WRONGPASS"), lost_s=1.0))
    assert {finding.code for finding in busy.findings} >= {"machine_too_busy", "redis_refuses"}
    assert status_of(busy) == 1


@pytest.mark.parametrize(
    ("lost_s", "watched_s", "busy"), [(0.3, 1.1, True), (0.2, 1.1, False), (0.3, 2.5, False), (0.1, 0.2, False)]
)
def test_a_machine_that_loses_much_of_a_short_time_is_busy_too(lost_s: float, watched_s: float, busy: bool) -> None:
    diagnosis = diagnosed(seen(unheard("silent"), lost_s=lost_s, watched_s=watched_s))
    assert diagnosis.unsure is busy


@pytest.mark.parametrize(("load", "busy"), [(1.0, False), (3.9, False), (4.0, True)])
def test_a_machine_on_which_many_want_each_core_is_busy(load: float, busy: bool) -> None:
    assert diagnosed(seen(unheard("silent"), load=load)).unsure is busy


def test_a_machine_that_is_busy_and_heard_everybody_is_no_finding() -> None:
    assert diagnosed(seen(lost_s=9.0)).findings == ()


async def test_what_others_took_is_lost_and_ones_own_work_is_not() -> None:
    now, used, reads = [0.0], [0.0], [0]

    def cpu() -> float:
        reads[0] += 1
        return used[0]

    lag = Lag(lambda: now[0], cpu)
    async with lag.watched():
        await asyncio.sleep(0)
        now[0], used[0] = 1.0, 0.0  # a second in which others ran
        await wait_until(lambda: lag.lost_s > 0.9)
        lost_s = lag.lost_s
        now[0], used[0] = 2.0, 1.0  # a second of work
        since = reads[0]
        await wait_until(lambda: reads[0] > since + 2)
        assert lag.lost_s == lost_s


async def test_a_process_that_does_not_run_loses_time() -> None:
    lag = Lag()
    async with lag.watched():
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - as if the machine ran something else
        await wait_until(lambda: lag.lost_s > 0.2)
    assert lag.watched_s >= lag.lost_s > 0.2
