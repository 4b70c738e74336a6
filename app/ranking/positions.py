"""What entry order did: later entrants meet fewer opponents, so they win more battles without being better.

Among equal models the last of four entrants is champion in half of the battles and each of the first two in an
eighth. So nothing is ranked by battles won; the shares are shown for what they are. Neither are the win rates of places
those of a bias: later entrants meet winners, so that among models that are not equal they win less than half.
"""

from __future__ import annotations

import numpy as np

from app.ranking.board import EntryPosition
from app.ranking.graph import Ints, battles_of_each, weighed
from app.ranking.likelihoods import Floats
from app.ranking.table import BOTH_BAD, TIE, A, B, VoteTable


def entry_positions(table: VoteTable) -> tuple[EntryPosition, ...]:
    """Sum up the votes whose entry positions are known."""
    known = (table.entry_a >= 0) & (table.entry_b >= 0)
    if not known.any():
        return ()
    entry_a, entry_b, verdict, battle, weight = (
        column[known] for column in (table.entry_a, table.entry_b, table.verdict, table.battle, table.weight)
    )
    size = int(max(entry_a.max(), entry_b.max())) + 1
    fought, won = _battles(size, entry_a, entry_b, verdict, battle, weight)
    votes = weighed(entry_a, weight, size) + weighed(entry_b, weight, size)
    scored, rated = _points(size, entry_a, entry_b, verdict, weight)
    return tuple(
        EntryPosition(
            entry=entry,
            votes=int(votes[entry]),
            win_rate=_share(scored[entry], rated[entry]),
            battles=int(fought[entry]),
            battles_won_share=_share(won[entry], fought[entry]),
        )
        for entry in range(size)
    )


def _points(size: int, entry_a: Ints, entry_b: Ints, verdict: Ints, weight: Ints) -> tuple[Floats, Ints]:
    """By entry position: wins and half the ties, and the votes that they are of."""
    decided = verdict != BOTH_BAD
    points = np.where(verdict == A, 1.0, np.where(verdict == TIE, 0.5, 0.0))[decided]
    entry_a, entry_b, weight = entry_a[decided], entry_b[decided], weight[decided]
    scored = np.bincount(entry_a, weight * points, size) + np.bincount(entry_b, weight * (1.0 - points), size)
    return scored.astype(np.float64), weighed(entry_a, weight, size) + weighed(entry_b, weight, size)


def _battles(size: int, entry_a: Ints, entry_b: Ints, verdict: Ints, battle: Ints, weight: Ints) -> tuple[Ints, Ints]:
    """Battles fought and won by entry position; rows are in the order of battles and rounds."""
    last = np.flatnonzero(np.diff(battle, append=-1))
    # On a tie and when both are bad, the champion stays: it entered before its challenger.
    stays = np.where(verdict == A, entry_a, np.where(verdict == B, entry_b, np.minimum(entry_a, entry_b)))
    return battles_of_each(battle, entry_a, entry_b, size, weight), weighed(stays[last], weight[last], size)


def _share(part: float, whole: float) -> float | None:
    return round(float(part) / float(whole), 4) if whole else None
