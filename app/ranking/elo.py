"""Online Elo: a rating that moves with every vote, for a glance between fits; it depends on the order of the votes.

Each vote moves both ratings by ``k`` times the score less the expected one, 1 / (1 + 10^((theirs - ours) / 400)).
"""

from __future__ import annotations

from collections.abc import Iterable

from app.battle.battle import Verdict
from app.ranking.votes import JudgedPair

_SCORES = {Verdict.A: 1.0, Verdict.B: 0.0, Verdict.TIE: 0.5}


def online_elo(rows: Iterable[JudgedPair], k: float = 4.0, start: float = 1000.0) -> dict[str, float]:
    """Replay ``rows`` in their order; a vote that finds both bad moves nothing."""
    ratings: dict[str, float] = {}
    for row in rows:
        ours, theirs = ratings.setdefault(row.model_a, start), ratings.setdefault(row.model_b, start)
        score = _SCORES.get(row.verdict)
        if score is None or row.model_a == row.model_b:
            continue
        change = k * (score - 1.0 / (1.0 + 10.0 ** ((theirs - ours) / 400.0)))
        ratings[row.model_a], ratings[row.model_b] = ours + change, theirs - change
    return ratings
