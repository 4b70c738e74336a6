"""Clocks: times as Go writes them, faster and virtual time, and jobs that share a device."""

import asyncio
import math
from datetime import UTC, datetime

import pytest

from app.simulator.engine.clock import Clock, rfc3339, run_virtual
from app.simulator.engine.devices import DeviceJob, Engine


def test_times_have_up_to_nine_digits_without_trailing_zeros() -> None:
    moment = datetime(2026, 11, 21, 6, 11, 8, 568900, tzinfo=UTC)
    assert rfc3339(moment) == "2026-11-21T06:11:08.5689Z"
    assert rfc3339(moment, 7) == "2026-11-21T06:11:08.568900007Z"
    assert rfc3339(moment.replace(microsecond=0)) == "2026-11-21T06:11:08Z"


async def test_a_fast_clock_passes_more_simulated_seconds() -> None:
    clock = Clock(speed=200)
    await clock.sleep(10)
    assert 10 <= clock.now() < 100


def test_virtual_time_jumps_over_hours_and_keeps_the_order_of_events() -> None:
    seen = []

    async def at(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*(at(hours * 3600) for hours in (72, 1, 24)))

    run_virtual(main())
    assert [seconds for seconds, _ in seen] == [3600, 24 * 3600, 72 * 3600]
    assert all(when == pytest.approx(seconds) for seconds, when in seen)


def test_a_timeout_is_virtual_too() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(3600)


def test_a_paused_job_leaves_its_share_to_the_others() -> None:
    async def main() -> list[float]:
        clock = Clock()
        engine = Engine(clock)
        ends: list[float] = []
        steps = iter([math.inf])
        pausing = DeviceJob("one", ("gpu",), lambda due: next(steps), prefill=False)
        other = DeviceJob("two", ("gpu",), ends.append, prefill=False)
        engine.start(pausing, 1.0)
        engine.start(other, 2.0)
        await clock.sleep(10)
        engine.stop(pausing)
        return ends

    assert run_virtual(main()) == [pytest.approx(3.0)]  # half speed for 2 s, then alone
