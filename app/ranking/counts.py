"""Plain counts by model: what was fought, won, lost and tied, and as which entrant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.ranking.graph import Ints, battles_of_each, weighed
from app.ranking.table import BOTH_BAD, TIE, A, B, VoteTable


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """Plain counts by model."""

    battles: Ints
    votes: Ints
    wins: Ints
    losses: Ints
    ties: Ints
    both_bad: Ints
    entries: Ints

    def win_rate(self, n: int) -> float:
        """Wins and half the ties, of the votes that compare; 0 without any."""
        rated = int(self.wins[n] + self.losses[n] + self.ties[n])
        return figure((self.wins[n] + 0.5 * self.ties[n]) / rated, 4) if rated else 0.0


def tally_votes(table: VoteTable) -> ModelCounts:
    """Count by model what is in the table."""
    n = len(table.models)

    def count(sides: Ints, verdict: int | None = None) -> Ints:
        counted = slice(None) if verdict is None else table.verdict == verdict
        return weighed(sides[counted], table.weight[counted], n)

    return ModelCounts(
        battles=battles_of_each(table.battle, table.left, table.right, n, table.weight),
        votes=count(table.left) + count(table.right),
        wins=count(table.left, A) + count(table.right, B),
        losses=count(table.left, B) + count(table.right, A),
        ties=count(table.left, TIE) + count(table.right, TIE),
        both_bad=count(table.left, BOTH_BAD) + count(table.right, BOTH_BAD),
        entries=_by_entry(table),
    )


def _by_entry(table: VoteTable) -> Ints:
    """A row for each model with its votes by the place at which it entered its battle."""
    models = len(table.models)
    sides, entries = np.concatenate([table.left, table.right]), np.concatenate([table.entry_a, table.entry_b])
    size = int(entries.max(initial=-1)) + 1
    known = entries >= 0
    weight = np.concatenate([table.weight, table.weight])
    return weighed(sides[known] * size + entries[known], weight[known], models * size).reshape(models, size)


def figure(value: float, digits: int = 2) -> float:
    """Round, and make minus zero zero."""
    return round(float(value), digits) + 0.0
