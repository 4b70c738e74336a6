"""What a crowd could come to at most if only changes of models cost time: one idealised card. Pure.

A card has room for some of the models. A change takes one place for as long as a load takes, and the next one begins
when the server is done waiting for the memory of the last. Nothing else costs anything: an answer takes as long as one
that is written alone, whatever is written beside it; nothing is drained, nothing is asked, no battle has a second round
to wait for. A model goes once nobody waits for it, the longest resident first, for the model for which most wait. With
``Waits.flush_share`` the server does what was recorded as well: at that share of the loads it goes by the wrong reading
of what is free and evicts all.

That is no proof of a bound, but an estimate from above: which model goes and which comes changes it by 1 %, and all
that is left out costs a real scheduler something.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from benchmarks.scheduling.figures import percentile


@dataclass(frozen=True, slots=True)
class Waits:
    """What changes cost, in seconds and shares of all.

    A model is gone after ``gone_s`` and another there ``load_s`` later. The next unload is done ``wait_s`` after the
    last one, but for the share ``at_once``. At ``flush_share`` of the changes all models leave, which takes
    ``flush_s`` longer.
    """

    gone_s: float = 0.1
    load_s: float = 2.0
    wait_s: float = 5.0
    at_once: float = 1 / 8
    flush_share: float = 0.0
    flush_s: float = 6.4


@dataclass(frozen=True, slots=True)
class Users:
    """Who plays: ``users`` with a pause of about ``pause_s`` who draw ``answers`` of ``models`` for each battle."""

    users: int = 25
    pause_s: float = 10.0
    models: int = 5
    places: int = 3
    answers: int = 3
    slots: int = 4
    answer_s: float = 0.46


Kind = Literal["opens", "ended", "loaded", "waited"]


@dataclass(slots=True)
class Card:
    """The idealised card and its users; ``times`` are those of battles that ended, with the moment of the end."""

    users: Users
    waits: Waits
    chance: random.Random
    now: float = 0.0
    times: list[tuple[float, float]] = field(default_factory=list)
    changes: int = 0
    _events: list[tuple[float, int, Kind, int, int]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _present: dict[int, float] = field(default_factory=dict)
    _waiting: dict[int, deque[int]] = field(default_factory=dict)
    _busy: Counter[int] = field(default_factory=Counter)
    _left: dict[int, tuple[int, float]] = field(default_factory=dict)
    _loading: bool = False
    _ready_at: float = 0.0

    def play(self, seconds: float) -> None:
        """Let the users play for so long, from an idle card."""
        self._present = dict.fromkeys(range(self.users.places), 0.0)
        self._waiting = {model: deque() for model in range(self.users.models)}
        for _ in range(self.users.users):
            self._later(self.chance.uniform(0.0, self.users.pause_s), "opens")
        while self._events and self._events[0][0] <= seconds:
            self.now, _, kind, model, battle = heapq.heappop(self._events)
            self._happens(kind, model, battle)
            self._change()

    def _later(self, after_s: float, kind: Kind, model: int = -1, battle: int = -1) -> None:
        heapq.heappush(self._events, (self.now + after_s, next(self._numbers), kind, model, battle))

    def _happens(self, kind: Kind, model: int, battle: int) -> None:
        if kind == "opens":
            self._opens()
        elif kind == "ended":
            self._busy[model] -= 1
            self._ended(battle)
            self._start(model)
        elif kind == "loaded":
            self._loading = False
            self._present[model] = self.now
            self._start(model)

    def _opens(self) -> None:
        battle = next(self._numbers)
        self._left[battle] = self.users.answers, self.now
        for model in self.chance.sample(range(self.users.models), self.users.answers):
            self._waiting[model].append(battle)
            self._start(model)

    def _ended(self, battle: int) -> None:
        left, began = self._left[battle]
        self._left[battle] = left - 1, began
        if left == 1:
            self.times.append((self.now, self.now - began))
            self._later(self.users.pause_s * self.chance.uniform(0.5, 1.5), "opens")

    def _start(self, model: int) -> None:
        waiting = self._waiting[model]
        while model in self._present and waiting and self._busy[model] < self.users.slots:
            self._busy[model] += 1
            self._later(self.users.answer_s, "ended", model, waiting.popleft())

    def _change(self) -> None:
        """Bring the model for which most wait, into free room or in the place of one for which nobody waits."""
        absent = [model for model, jobs in self._waiting.items() if jobs and model not in self._present]
        if self._loading or not absent:
            return
        comes, waits = max(absent, key=lambda model: len(self._waiting[model])), self.waits
        after_s = waits.load_s
        if len(self._present) >= self.users.places:
            idle = [model for model in self._present if not self._busy[model] and not self._waiting[model]]
            if not idle or self.now < self._ready_at:
                return
            del self._present[min(idle, key=self._present.__getitem__)]
            wait_s = waits.gone_s if self.chance.random() < waits.at_once else waits.wait_s + waits.gone_s
            after_s += waits.gone_s
            if self.chance.random() < waits.flush_share:
                self._present.clear()
                after_s += waits.flush_s
                wait_s = waits.flush_s
            self._ready_at = self.now + wait_s
            self._later(wait_s, "waited")
        self._loading = True
        self.changes += 1
        self._later(after_s, "loaded", comes)


def at_most(
    waits: Waits, users: Users | None = None, *, seconds: float = 600.0, seeds: Sequence[int] = (1, 2, 3)
) -> dict[str, float]:
    """The means of the seeds: p50 and p95 of battles in seconds, and battles and changes a minute."""
    cards = []
    for seed in seeds:
        card = Card(users or Users(), waits, random.Random(f"{seed} bound"))
        card.play(seconds)
        cards.append(card)
    return {
        "p50": fmean(percentile((time for _, time in card.times), 0.5) for card in cards),
        "p95": fmean(percentile((time for _, time in card.times), 0.95) for card in cards),
        "battles/min": 60 * fmean(len(card.times) for card in cards) / seconds,
        "loads/min": 60 * fmean(card.changes for card in cards) / seconds,
    }
