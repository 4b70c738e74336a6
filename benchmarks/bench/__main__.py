"""Everything a user would pick instead, side by side in one run.

    python -m benchmarks.bench [--only PART] [--quick] [--json FILE] [--into FILE.md] [--plots FOLDER]
    python -m benchmarks.bench --shown FILE [FILE …] [--into FILE.md] [--plots FOLDER]    (runs that were made before)

Parts: idle, battles, boards, growth, viewers, cpu, first-token. Contestants: the model server itself, a bare aiohttp
relay, LiteLLM's proxy, Olla, and the arena, each with one worker, before the same model server
(benchmarks.model_server), on the same machine, in turns. Medians over the rounds with their spread, and ratios to the
arena round by round. Votes go into SQLite and into a PostgreSQL that is started for it, or ``--database``. ``--quick``
takes some minutes in all and says nothing about waiting times on a machine that does other things: CPU figures still
hold there, since they are read from /proc.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from benchmarks.bench import knees, own, parts
from benchmarks.bench.boards import boards
from benchmarks.bench.contestants import ALL, versions
from benchmarks.bench.figures import Figure, into, read, tables, write
from benchmarks.bench.plots import plot
from benchmarks.bench.viewers import viewers

PARTS = ("idle", "battles", "boards", "growth", "viewers", "cpu", "first-token")


def _steps(given: argparse.Namespace, left_out: list[str]) -> dict[str, Callable[[], list[Figure]]]:
    """What each part does at its full size."""
    names, rounds, database = given.contestants, given.rounds, given.database
    return {
        "idle": lambda: own.idle(20.0, rounds),
        "battles": lambda: own.battles(400, 16, rounds, database, left_out),
        "boards": lambda: boards((10_000, 1_670_000), 5.0, rounds),
        "growth": lambda: own.growth(200, min(rounds, 2), (1, 4, 16, 64), (1, 2, 4, 8), (1, 2, 4)),
        "viewers": lambda: viewers((100, 500, 1000), 8.0, rounds),
        "cpu": lambda: parts.cpu_per_token(names, 64, 8.0, rounds, left_out),
        "first-token": lambda: parts.first_tokens(names, (1, 16, 50, 200), rounds, left_out),
    }


def _quick_steps(given: argparse.Namespace, left_out: list[str]) -> dict[str, Callable[[], list[Figure]]]:
    """The same once, small and short."""
    names, database = given.contestants, given.database
    return {
        "idle": lambda: own.idle(5.0, 1),
        "battles": lambda: own.battles(60, 8, 1, database, left_out),
        "boards": lambda: boards((10_000,), 2.0, 1),
        "growth": lambda: own.growth(40, 1, (1, 8), (1, 2), (1, 2)),
        "viewers": lambda: viewers((100,), 5.0, 1),
        "cpu": lambda: parts.cpu_per_token(names, 16, 4.0, 1, left_out),
        "first-token": lambda: parts.first_tokens(names, (1, 16), 1, left_out),
    }


def _measured(given: argparse.Namespace, left_out: list[str]) -> list[Figure]:
    steps = (_quick_steps if given.quick else _steps)(given, left_out)
    found: list[Figure] = []
    for name in given.only or PARTS:
        began = time.perf_counter()
        print(f"measuring {name} …", flush=True)
        found += steps[name]()
        print(f"  {time.perf_counter() - began:.0f} s", flush=True)
        if given.json is not None:  # what is there is kept, whatever becomes of the parts that follow
            write(found, _summary(left_out, quick=given.quick), given.json)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--contestants", nargs="+", default=list(ALL), choices=list(ALL), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, few streams, short windows")
    parser.add_argument("--database", default="", metavar="URL", help="a PostgreSQL for battles and votes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--into", type=Path, metavar="FILE.md", help="put the tables between the marks of this document"
    )
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="PNG of what grows; needs the extra plot")
    parser.add_argument("--shown", type=Path, nargs="+", metavar="FILE", help="measure nothing: show what --json wrote")
    return parser.parse_args()


def _summary(left_out: list[str], *, quick: bool) -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    missing = "; ".join(dict.fromkeys(left_out)) or "nobody"
    how = "one round, small (`--quick`)" if quick else "in full"
    when = f"On {time.strftime('%Y-%m-%d')}, load average {load} at the end, {os.cpu_count()} cores"
    return f"{when}, {how}; {versions()}; left out: {missing.rstrip('.')}."


def _main() -> None:
    given, left_out = _arguments(), list[str]()
    if given.shown is not None:
        summaries, figures = zip(*map(read, given.shown), strict=True)
        summary, found = "\n".join(summaries), list(chain.from_iterable(figures))
    else:
        found = _measured(given, left_out)
        summary = _summary(left_out, quick=given.quick)
    text = f"{summary}\n{tables(found)}\n{knees.table(knees.knees(found))}"
    print(text)
    if given.into is not None:
        into(given.into, text)
    if given.plots is not None:
        print("\n".join(map(str, plot(found, given.plots))))


if __name__ == "__main__":
    _main()
