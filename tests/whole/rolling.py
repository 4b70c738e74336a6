"""``python -m tests.whole.rolling --battles 20``: every instance is ended and started again while people play.

They are asked to end, as by a deployment, or with ``--kill`` ended by ``kill -9``.

Three instances stand behind a front that does what a load balancer does: it sends calls in turn to those whose
``/readyz`` says 200, and elsewhere what found nobody. Viewers come back with ``Last-Event-ID`` when they are cut.
Every battle has to end as if nothing had happened, and no call may be answered with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import httpx

from tests.helpers import HUNG_S, PATIENCE_S, wait_until
from tests.whole.client import BATTLES, client
from tests.whole.crowd import MESSAGES, Truth, Viewer, complaints, viewing
from tests.whole.harness import Deployment, Instance, running_deployment

INSTANCES = 3
#: How often the front asks who is ready, and how often a call is sent elsewhere that found nobody.
CHECK_EVERY_S, TRIES = 0.2, 20
#: Nobody has to wait for a slot, so that a pause is a pause of the arena.
ROOMY: dict[str, Any] = {"tokens_per_s": 25.0, "num_parallel": 8, "batch_penalty": 0.0}
#: Answers take nearly two seconds: some are finished in this time, some are cut and written again elsewhere.
DRAIN = "1"


@dataclass
class Report:
    """How the restart went."""

    restarts: int = 0
    seconds: float = 0.0
    battles: int = 0
    calls: int = 0
    sent_again: int = 0
    cuts: int = 0
    resets: int = 0
    gaps_s: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        gaps = sorted(self.gaps_s)
        lines = [
            f"{self.restarts} instances ended and started again in {self.seconds:.0f} s, {self.battles} battles ended, "
            f"{self.calls} calls ({self.sent_again} sent to another instance)",
            f"  streams cut {self.cuts} times, {self.resets} sides written again; "
            f"longest pause of a viewer {gaps[len(gaps) // 2]:.2f} s (median), {gaps[-1]:.2f} s (longest)",
        ]
        return "\n".join([*lines, *(f"  TROUBLE: {trouble}" for trouble in self.troubles)])


class Front:
    """The instances that are ready, in turn."""

    def __init__(self, report: Report) -> None:
        self.instances: list[Instance] = []
        self._ready: list[str] = []
        self._turns = count()
        self._report = report

    async def watch(self) -> None:
        """Ask who is ready, for ever."""
        async with client() as http:
            while True:
                answers = await asyncio.gather(*(self._is_ready(http, one.url) for one in self.instances))
                self._ready = [one.url for one, ready in zip(self.instances, answers, strict=True) if ready]
                await asyncio.sleep(CHECK_EVERY_S)

    async def _is_ready(self, http: httpx.AsyncClient, url: str) -> bool:
        with suppress(httpx.TransportError):
            return (await http.get(f"{url}/readyz", timeout=5)).status_code == 200
        return False

    def address(self) -> str:
        """The instance whose turn it is."""
        ready = self._ready or [one.url for one in self.instances]
        return ready[next(self._turns) % len(ready)]

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call an instance, another one if nobody answers; an answer that is an error is a trouble."""
        self._report.calls += 1
        for _ in range(TRIES):
            with suppress(httpx.TransportError):
                async with client() as http:
                    reply = await http.post(self.address() + path, json=body)
                if not reply.is_success:
                    self._report.troubles.append(f"POST {path}: {reply.status_code} {reply.text[:200]}")
                return dict(reply.json())
            self._report.sent_again += 1
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody answers POST {path}")


class User:
    """Plays one battle after the other until there is ``enough``."""

    def __init__(self, number: int, front: Front, truth: Truth, report: Report, pause_s: float) -> None:
        self._number = number
        self._front, self._truth, self._report, self._pause_s = front, truth, report, pause_s

    async def play_until(self, enough: asyncio.Event) -> None:
        for turn in count():
            if enough.is_set():
                return
            await self._play(MESSAGES[(self._number + turn) % len(MESSAGES)])

    async def _play(self, message: str) -> None:
        opened = await self._front.post(BATTLES, {"message": message})
        viewer = Viewer(opened, self._front.address, pause_s=self._pause_s)
        end = opened
        async with viewing(viewer) as (task,):
            for number in range(1, opened["rounds_total"] + 1):
                await wait_until(partial(viewer.can_vote, number), interval=0.05)
                ballot = {"round": number, "verdict": "ab"[number % 2]}
                end = await self._front.post(f"{BATTLES}/{opened['battle_id']}/votes", ballot)
            await asyncio.wait_for(task, PATIENCE_S)
        self._note(viewer, end)

    def _note(self, viewer: Viewer, end: dict[str, Any]) -> None:
        report = self._report
        report.battles += 1
        report.cuts += viewer.cuts
        report.resets += len(viewer.watched.named("reset"))
        report.gaps_s.append(viewer.longest_gap_s())
        report.troubles += complaints(viewer.opened, viewer.events, end, self._truth)
        report.troubles += [f"an event stream was answered with {one}" for one in viewer.refused]


async def restarted_one_by_one(
    deployment: Deployment, front: Front, end: Callable[[Instance], None], report: Report
) -> None:
    """End each instance, and start its successor."""
    began = monotonic()
    for place, old in enumerate(list(front.instances)):
        end(old)
        await asyncio.to_thread(old.process.wait, HUNG_S)
        new = deployment.launch(ARENA_DRAIN=DRAIN)
        await asyncio.to_thread(new.wait_for_address)
        front.instances[place] = new
        report.restarts += 1
    report.seconds = monotonic() - began


async def rolling(
    folder: Path,
    battles: int,
    pause_s: float,
    end: Callable[[Instance], None] = Instance.terminate,
    *,
    instances: int = INSTANCES,
) -> Report:
    """Restart all ``instances`` while ``battles`` users play, each one battle at a time; ``end`` ends an instance."""
    report = Report()
    truth = await asyncio.to_thread(Truth)
    with running_deployment(folder, **ROOMY) as deployment:
        front, enough = Front(report), asyncio.Event()
        front.instances = [deployment.launch(ARENA_DRAIN=DRAIN) for _ in range(instances)]
        for instance in front.instances:
            await asyncio.to_thread(instance.wait_for_address)
        balancing = asyncio.create_task(front.watch(), name="front")
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(battles):
                    group.create_task(User(number, front, truth, report, pause_s).play_until(enough))
                await asyncio.sleep(2.0)
                await restarted_one_by_one(deployment, front, end, report)
                enough.set()
        finally:
            balancing.cancel()
        report.troubles += troubles_logged(deployment)
    return report


def troubles_logged(deployment: Deployment) -> list[str]:
    """What the arena itself took for errors; libraries log streams that are cut as errors."""
    lines = (line for instance in deployment.instances for line in instance.logged())
    ours = (line for line in lines if str(line.get("logger")).startswith("app"))
    return [f"log: {line}"[:600] for line in ours if line["level"] in ("error", "critical")]


def main() -> int:
    """Run and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--battles", type=int, default=20, help="that run at the same time")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds before a viewer comes back")
    parser.add_argument("--kill", action="store_true", help="end instances by kill -9")
    parser.add_argument("--folder", type=Path, help="where data and logs stay; without it they are removed")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="arena-rolling-") as temporary:
        folder, end = given.folder or Path(temporary), Instance.kill if given.kill else Instance.terminate
        report = asyncio.run(rolling(folder, given.battles, given.pause, end))
    sys.stdout.write(f"{report}\n")
    return 1 if report.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
