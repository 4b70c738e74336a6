"""A simulated Modal function before a vLLM: it holds requests while it boots and redirects what it held too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import time

import pytest

from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import VLLM
from app.backends.timeouts import Timeouts
from tests.backends.chat_double import ChatDouble
from tests.backends.wire_server import Connection, playing
from tests.helpers import wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, job
from tests.scheduling.several_hosts import SeveralHosts

CALL = "__modal_function_call_id=fc-1"
INTERVALS = replace(SHORT_INTERVALS, rest_after=timedelta(minutes=5))


@dataclass
class ModalFunction:
    """Boots on its first request, in ``hops`` redirects, and counts the requests that came while it was cold."""

    double: ChatDouble = field(default_factory=lambda: ChatDouble("vllm", models=("a", "b")))
    hops: int = 3
    cold: list[str] = field(default_factory=list)
    boots: int = 0

    async def __call__(self, connection: Connection) -> None:
        method, path = connection.head.split(" ")[:2]
        if self.hops > 0:
            self.boots += not self.cold
            self.cold.append(f"{method} {path}")
            self.hops -= 1
            await asyncio.sleep(0)  # Modal holds it for 150 s
            onward = path if CALL in path else f"{path}?{CALL}"
            await connection.plain("303 See Other", b"", f"Location: {onward}\r\n")
            return
        connection.head = connection.head.replace(f"?{CALL}", "")
        await self.double(connection)


@pytest.fixture
async def modal() -> AsyncIterator[tuple[ModalFunction, SeveralHosts]]:
    function, hosts = ModalFunction(), SeveralHosts(("gpu",))
    async with playing(function) as wire:
        limits = Timeouts(probe=timedelta(seconds=60))
        hosts.open(
            "gpu",
            ChatBackend(wire.url, VLLM, limits=limits),
            intervals=INTERVALS,
            models=("a", "b"),
            scale_to_zero=True,
        )
        yield function, hosts
        await hosts.close()


async def test_a_battle_that_opens_cold_waits_for_the_boot_and_fails_nothing(
    modal: tuple[ModalFunction, SeveralHosts],
) -> None:
    function, hosts = modal
    await wait_until(lambda: hosts.report("gpu"))
    assert function.cold == []
    jobs = [job(1, "a"), job(2, "b")]
    await hosts.put("gpu", *jobs)
    await wait_until(hosts.ended(*jobs))
    assert [hosts.sink.answer(one).text for one in jobs] == ["Hello wörld"] * 2
    assert all(len(hosts.sink.answer(one).attempts) == 1 for one in jobs)
    # One question woke it; no answer was sent to a host that was still starting.
    assert function.boots == 1
    assert not any("completions" in path for path in function.cold)


async def test_after_a_pages_visit_the_battle_finds_it_warm(modal: tuple[ModalFunction, SeveralHosts]) -> None:
    function, hosts = modal
    await hosts.queues["gpu"].request_prewarm(["a"], time() + 60)
    await wait_until(lambda: function.hops == 0)
    await wait_until(lambda: any("metrics" in path for path in function.double.asked))
    cold = list(function.cold)
    await hosts.put("gpu", one := job(1, "a"))
    await wait_until(hosts.ended(one))
    assert hosts.sink.answer(one).text == "Hello wörld"
    assert function.cold == cold
