"""What ``write.lua`` costs Redis for one update, against its version in another revision, in turns on one server.

    python -m benchmarks.write_script [--against REVISION] [--pairs 16]

Each turn plays 32 new battles, both sides of each, 64 updates in a call; the two versions take turns, so that what else
the machine does meets both. CPU is ``used_cpu`` of Redis' INFO for the calls alone: it holds on a busy machine, whose
load average is printed beside it. A ratio is the median of the pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgpack
from redis.asyncio import Redis

from app.arena.document import Document
from app.arena.store import RATE, STEP, AnswerUpdate, Pace, Store, new_name
from app.arena.transitions import stage_steps
from app.battle.battle import Contestant
from app.battle.rules import open_battle
from app.redis.client import commands_client
from app.redis.embedded.server import embedded_redis

FOLDER = "app/arena/scripts"
BATTLES = 32
CALLS = 60
TTL_MS = 3_600_000
TEXT = "a few words "

Arguments = Callable[[Sequence[AnswerUpdate]], list[bytes | int]]


@dataclass(frozen=True)
class Version:
    """A version of the script, and how it is called."""

    name: str
    source: str
    arguments: Arguments


def named_call(updates: Sequence[AnswerUpdate]) -> list[bytes | int]:
    """The call as the present version takes it."""
    call = {"updates": [one.by_name() for one in updates], "ttl_ms": TTL_MS, "rate": RATE, "step": STEP}
    return [msgpack.packb(call, use_bin_type=False)]


def by_position(updates: Sequence[AnswerUpdate]) -> list[bytes | int]:
    """The call as versions before this benchmark took it."""
    return [msgpack.packb([list(one) for one in updates], use_bin_type=False), TTL_MS, RATE, STEP]


def present() -> Version:
    """The scripts of the working tree."""
    parts = [(Path(FOLDER) / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", "write")]
    return Version("now", "".join(parts), named_call)


def of_revision(revision: str) -> Version:
    """The scripts of a revision."""

    def shown(part: str) -> str:
        return subprocess.check_output(["git", "show", f"{revision}:{FOLDER}/{part}.lua"], text=True)

    source = shown("prelude") + shown("write")
    return Version(revision, source, named_call if "tonumber(ARGV" not in source else by_position)


async def turn(redis: Redis, version: Version, pace: Pace) -> float:
    """Play new battles with one version; microseconds of Redis' CPU for one update."""
    store, script = Store(redis, pace=pace), redis.register_script(version.source)
    names: dict[str, str] = {}
    for number in range(BATTLES):
        battle = open_battle(f"{new_name()}{number}", "Why?", (Contestant(0, "x:8b"), Contestant(1, "y:8b")))
        names[battle.id] = new_name()
        await store.advance(names[battle.id], 0, Document(battle), stage_steps(battle))
        for answer in (0, 1):
            assert (await store.begin(battle.id, answer, 1, "host")).status == "started"
    calls = [_updates(names, seq) for seq in range(1, CALLS + 1)]
    packed = [version.arguments(call) for call in calls]
    before = await _cpu_s(redis)
    for arguments in packed:
        replies = await script(args=arguments)
        assert set(replies) == {b"ok"}, replies
    used = await _cpu_s(redis) - before
    for id_ in names:
        await store.drop(id_)
    return 1e6 * used / (CALLS * 2 * BATTLES)


def _updates(names: dict[str, str], seq: int) -> list[AnswerUpdate]:
    state = "writing" if seq == 1 else ""
    return [AnswerUpdate(id_, name, answer, 1, seq, TEXT, state) for id_, name in names.items() for answer in (0, 1)]


async def _cpu_s(redis: Redis) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def compared(redis: Redis, other: Version, pace: Pace, pairs: int) -> str:
    """One row of the table."""
    mine, theirs = present(), other
    await turn(redis, mine, pace)  # the first turn finds a cold server
    found = []
    for number in range(pairs):
        order = (mine, theirs) if number % 2 == 0 else (theirs, mine)
        cost = {version.name: await turn(redis, version, pace) for version in order}
        found.append((cost[mine.name], cost[theirs.name]))
    ratios = sorted(one / two for one, two in found)
    quarter = len(ratios) // 4
    spread = f"{ratios[quarter]:.3f}-{ratios[-1 - quarter]:.3f}"
    figures = (statistics.median(one for one, _ in found), statistics.median(two for _, two in found))
    return f"| {pace} | {figures[0]:.1f} | {figures[1]:.1f} | {statistics.median(ratios):.3f} ({spread}) |"


async def main(against: str, pairs: int) -> None:
    """Print a row for each pace."""
    other = of_revision(against)
    print(f"load average {os.getloadavg()[0]:.1f}; {pairs} pairs; now / {other.name}")
    print("| pace | µs per update now | other | ratio (middle half) |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_redis(Path(folder), keep=False) as server:
            redis = commands_client(server.url)
            for pace in get_args(Pace):
                print(await compared(redis, other, pace, pairs), flush=True)
            await redis.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="HEAD", help="a revision of git whose scripts are compared")
    parser.add_argument("--pairs", type=int, default=16)
    given = parser.parse_args()
    asyncio.run(main(given.against, given.pairs))
