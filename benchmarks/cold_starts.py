"""Battles on hosts that scale to zero, in real time, against simulated Modal functions: what waking them adds.

Each function boots for 15 to 25 s on its first request, which it holds meanwhile; what it held for ``--hold`` seconds
(150, as Modal does; less shows the redirects) it redirects with 303 to where the same request goes on. All hosts are
driven at once, by the driver, the adapter and over the sockets of real hosts. ``cold``: a battle opens and the host is
asleep. ``visited``: a page's visit asked for the models 25 s before.

    python -m benchmarks.cold_starts --hosts 8
    python -m benchmarks.cold_starts --hosts 8 --hold 6
"""

from __future__ import annotations

import argparse
import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from time import time

from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import VLLM
from app.backends.timeouts import Timeouts
from app.scheduling.driver.intervals import Intervals
from benchmarks.scheduling.figures import goal, percentile, quiet, table
from tests.backends.chat_double import ChatDouble
from tests.backends.wire_server import Connection, playing
from tests.helpers import wait_until
from tests.scheduling.conftest import job
from tests.scheduling.several_hosts import SeveralHosts

COLD_S = (15.0, 25.0)
"""How long a container boots, from the shortest to the longest."""
VISIT_S = 25.0
"""How long before the battle a page was visited."""
MOST_S = 1.0
"""The aim: the first token comes no later than this after the end of the boot; warm, after the question."""
CALL = "__modal_function_call_id=fc-1"
HEAD = ("", "battles", "failed", "boots", "redirects", "p50 s", "longest s")


@dataclass
class ModalFunction:
    """Boots for ``cold_s`` on its first request, holds what comes meanwhile, and redirects after ``hold_s``."""

    cold_s: float
    hold_s: float
    double: ChatDouble = field(default_factory=lambda: ChatDouble("vllm", models=("a", "b")))
    up_at: float | None = None
    redirects: int = 0

    async def __call__(self, connection: Connection) -> None:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        if self.up_at is None:
            self.up_at = loop.time() + self.cold_s
        left_s = self.up_at - loop.time()
        await asyncio.sleep(min(max(left_s, 0.0), self.hold_s))
        if left_s > self.hold_s:
            self.redirects += 1
            path = connection.head.split(" ")[1]
            onward = path if CALL in path else f"{path}?{CALL}"
            await connection.plain("303 See Other", b"", f"Location: {onward}\r\n")
            return
        connection.head = connection.head.replace(f"?{CALL}", "")
        await self.double(connection)


@dataclass(frozen=True, slots=True)
class Battle:
    """How long after it could come first (the boot's end, or the question if that was later) the last answer ended."""

    late_s: float
    failed: bool


async def played(hosts: SeveralHosts, name: str, function: ModalFunction, visited: bool) -> Battle:
    """Open a battle of two models on the sleeping host ``name``, and wait for both answers."""
    loop = asyncio.get_running_loop()
    if visited:
        await hosts.queues[name].request_prewarm(["a"], time() + 60)
        await asyncio.sleep(VISIT_S)
    number = int(name.removeprefix("gpu"))
    jobs = [job(2 * number, "a"), job(2 * number + 1, "b")]
    asked_at = loop.time()
    await hosts.put(name, *jobs)
    answers = [hosts.sink.answer(one) for one in jobs]
    await wait_until(hosts.ended(*jobs), 120.0)
    could_come = max(asked_at, function.up_at or asked_at)
    failed = any(answer.finish is None or answer.finish.reason == "error" for answer in answers)
    return Battle(loop.time() - could_come, failed)


async def run(count: int, hold_s: float, *, visited: bool, seed: int) -> tuple[list[Battle], list[ModalFunction]]:
    """``count`` hosts, each asleep, with one battle each, all at once."""
    chance = random.Random(seed)
    names = [f"gpu{number}" for number in range(count)]
    functions = [ModalFunction(chance.uniform(*COLD_S), hold_s) for _ in names]
    hosts = SeveralHosts(names)
    async with AsyncExitStack() as stack:
        for name, function in zip(names, functions, strict=True):
            wire = await stack.enter_async_context(playing(function))
            limits = Timeouts(connect=timedelta(seconds=10), probe=timedelta(seconds=160))
            backend = ChatBackend(wire.url, VLLM, limits=limits)
            hosts.open(name, backend, intervals=Intervals(), models=("a", "b"), scale_to_zero=True)
        try:
            pairs = zip(names, functions, strict=True)
            battles = [played(hosts, name, function, visited) for name, function in pairs]
            return list(await asyncio.gather(*battles)), functions
        finally:
            await hosts.close()


def _row(name: str, battles: list[Battle], functions: list[ModalFunction]) -> tuple[object, ...]:
    late = [battle.late_s for battle in battles]
    boots = sum(function.up_at is not None for function in functions)
    counts = (len(battles), sum(battle.failed for battle in battles), boots, sum(one.redirects for one in functions))
    return (name, *counts, f"{percentile(late, 0.5):.2f}", f"{max(late):.2f}")


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=8)
    parser.add_argument("--hold", type=float, default=150.0, help="seconds until a held request is redirected")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    quiet()
    cold = asyncio.run(run(given.hosts, given.hold, visited=False, seed=given.seed))
    visited = asyncio.run(run(given.hosts, given.hold, visited=True, seed=given.seed))
    print(table(HEAD, (_row("cold", *cold), _row("visited", *visited))))
    print("s: after the boot's end, or after the question if the host was up by then, until both answers were whole")
    battles = cold[0] + visited[0]
    print(goal(not any(battle.failed for battle in battles), "no battle failed"))
    print(goal(max(battle.late_s for battle in battles) <= MOST_S, f"at most {MOST_S:g} s after the boot, or warm"))


if __name__ == "__main__":
    main()
