"""One examination serves many callers, and none waits for one that does not end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from app.doctor.checkup import Checkup
from app.doctor.diagnose import Diagnosis
from app.doctor.finding import Finding

FOUND = Finding("version_too_old", "warning", "gpu-1", "It is old.", "Update it.")


async def test_all_callers_get_one_examination_until_it_is_too_old() -> None:
    examinations, now = [], [0.0]

    async def examine() -> Diagnosis:
        examinations.append(now[0])
        await asyncio.sleep(0)
        return Diagnosis(datetime.fromtimestamp(0, UTC), 0.1, (FOUND,))

    checkup = Checkup(examine, clock=lambda: now[0])
    found = await asyncio.gather(*(checkup.findings() for _ in range(5)))
    assert found == [(FOUND,)] * 5
    assert examinations == [0.0]
    now[0] = 14.9
    assert await checkup.findings() == (FOUND,)
    assert examinations == [0.0]
    now[0] = 60.0
    assert await checkup.findings() == (FOUND,)
    assert examinations == [0.0, 60.0]


async def test_an_examination_that_does_not_end_is_a_finding() -> None:
    async def examine() -> Diagnosis:
        await asyncio.Event().wait()
        raise AssertionError

    (slow,) = await Checkup(examine, limit=timedelta(milliseconds=20)).findings()
    assert (slow.code, slow.severity, slow.command) == ("examination_slow", "warning", "arena doctor")
    assert "0.02 s" in slow.cause
