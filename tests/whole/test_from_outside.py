"""What ``arena doctor --url`` asks, answered by a served arena without anything in front."""

from __future__ import annotations

import asyncio
from secrets import token_hex

from app.doctor.outside.judge import problems
from app.doctor.outside.observe import observe_deployment
from tests.helpers import wait_until
from tests.whole.client import ADMIN_KEY, bare_client
from tests.whole.conftest import SharedDeployment

TRIAL = "/api/arena/trial"
KEY = {"X-Admin-Key": ADMIN_KEY}


async def test_an_arena_with_nothing_in_front_is_only_missing_the_callers_address(deployed: SharedDeployment) -> None:
    seen = await observe_deployment(deployed.one.url, ADMIN_KEY, 1, 0.0)
    assert [problem.code for problem in problems(seen)] == ["address_not_forwarded"]
    assert len(seen.stream.arrived_s) == 20
    assert [(one.seconds, one.status, one.arrivals) for one in seen.silences] == [(1, 200, 1)]
    [refused] = problems(await observe_deployment(deployed.one.url, "another-key", 1, 0.0))
    assert "refuses this ARENA_ADMIN_KEY" in refused.cause


async def test_slow_answers_are_for_operators_two_at_once_and_counted_by_all_processes(
    deployed: SharedDeployment,
) -> None:
    nonce = token_hex(16)
    async with bare_client(base_url=deployed.one.url) as client:
        assert (await client.get(f"{TRIAL}/wait")).status_code == 403, "not even from this machine without the key"
        asked: dict[str, str | int] = {"seconds": 1, "nonce": nonce}
        replies = await asyncio.gather(*(client.get(f"{TRIAL}/wait", params=asked, headers=KEY) for _ in range(3)))
        assert sorted(reply.status_code for reply in replies) == [200, 200, 429]
    async with bare_client(base_url=deployed.two.url) as client:
        counted = await client.get(f"{TRIAL}/arrivals", params={"nonce": nonce}, headers=KEY)
    assert counted.json() == {"arrivals": 3}


async def test_a_caller_who_gave_up_holds_no_slow_answer_for_the_next(deployed: SharedDeployment) -> None:
    async with bare_client(base_url=deployed.one.url, headers=KEY) as client:
        waiting = [asyncio.create_task(client.get(f"{TRIAL}/wait", params={"seconds": 250})) for _ in range(2)]

        async def status() -> int:
            return (await client.get(f"{TRIAL}/wait", params={"seconds": 0.01})).status_code

        async def is_full() -> bool:
            return await status() == 429

        await wait_until(is_full)
        for one in waiting:
            one.cancel()  # closes its connection, as a proxy does whose patience is over
        await asyncio.wait(waiting)

        async def is_free() -> bool:
            return await status() == 200

        await wait_until(is_free)
        [silence] = (await observe_deployment(deployed.one.url, ADMIN_KEY, 1, 0.0)).silences
    assert silence.status == 200
