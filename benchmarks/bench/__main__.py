"""Everything a user would pick instead, side by side in one run.

    python -m benchmarks.bench [--only first-token|cpu|battles|viewers|idle] [--quick] [--json FILE] [--plots FOLDER]

Contestants: the model server itself, a bare aiohttp relay, LiteLLM's proxy, Olla, and the arena, each with one worker,
before the same model server (benchmarks.model_server), on the same machine, in turns. Medians over the rounds with
their spread. ``--quick`` takes a minute or two and says nothing about waiting times on a machine that does other
things: CPU figures still hold there, since they are read from /proc. Votes go into SQLite, or into ``--database``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import own, parts
from benchmarks.bench.contestants import ALL
from benchmarks.bench.figures import Figure, plot, tables, write
from benchmarks.bench.viewers import viewers


def _measured(given: argparse.Namespace, left_out: list[str]) -> list[Figure]:
    quick, names = given.quick, given.contestants
    counts = (1, 16) if quick else (1, 16, 50, 200)
    rounds = 1 if quick else given.rounds
    streams, window_s = (16, 4.0) if quick else (64, 10.0)
    count, users = (60, 8) if quick else (400, 16)
    steps: dict[str, Callable[[], list[Figure]]] = {
        "idle": lambda: own.idle(5.0 if quick else 30.0, rounds),
        "battles": lambda: own.battles(count, users, rounds, given.database),
        "cpu": lambda: parts.cpu_per_token(names, streams, window_s, rounds, left_out),
        "viewers": lambda: viewers((100,) if quick else (100, 500, 1000), 5.0 if quick else 10.0),
        "first-token": lambda: parts.first_tokens(names, counts, rounds, left_out),
    }
    found: list[Figure] = []
    for name in given.only or steps:
        print(f"measuring {name} …", flush=True)
        found += steps[name]()
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=["idle", "battles", "cpu", "viewers", "first-token"])
    parser.add_argument("--contestants", nargs="+", default=list(ALL), choices=list(ALL), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, few streams, short windows")
    parser.add_argument("--database", default="", metavar="URL", help="PostgreSQL for battles and votes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="PNG of what grows; needs the extra plot")
    given = parser.parse_args()
    left_out: list[str] = []
    found = _measured(given, left_out)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(tables(found))
    print(f"\nload average {load}, {os.cpu_count()} cores; left out: {'; '.join(dict.fromkeys(left_out)) or 'nobody'}")
    if given.json is not None:
        write(found, left_out, given.json)
    if given.plots is not None:
        print("\n".join(map(str, plot(found, given.plots))))


if __name__ == "__main__":
    _main()
