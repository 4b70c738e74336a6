"""How often a board of few votes names another model first than the best.

    python -m benchmarks.sparse_boards --boards 1000

Each line is boards of 20 votes on pairs drawn at random, of which one model is better than all others by 600 Elo points
and the others are equal. ``first`` is how often another model is in the first row; the finding and the highest P(best)
have to name that same row. ``limit`` is how often one errs who knows of the 600 points and of the equals, and only
not which model it is: no rule does better. ``P(best)`` is the mean of what the boards claim for their first rows.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from app.battle.battle import Verdict
from app.ranking.board import Leaderboard, Rules
from app.ranking.bradley_terry import ELO
from app.ranking.leaderboard import build_leaderboard
from app.ranking.votes import JudgedPair

BEST = "m0"
GAP_ELO = 600.0
VOTES = 20


def lopsided(random: np.random.Generator, models: int, votes: int = VOTES) -> list[JudgedPair]:
    """Votes on random pairs, of which ``m0`` is better than all others by 600 points."""
    theta = np.where(np.arange(models) == 0, GAP_ELO / ELO, 0.0)
    rows = []
    for _ in range(votes):
        one, other = random.choice(models, 2, replace=False)
        won = random.random() < 1 / (1 + np.exp(theta[other] - theta[one]))
        rows.append(JudgedPair(f"m{one}", f"m{other}", Verdict.A if won else Verdict.B))
    return rows


@dataclass(frozen=True, slots=True)
class Named:
    """Shares of boards; ``limit`` and ``claimed`` as above.

    ``wrong`` are first rows, ``clearly_wrong`` findings. ``contradicted`` are first rows of which the finding or a
    higher P(best) below them says otherwise.
    """

    wrong: float
    clearly_wrong: float
    contradicted: float
    claimed: float
    limit: float


def name_first(models: int, boards: int, seed: int = 16, votes: int = VOTES) -> Named:
    """Make ``boards`` boards and count."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(boards):
        rows = lopsided(random, models, votes)
        board = build_leaderboard(rows, Rules(draws=2000))
        wrong = board.leaderboard[0].model != BEST
        clearly = board.finding.state == "clear" and board.finding.first != BEST
        claimed = board.leaderboard[0].p_best or 0.0
        found.append((wrong, clearly, _contradicted(board), claimed, _likeliest(rows, models, random) != BEST))
    return Named(*np.mean(np.array(found, dtype=np.float64), axis=0).tolist())


def _contradicted(board: Leaderboard) -> bool:
    first = board.leaderboard[0]
    highest = max(row.p_best or 0.0 for row in board.leaderboard)
    return board.finding.first != first.model or first.p_best != highest


def _likeliest(rows: list[JudgedPair], models: int, random: np.random.Generator) -> str:
    """Who is the best by the likelihood of what was simulated; one of those that are as likely, by lot."""
    win = 1.0 / (1.0 + np.exp(-GAP_ELO / ELO))
    likelihood = dict.fromkeys((f"m{n}" for n in range(models)), 0.0)
    for row in rows:
        won, lost = (row.model_a, row.model_b) if row.verdict is Verdict.A else (row.model_b, row.model_a)
        likelihood[won] += np.log(2.0 * win)
        likelihood[lost] += np.log(2.0 * (1.0 - win))
    highest = max(likelihood.values())
    return str(random.choice([model for model, value in likelihood.items() if value > highest - 1e-9]))


def main() -> None:
    """Print a line for each number of models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=200)
    boards = parser.parse_args().boards
    print("models   first   limit   P(best)   clear and wrong   contradicted")
    for models in (3, 4, 5, 6, 8, 10):
        found = name_first(models, boards)
        print(
            f"{models:6}  {found.wrong:6.3f}  {found.limit:6.3f}  {found.claimed:8.3f}"
            f"  {found.clearly_wrong:16.3f}  {found.contradicted:13.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
