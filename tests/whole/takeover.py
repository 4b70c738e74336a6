"""``python -m tests.whole.takeover --kills 20``: the driver of a host is killed in mid-answer, again and again.

Two workers share the hosts. Each time two battles are open, and the owner of a driver that writes is killed as ``kill
-9`` does; the other worker has to take over within 5 s, and the viewers there must see each battle as if it had only
been slow: a ``reset`` of the sides that were cut, then their text anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Any

from tests.helpers import PATIENCE_S, wait_until
from tests.whole.client import open_battle, play, snapshot
from tests.whole.crowd import MESSAGES, Truth, Viewer, complaints, viewing
from tests.whole.harness import BASALT, GRANITE, OKAPI, QUOKKA, ZIRCON, Deployment, Instance, running_deployment

HOSTS = (GRANITE, BASALT)
HOST_OF = {ZIRCON: GRANITE, QUOKKA: GRANITE, OKAPI: BASALT}
#: From the kill until another worker has the lease.
TAKEOVER_LIMIT_S = 5.0
#: An answer takes more than a second, so that there is a middle in which it can be cut.
SLOW: dict[str, Any] = {"tokens_per_s": 30.0}


@dataclass
class Report:
    """How the kills went; a kill that cut no answer is not counted in ``kills``."""

    kills: int = 0
    missed: int = 0
    battles: int = 0
    resets: int = 0
    takeovers_s: list[float] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.troubles and max(self.takeovers_s) <= TAKEOVER_LIMIT_S

    def __str__(self) -> str:
        taken, pauses = sorted(self.takeovers_s), sorted(self.pauses_s)
        lines = [
            f"{self.kills} kills in mid-answer ({self.missed} more cut nothing), {self.battles} battles, "
            f"{self.resets} sides written again",
            f"  lease taken over after {taken[len(taken) // 2]:.2f} s (median), {taken[-1]:.2f} s (longest)",
            f"  longest pause of a viewer {pauses[len(pauses) // 2]:.2f} s (median), {pauses[-1]:.2f} s (longest)",
        ]
        return "\n".join([*lines, *(f"  TROUBLE: {trouble}" for trouble in self.troubles)])


class Workers:
    """The workers that live; who owns a host is read from their logs."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.live: list[Instance] = []

    def taken(self, host: str) -> tuple[float, Instance | None]:
        """When a worker that lives last took the lease of ``host`` (Unix time), and which one."""
        found = [
            (_at(line), worker) for worker in self.live for line in worker.logged("lease_taken") if line["host"] == host
        ]
        return max(found, key=lambda pair: pair[0], default=(0.0, None))

    def owner(self, host: str) -> Instance | None:
        return self.taken(host)[1]

    def other_than(self, worker: Instance) -> Instance:
        return next(one for one in self.live if one is not worker)

    async def start(self) -> Instance:
        worker = self.deployment.launch()
        await asyncio.to_thread(worker.wait_for_address)
        self.live.append(worker)
        return worker

    async def kill(self, worker: Instance) -> float:
        """Kill it; returns the Unix time of that."""
        self.live.remove(worker)
        at = time()
        await asyncio.to_thread(worker.kill)
        return at


def _at(line: dict[str, str]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


async def kill_owner(workers: Workers, truth: Truth, number: int, report: Report) -> None:
    """Open two battles, kill the owner of a host that writes, and look at everything when they have ended."""
    await wait_until(lambda: all(workers.owner(host) for host in HOSTS), interval=0.1)
    victim = workers.owner(HOSTS[number % 2])
    assert victim is not None
    other = workers.other_than(victim)
    # Each has a side on both hosts; one side of the second waits while the first battle is written.
    first = await open_battle(other.url, MESSAGES[number % 3], models=[ZIRCON, OKAPI])
    second = await open_battle(other.url, MESSAGES[(number + 1) % 3], models=[QUOKKA, OKAPI])
    viewers = [Viewer(opened, lambda: other.url) for opened in (first, second)]
    async with viewing(*viewers) as tasks:
        await wait_until(lambda: len(viewers[0].sides_with_text()) == 2, interval=0.05)
        lost = {host for host in HOSTS if workers.owner(host) is victim}
        killed = await workers.kill(victim)
        successor = asyncio.create_task(workers.start(), name="a new worker")
        await wait_until(lambda: all(workers.taken(host)[0] > killed for host in lost), interval=0.1)
        report.takeovers_s += [workers.taken(host)[0] - killed for host in lost]
        ends = [await play(other.url, opened["battle_id"], ["a"]) for opened in (first, second)]
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)
        new = await successor
    await judge(viewers, ends, new.url, truth, lost, report)


async def judge(
    viewers: list[Viewer], ends: list[dict[str, Any]], another: str, truth: Truth, lost: set[str], report: Report
) -> None:
    """Compare what the viewers saw with what must hold, and with what another worker tells of the same battles."""
    cut = 0
    for viewer, end in zip(viewers, ends, strict=True):
        report.troubles += complaints(viewer.opened, viewer.events, end, truth)
        late = Viewer(viewer.opened, lambda: another)
        with suppress(TimeoutError):
            await asyncio.wait_for(late.run(), PATIENCE_S)
        report.troubles += [f"an event stream was answered with {one}" for one in set(viewer.refused + late.refused)]
        if late.events != viewer.events or await snapshot(another, viewer.opened["battle_id"]) != end:
            difference = f"{late.events[-1:]} after {len(late.events)} of {len(viewer.events)} events, {late.cuts} cuts"
            report.troubles.append(
                f"battle {viewer.opened['battle_id']}: another worker tells it differently: {difference}"
            )
        report.pauses_s.append(viewer.longest_gap_s())
        again = resets(viewer, end)
        cut += sum(again.values())
        report.troubles += [
            f"battle {viewer.opened['battle_id']}: {model} was written again {times} times"
            for model, times in again.items()
            if times > (HOST_OF[model] in lost)
        ]
    report.battles += len(viewers)
    report.resets += cut
    report.kills += cut > 0
    report.missed += cut == 0


def resets(viewer: Viewer, end: dict[str, Any]) -> dict[str, int]:
    """How often each model's side was reset."""
    models = {line["alias"]: line["model"] for line in end["reveal"]["ranking"]}
    counts = dict.fromkeys(models.values(), 0)
    aliases = {side: viewer.opened["sides"][side]["alias"] for side in ("a", "b")}
    for event in viewer.events:
        if event.event == "round":
            aliases = {side: event.data["sides"][side]["alias"] for side in ("a", "b")}
        if event.event == "reset":
            counts[models[aliases[event.data["side"]]]] += 1
    return counts


async def takeovers(folder: Path, kills: int) -> Report:
    """Kill until ``kills`` of them have cut an answer; gives up at twice as many."""
    report = Report()
    with running_deployment(folder, **SLOW) as deployment:
        truth = await asyncio.to_thread(Truth)
        workers = Workers(deployment)
        await asyncio.gather(workers.start(), workers.start())
        while report.kills < kills and report.missed < kills:
            await kill_owner(workers, truth, report.kills + report.missed, report)
    return report


def main() -> int:
    """Run and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where data and logs stay; without it they are removed")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="arena-takeover-") as temporary:
        report = asyncio.run(takeovers(given.folder or Path(temporary), given.kills))
    sys.stdout.write(f"{report}\n")
    return 0 if report.clean and report.kills >= given.kills else 1


if __name__ == "__main__":
    sys.exit(main())
