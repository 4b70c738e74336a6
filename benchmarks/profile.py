"""Where a worker's CPU goes while battles are opened, answered and judged: by function, by module, by thread.

    python -m benchmarks.profile [--battles 1000] [--at-once 6] [--only open|vote] [--raw FILE]

The same battles as ``benchmarks.battle_cost``, against a worker that samples itself: the kernel signals it whenever it
has used another few milliseconds of CPU (ITIMER_PROF), so that neither waiting nor what other processes do is
counted. (A sampler from outside goes by the wall clock; on a busy machine it mostly sees who waits for a processor.)
A sample is what the event loop's thread was doing; what other threads used is told apart, from /proc. "self" is what
a function itself took, "within" what it took with all it called. ``--raw`` keeps the stacks for a flame graph.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import runpy
import signal
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp

from benchmarks.battle_cost import TOKENS, Bench
from benchmarks.stream_path import TICKS_PER_S, arena, model_server

EVERY_S = 0.001
OUTPUT = "ARENA_PROFILE_TO"
"""Environment variable: the folder in which the sampled worker writes what it found."""


def sample_this_process(folder: Path) -> None:
    """Sample from SIGUSR1 on, and write at SIGUSR2: stacks with how often each was seen."""
    stacks: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(f"{code.co_qualname} ({_short(code.co_filename)}:{frame.f_lineno})")
            frame = frame.f_back
        stacks[";".join(reversed(names))] += 1

    def begin(*_: object) -> None:
        stacks.clear()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def write(*_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        part = folder / "stacks.part"
        part.write_text("".join(f"{stack} {count}\n" for stack, count in stacks.items()))
        part.rename(folder / "stacks")

    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, write)


def _short(file: str) -> str:
    """A file as a reader looks for it: without the way to the library or to this repository."""
    for mark in ("/site-packages/", "/lib/python3.", "/app/"):
        _, found, after = file.partition(mark)
        if found:
            return f"app/{after}" if mark == "/app/" else after.partition("/")[2] if "python3" in mark else after
    return file


@dataclass
class Shares:
    """Samples by where they were taken."""

    samples: int = 0
    own: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    modules: Counter[str] = field(default_factory=Counter)

    def add(self, stack: list[str], count: int) -> None:
        """Count a stack, outermost frame first, that was seen ``count`` times."""
        self.samples += count
        self.own[stack[-1]] += count
        for frame in set(stack):
            self.within[frame] += count
        self.modules[stack[-1].rpartition(" (")[2].rstrip(")").rpartition("/")[0] or "(library)"] += count

    def show(self, top: int) -> None:
        """Print the largest of each."""
        ours = Counter({frame: count for frame, count in self.within.items() if "(app/" in frame})
        for name, found in (("self", self.own), ("by folder", self.modules), ("within, our own", ours)):
            print(f"\n{name}, of {self.samples} samples:")
            for frame, count in found.most_common(top):
                print(f"  {100 * count / max(self.samples, 1):5.1f} %  {frame}")


def shares_of(raw: str) -> Shares:
    """The shares of stacks by ``;``, each with how often it was seen."""
    shares = Shares()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        shares.add([f"{frame.rpartition(':')[0]})" for frame in stack.split(";")], int(count))
    return shares


def _threads(pid: int) -> dict[str, float]:
    """CPU seconds of each thread of a process, by its number and name; the first is the event loop's."""
    found = {}
    for task in sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda each: int(each.name)):
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        fields = rest.split()
        found[f"{task.name} {name}"] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return found


async def _stacks(folder: Path) -> str:
    while not (folder / "stacks").exists():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    return (folder / "stacks").read_text()


async def _play(base: str, pid: int, battles: int, at_once: int, only: str, folder: Path) -> str:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        bench, opened = Bench(session, base, pid), []

        async def play() -> None:
            battle = await bench.post("/api/arena/battles", {"message": "Why?"})
            opened.append(battle)
            await bench.watched(battle)

        async def vote(battle: dict[str, Any]) -> None:
            path = f"/api/arena/battles/{battle['battle_id']}/votes"
            await bench.post(path, {"round": 1, "verdict": "a"}, battle["token"])

        for _ in range(20 if only == "open" else battles):
            await play()
        before = _threads(pid)
        os.kill(pid, signal.SIGUSR1)

        async def once(number: int) -> None:
            await (play() if only == "open" else vote(opened[number]))

        await bench.phase(battles, once, at_once)
        os.kill(pid, signal.SIGUSR2)
        for thread, seconds in _threads(pid).items():
            if (used := seconds - before.get(thread, 0.0)) >= 1 / TICKS_PER_S:
                print(f"  {1000 * used / battles:6.2f} ms of CPU each in thread {thread}")
        return await asyncio.wait_for(_stacks(folder), 30)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=6, metavar="USERS")
    parser.add_argument("--only", choices=["open", "vote"], default="open")
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--raw", type=Path, help="keep the stacks in this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, model_server(0.0, tokens=TOKENS, rate=1000) as ollama:
        os.environ[OUTPUT] = folder
        with arena(ollama, max(4, given.at_once), program="benchmarks.profile") as (pid, base):
            raw = asyncio.run(_play(base, pid, given.battles, given.at_once, given.only, Path(folder)))
    if given.raw is not None:
        given.raw.write_text(raw)
    shares_of(raw).show(given.top)


if __name__ == "__main__":
    if OUTPUT in os.environ:
        sample_this_process(Path(os.environ[OUTPUT]))
        runpy.run_module("app.cli", run_name="__main__", alter_sys=True)
    else:
        _main()
