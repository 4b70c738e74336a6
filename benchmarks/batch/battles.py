"""How much longer people wait beside a batch run, in virtual time, on one card with the arena's own planner.

    python -m benchmarks.batch.battles [--hours 4]

Every 30 s on average somebody asks two models, c and d, for an answer of 4 s each; a run keeps as many calls of a and b
waiting as it may. Models that write at the same time share the card. What is compared is the time from the question to
the second answer's end: without a batch and with it, where all four models fit, and where only two do.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass, field

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Load, Resident, Start, Unload, View, plan
from benchmarks.batch.night import estimated

CALL_S, LOAD_S, SLOTS = 4.0, 4.0, 4
EVERY_S = 30.0
BATCH_MODELS = ("a", "b")


@dataclass(slots=True)
class Card:
    """A host in virtual time: ``fitting`` models fit at once."""

    fitting: int
    rng: random.Random
    now: float = 0.0
    residents: dict[str, Resident] = field(default_factory=dict)
    waiting: list[Job] = field(default_factory=list)
    writing: dict[Job, float] = field(default_factory=dict)
    loading: tuple[str, float] | None = None
    people_at: float = float("-inf")

    def act(self) -> None:
        """Do what the planner says, until it says nothing more."""
        while actions := plan(self._view()):
            for action in actions:
                match action:
                    case Start(job):
                        self.waiting.remove(job)
                        if job.priority is not Priority.BATCH:
                            self.people_at = self.now
                        self.writing[job] = self.rng.gammavariate(4, CALL_S / 4)
                    case Unload(model):
                        del self.residents[model]
                    case Load(model):
                        self.loading = (model, self.now + LOAD_S)

    def _view(self) -> View:
        flying: dict[str, int] = {}
        batch: dict[str, int] = {}
        for job in self.writing:
            flying[job.model] = flying.get(job.model, 0) + 1
            if job.priority is Priority.BATCH:
                batch[job.model] = batch.get(job.model, 0) + 1
        return View(
            self.now,
            tuple(self.residents.values()),
            tuple(self.waiting),
            flying,
            batch,
            self.people_at,
            loading=None if self.loading is None else self.loading[0],
            slots=SLOTS,
            budget=Budget(max_models=self.fitting),
            usual_change_s=LOAD_S,
        )

    def _rate(self, job: Job) -> float:
        models = {one.model for one in self.writing}
        same = sum(one.model == job.model for one in self.writing)
        return estimated(same) / len(models)

    def until(self) -> float:
        """The moment of the next end."""
        ends = [self.now + left / self._rate(job) for job, left in self.writing.items()]
        return min([*ends, *([self.loading[1]] if self.loading else [])], default=float("inf"))

    def advance(self, moment: float) -> list[Job]:
        """Let time pass; the answers that ended."""
        rates = {job: self._rate(job) for job in self.writing}
        for job, rate in rates.items():
            self.writing[job] -= (moment - self.now) * rate
        self.now = moment
        if self.loading is not None and self.loading[1] <= moment + 1e-9:
            self.residents[self.loading[0]] = Resident(self.loading[0], 1, moment, moment)
            self.loading = None
        ended = [job for job, left in self.writing.items() if left <= 1e-9]
        for job in ended:
            del self.writing[job]
        return ended


def waits(hours: float, fitting: int, *, batch: bool, seed: int = 3) -> tuple[list[float], int]:
    """How long each question waited for both answers, in seconds, and how many calls of the batch were done."""
    arrivals, card = random.Random(seed), Card(fitting, random.Random(seed + 1))
    asked: dict[str, float] = {}
    left: dict[str, int] = {}
    found: list[float] = []
    next_at, number, calls = arrivals.expovariate(1 / EVERY_S), 0, 0
    while card.now < hours * 3600:
        if batch:
            for model in BATCH_MODELS:
                queued = [job for job in (*card.waiting, *card.writing) if job.model == model]
                for _ in range(2 * SLOTS + 1 - len(queued)):
                    number += 1
                    card.waiting.append(Job(f"batch-{number:08}", 0, model, Priority.BATCH, card.now))
        card.act()
        moment = min(card.until(), next_at)
        for job in card.advance(moment):
            if job.priority is Priority.BATCH:
                calls += 1
                continue
            left[job.battle] -= 1
            if not left[job.battle]:
                found.append(card.now - asked[job.battle])
        if moment == next_at:
            number += 1
            name = f"battle{number:08}"
            asked[name], left[name] = card.now, 2
            card.waiting += [
                Job(name, entry, model, Priority.INTERACTIVE, card.now) for entry, model in enumerate("cd")
            ]
            next_at += arrivals.expovariate(1 / EVERY_S)
    return sorted(found), calls


def p95(found: list[float]) -> float:
    """The 95th percentile."""
    return found[int(0.95 * (len(found) - 1))]


def main() -> None:
    """Print what a batch costs those who wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    hours = parser.parse_args().hours
    for fitting, words in ((4, "all four models fit"), (2, "two of the four fit")):
        alone, _ = waits(hours, fitting, batch=False)
        beside, calls = waits(hours, fitting, batch=True)
        more = p95(beside) - p95(alone)
        print(
            f"{words}: p50 {alone[len(alone) // 2]:.1f} and {beside[len(beside) // 2]:.1f} s, p95 {p95(alone):.1f} and "
            f"{p95(beside):.1f} s: {p95(beside) / p95(alone):.2f} times, {more:.1f} s more; "
            f"{calls / hours:.0f} calls of the batch an hour, {len(beside)} questions"
        )


if __name__ == "__main__":
    main()
