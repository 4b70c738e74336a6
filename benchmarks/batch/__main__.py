"""Seconds a job of a run as it is scheduled, against one and four workers in chain order, in virtual time.

    python -m benchmarks.batch [--jobs 1764] [--windows]

1764 jobs of three calls (A, B, A) on a card with room for one model, loads of 1 to 7 s. The 15.7 s that a job takes
today are split in two ways: calls of 4.0 s and loads of 1.85 s, or calls of 2.57 s and loads of 4.0 s.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from app.batch.chain import largest_window
from benchmarks.batch.night import Case, Curve, Outcome, estimated, in_chain_order, measured, scheduled

SPLITS = {"i": (4.0, 1.85), "ii": (2.57, 4.0)}
CURVES: dict[str, Curve] = {"2.9": estimated, "1.5": measured}


def row(name: str, outcome: Outcome, today: float, case: Case | None = None) -> str:
    """One line of the table."""
    bound = "" if case is None else f"{case.bound_s:6.2f} {outcome.per_job_s / case.bound_s:5.2f}"
    times = f"{outcome.per_job_s:6.2f} {today / outcome.per_job_s:5.2f}"
    return f"{name:<48} {times} {bound:<12} {outcome.loads:>6} {outcome.first_s:>7.0f} {outcome.half_s / 3600:>6.2f}"


def split(name: str, jobs: int) -> None:
    """The table of one split."""
    call_s, load_s = SPLITS[name]
    base = Case(call_s, load_s, jobs=jobs)
    today = in_chain_order(replace(base, slots=1), 1)
    print(f"\nsplit {name}: calls {call_s} s, loads {load_s} s")
    print(f"{'':<48} {'s/job':>6} {'times':>5} {'bound':>6} {'ratio':>5} {'loads':>6} {'first s':>7} {'half h':>6}")
    print(row("(a) one worker in chain order", today, today.per_job_s))
    for slots, curve in ((1, "2.9"), (4, "2.9"), (4, "1.5")):
        case = replace(base, slots=slots, curve=CURVES[curve])
        label = f"{slots} slots" + (f", sigma {curve}" if slots > 1 else "")
        print(row(f"(b) four workers in chain order, {label}", in_chain_order(case, 4), today.per_job_s))
        print(row(f"    arena, {label}", scheduled(case), today.per_job_s, case))
    card = replace(base, parallel={"b": 1})
    print(row("    arena, 6 GB card: A 4 slots, B 1", scheduled(card), today.per_job_s, card))
    for hosts in (2, 3):
        case = replace(base, hosts=hosts, window=largest_window(hosts))
        print(row(f"    arena, {hosts} hosts, 4 slots, sigma 2.9", scheduled(case), today.per_job_s, case))


def windows(jobs: int) -> None:
    """How the largest window changes it."""
    for name, (call_s, load_s) in SPLITS.items():
        print(f"\nsplit {name}, 4 slots, sigma 2.9: the largest window")
        today = in_chain_order(Case(call_s, load_s, slots=1, jobs=jobs), 1).per_job_s
        for window in (16, 32, 64, 128):
            case = Case(call_s, load_s, jobs=jobs, window=window)
            print(row(f"    window {window}", scheduled(case), today, case))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1764)
    parser.add_argument("--windows", action="store_true")
    given = parser.parse_args()
    for name in SPLITS:
        split(name, given.jobs)
    if given.windows:
        windows(given.jobs)


if __name__ == "__main__":
    main()
