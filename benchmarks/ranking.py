"""What ranking costs, and whether its intervals keep their word.

    python -m benchmarks.ranking speed              ratings from pairs, intervals from votes, a whole board
    python -m benchmarks.ranking coverage           intervals in simulated winner-stays arenas, 400 arenas a line

``speed`` prints CPU time, each figure with its ratio to a baseline of the same run: for ratings, the linear algebra and
the sums that Newton's steps can't do without; for intervals, one sort of the votes by pair. ``coverage`` prints how
many intervals of 95 % hold the true rating, centred and anchored to a model, apart for boards with one-sided models.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.battle.battle import Verdict
from app.ranking.board import Bounds, Rules
from app.ranking.bradley_terry import ELO, Cells, fit, pair_cells
from app.ranking.graph import Ints
from app.ranking.intervals import uncertainty
from app.ranking.leaderboard import board_of, build_leaderboard
from app.ranking.likelihoods import Floats
from app.ranking.one_sided import evidence_across
from app.ranking.rated import rate
from app.ranking.standing import difference_errors, stand
from app.ranking.table import TIE, A, B, VoteTable, aggregated, vote_cells
from app.ranking.votes import JudgedPair

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Scene:
    """An arena to simulate: ``entrants`` of ``models`` in each battle until there are ``votes``.

    ``ties`` is the share of ties between equals. True ratings are drawn with ``spread`` logits. ``noise`` is how much
    an answer's quality varies from prompt to prompt (logits); within a battle it stays, as answers do.
    """

    models: int
    votes: int
    entrants: int = 4
    ties: float = 0.35
    spread: float = 0.7
    noise: float = 0.0


SCENES = (
    Scene(5, 30, entrants=3, ties=0.0),
    Scene(3, 30, entrants=3),
    Scene(4, 30),
    Scene(5, 30),
    Scene(8, 60),
    Scene(8, 60, entrants=8),
    Scene(5, 100),
    Scene(5, 100, ties=0.0),
    Scene(8, 200),
    Scene(12, 500, entrants=3),
    Scene(8, 1000),
    Scene(4, 300, noise=1.0),
)


def play(scene: Scene, random: np.random.Generator, theta: Floats) -> VoteTable:
    """Battles in which the winner stays and meets the next; sides are drawn, a tie keeps the champion."""
    rows: list[tuple[int, ...]] = []
    battle = 0
    while len(rows) < scene.votes:
        order = random.permutation(scene.models)[: scene.entrants]
        quality = theta + scene.noise * random.standard_normal(scene.models)
        champion = 0
        for challenger in range(1, scene.entrants):
            if len(rows) == scene.votes:
                break
            verdict = _judge(scene, random, float(quality[order[champion]] - quality[order[challenger]]))
            sides, seen = ((champion, challenger), verdict)
            if random.random() < 0.5:
                sides, seen = (challenger, champion), {A: B, B: A, TIE: TIE}[verdict]
            rows.append((battle, challenger, order[sides[0]], order[sides[1]], seen, *sides))
            champion = challenger if verdict == B else champion
        battle += 1
    return _table(scene.models, np.array(rows, dtype=np.intp))


def _judge(scene: Scene, random: np.random.Generator, gap: float) -> int:
    """A verdict whose expected score is that of Bradley and Terry, with ties rarer between unequal answers."""
    p = 1.0 / (1.0 + np.exp(-gap))
    tie = scene.ties * 4.0 * p * (1.0 - p)
    drawn = random.random()
    return TIE if drawn < tie else A if drawn < tie + p - tie / 2 else B


def _table(models: int, rows: Ints) -> VoteTable:
    battle, round_, left, right, verdict, entry_a, entry_b = rows.T
    blank, alone = np.zeros((len(rows), 4)), np.ones(len(rows), dtype=np.intp)
    names = tuple(f"model-{number:03}" for number in range(models))
    return VoteTable(
        names, left, right, verdict, battle, round_, entry_a, entry_b, alone, blank, blank, -alone, -alone, None, ()
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of intervals that hold the truth; ``one_sided`` is that of boards without a finite maximum."""

    centred: float
    anchored: float
    one_sided: float | None
    one_sided_boards: int


def coverage(scene: Scene, arenas: int, seed: int = 1) -> Coverage:
    """Play ``arenas`` arenas and compare each interval with the truth."""
    random = np.random.default_rng(seed)
    fixed = _truth_under_noise(scene, random) if scene.noise else None
    centred: list[float] = []
    anchored: list[float] = []
    odd: list[float] = []
    while len(centred) + len(odd) < arenas:
        played = truth = random.normal(0.0, scene.spread, scene.models)
        if fixed is not None:
            played, truth = fixed
        table = play(scene, random, played)
        votes, battle = vote_cells(table)
        cells = aggregated(votes)
        fitted = fit(cells)
        if fitted.ground.islands > 1:
            continue
        if fitted.ground.separable:
            odd.append(_shown(table, truth))
            continue
        covariance = uncertainty(votes, battle, cells, fitted).covariance
        off = fitted.theta - (truth - truth.mean())
        centred.append(float((np.abs(off) <= _Z * np.sqrt(np.diag(covariance))).mean()))
        anchored.append(float((np.abs(off - off[0]) <= _Z * difference_errors(covariance)[0])[1:].mean()))
    mean = float(np.mean(odd)) if odd else None
    return Coverage(float(np.mean(centred)), float(np.mean(anchored)), mean, len(odd))


def _shown(table: VoteTable, truth: Floats) -> float:
    """The share of a board's intervals that hold the truth, with the ends that are left open."""
    scale = rate(table, Rules(minimum_votes=1, draws=2000)).scale
    rating = 1000.0 + ELO * (truth - scale.centre @ truth)
    held = ~(rating < scale.lower) & ~(rating > scale.upper)
    return float(held[[one is not Bounds.OPEN for one in scale.bounds]].mean())


def _truth_under_noise(scene: Scene, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Ratings to play with, and those that endless votes would show: noise flattens the differences."""
    played = np.linspace(-1.3 * scene.spread, 1.3 * scene.spread, scene.models)
    endless = Scene(scene.models, 200_000, scene.entrants, scene.ties, scene.spread, scene.noise)
    return played, fit(aggregated(vote_cells(play(endless, random, played))[0])).theta


def many_votes(models: int, pairs: int, votes: int, seed: int = 7) -> tuple[Cells, Ints]:
    """One cell per vote and the battle of each (three votes a battle), over ``pairs`` pairs that met."""
    random = np.random.default_rng(seed)
    theta = random.normal(0.0, 0.7, models)
    low, high = np.triu_indices(models, 1)
    chosen = random.choice(len(low), pairs, replace=False)
    which = chosen[(pairs * random.random(votes) ** 2).astype(np.intp)]
    left, right = low[which], high[which]
    p = 1.0 / (1.0 + np.exp(theta[right] - theta[left]))
    drawn, tie = random.random(votes), 1.4 * p * (1 - p)
    won, tied = (drawn >= tie) & (drawn < tie / 2 + p), drawn < tie
    parts = [part.astype(np.float64) for part in (won, ~won & ~tied, tied)]
    return Cells(models, left, right, parts[0], parts[1], parts[2], np.zeros((votes, 0))), np.arange(votes) // 3


def best_of(times: int, work: Callable[[], object]) -> float:
    """The least CPU time of some runs, in seconds: what else the machine does hardly matters to it."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def _bare_newton(cells: Cells) -> None:
    for _ in range(6):
        np.bincount(cells.left, cells.ties, cells.models)
        np.bincount(cells.left * cells.models + cells.right, cells.ties, cells.models**2)
        np.linalg.solve(np.eye(cells.models), np.ones(cells.models))


def speed(models: int, pairs: int, votes: int) -> None:
    """Print what the parts take."""
    ballots, battle = many_votes(models, pairs, votes)
    cells = aggregated(ballots)
    print(f"{votes:,} votes, {len(cells.left):,} pairs, {models} models")
    codes = ballots.left * models + ballots.right
    bare, sort = best_of(5, lambda: _bare_newton(cells)), best_of(3, lambda: np.argsort(codes))
    counts = (cells.left_wins, cells.right_wins, cells.ties)
    fitted = fit(cells)
    _say("ratings from pairs", best_of(7, lambda: fit(pair_cells(models, cells.left, cells.right, *counts))), bare)
    _say("pairs from votes", best_of(3, lambda: aggregated(ballots)), sort)
    taken = best_of(3, lambda: uncertainty(ballots, battle, cells, fitted))
    _say("intervals from votes", taken, sort)
    covariance = uncertainty(ballots, battle, cells, fitted).covariance
    _say(
        "ranks and P(best)",
        best_of(
            3,
            lambda: stand(cells, fitted, covariance, evidence_across(ballots, battle, fitted), Rules()),
        ),
        bare,
    )
    _say("a board from columns", best_of(1, lambda: board_of(_columns(ballots, battle), Rules())), sort)
    some = [_row(ballots, battle, number) for number in range(min(votes, 100_000))]
    _say(f"a board from {len(some):,} rows", best_of(1, lambda: build_leaderboard(some)), sort)


def _say(what: str, seconds: float, baseline: float) -> None:
    print(f"{what:<28} {seconds * 1e3:9.1f} ms   {seconds / baseline:7.1f} x the baseline")


def _columns(votes: Cells, battle: Ints) -> VoteTable:
    verdict = np.where(votes.left_wins > 0, A, np.where(votes.right_wins > 0, B, TIE))
    return _table(
        votes.models, np.stack([battle, battle * 0, votes.left, votes.right, verdict, battle * 0, battle * 0 + 1], 1)
    )


def _row(votes: Cells, battle: Ints, number: int) -> JudgedPair:
    verdict = Verdict.A if votes.left_wins[number] else Verdict.B if votes.right_wins[number] else Verdict.TIE
    names = f"model-{votes.left[number]:03}", f"model-{votes.right[number]:03}"
    return JudgedPair(*names, verdict, battle=f"battle-{battle[number]}", round=number, entry_a=0, entry_b=1)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "coverage"])
    parser.add_argument("--models", type=int, default=129)
    parser.add_argument("--pairs", type=int, default=3_460)
    parser.add_argument("--votes", type=int, default=1_670_000)
    parser.add_argument("--arenas", type=int, default=400)
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.models, given.pairs, given.votes)
        return
    for scene in SCENES:
        found = coverage(scene, given.arenas)
        odd = "" if found.one_sided is None else f"  one-sided boards {found.one_sided_boards}: {found.one_sided:.3f}"
        print(f"{scene}\n    centred {found.centred:.3f}  anchored {found.anchored:.3f}{odd}", flush=True)


if __name__ == "__main__":
    main()
