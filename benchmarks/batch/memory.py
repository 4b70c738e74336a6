"""Memory of a run of many jobs: the runner, the database and the templates' process are real, models answer at once.

    nice -n 19 python -m benchmarks.batch.memory [--jobs 100000] [--most 30000]

Prints jobs that have ended, the process' resident memory and jobs/s, and at the end how long the status takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from app.arena.states import AnswerState
from app.backends.base import GenerationOptions, GenerationRequest
from app.batch.call import BatchCall
from app.batch.feeding import HostState
from app.batch.hosts import RunHosts
from app.batch.parts import RunnerParts
from app.batch.progress import line_of, progress_of
from app.batch.run_file import read_run
from app.batch.runner import BatchRunner
from app.batch.runs import RunRecords
from app.batch.submission import Limits, check, hand_in
from app.database.database import Database, migrate
from app.records.answer_cache import AnswerCache
from app.records.ledger import utc_now
from app.timing.stopwatch import Timing
from app.timing.time import Time

RUN = """
seed = 1
[[stages]]
name = "draft"
model = "a"
prompt = "Argue for {{ topic }}."
"""
TEXT = "It can be argued that way. " * 40
PRINTS = 20


class AtOnce:
    """Hosts whose models answer at once; ``app.batch.hosts.CallHosts`` for a runner."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records

    async def seen(self, models: Iterable[str], in_flight: Mapping[str, Mapping[str, int]]) -> RunHosts:
        """One host that has all models in memory."""
        names = frozenset(models)
        return RunHosts((HostState("h", 32, names, names, in_flight.get("h", {})),))

    async def put(self, calls: Sequence[tuple[BatchCall, str]]) -> dict[str, str]:
        """Store an answer to each call."""
        timing = Timing(queue_s=0.0, load_s=0.0, decode_s=1.0, total_s=1.0, tokens=200)
        for call, host in calls:
            answer = AnswerState(1, "done", 1, "stop", None, timing, host, stage=False, text=TEXT)
            await self._records.store_answer(call, answer, "sha256:aa")
        return {call.id: host for call, host in calls}

    async def take_back(self, ids: Iterable[str]) -> None:
        """Nothing is under way."""


def chat_of(body: Mapping[str, Any]) -> GenerationRequest:
    """There are no lines of OpenAI's in this run."""
    raise AssertionError(body)


def lines(count: int) -> Iterator[bytes]:
    """The jobs."""
    return (json.dumps({"custom_id": f"j{n}", "topic": f"thing {n} " * 20}).encode() for n in range(count))


def resident_mb() -> float:
    """Resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure(folder: Path, jobs: int, most: int) -> None:
    """Work the run off and print its memory as it goes on."""
    url = f"sqlite:///{folder}/arena.db"
    await migrate(url)
    database = Database(url)
    records = RunRecords(database, utc_now)
    began = perf_counter()
    checked = await check(read_run(RUN, "memory"), lines(jobs), chat_of)
    run = await hand_in(records, checked, lines(jobs), Limits(), foreground=True)
    print(f"checked and stored {jobs} jobs in {perf_counter() - began:.0f} s, {resident_mb():.0f} MB", flush=True)
    options = GenerationOptions(seed=1)
    hosts: Any = AtOnce(records)
    cache = AnswerCache(database, utc_now, 0, timedelta(days=1))
    parts = RunnerParts(records, hosts, lambda _: options, chat_of, Time(), cache, lambda _: frozenset())
    runner = BatchRunner(parts, run, waits=True)
    print(f"{'jobs ended':>10} {'MB':>6} {'jobs/s':>7}")
    began, shown = perf_counter(), 0
    ended = 0
    while ended < most and await runner.step():
        ended = runner._run.jobs_ended
        if ended - shown >= jobs // PRINTS:
            print(f"{ended:>10} {resident_mb():>6.0f} {ended / (perf_counter() - began):>7.0f}", flush=True)
            shown = ended
            await _status(records, run.id)
    await runner._renderer.aclose()
    times = sorted([await _status(records, run.id) for _ in range(20)])
    print(f"status: median {times[10] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms")
    await database.aclose()


async def _status(records: RunRecords, run: str) -> float:
    began = perf_counter()
    found = await records.run(run)
    line_of(found, progress_of(found, await records.sums(run)))
    return perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--most", type=int, default=10**9, help="Stop after so many of them.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="arena-memory-") as folder:
        asyncio.run(measure(Path(folder), given.jobs, given.most))


if __name__ == "__main__":
    main()
