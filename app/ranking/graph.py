"""Who can be compared with whom: islands, and groups that only ever won or lost against the rest.

The ratings of Bradley and Terry exist only where a chain of wins (a tie counts for both) leads from every model to
every other one (Ford 1957). Models that no chain of votes connects at all are *islands*: nothing is known between them.
Models on one island without such a chain both ways are *separable*: the likelihood grows for ever as they move apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """``island`` and ``group`` number each model's; both count from 0, island 0 being that with the most votes.

    ``above`` and ``below`` say for each model whether another group of its island only ever lost to it (directly or
    along a chain), or only ever won. ``reach[i, j]``: a chain of wins and ties leads from i to j.
    """

    island: Ints
    group: Ints
    above: Bools
    below: Bools
    reach: Bools

    @property
    def islands(self) -> int:
        """How many islands there are."""
        return int(self.island.max(initial=-1)) + 1

    @property
    def separable(self) -> bool:
        """True when an island falls into several groups, so that its ratings would run away."""
        return int(self.group.max(initial=-1)) + 1 > self.islands


def survey(models: int, left: Ints, right: Ints, left_points: npt.ArrayLike, right_points: npt.ArrayLike) -> Ground:
    """Find islands and groups from cells: who met, and the points each side got (a tie gives points to both)."""
    beat = np.zeros((models, models))
    np.add.at(beat, (left, right), left_points)
    np.add.at(beat, (right, left), right_points)
    met = beat + beat.T
    reach = _closure(beat > 0)
    return Ground(
        island=_by_votes(_closure(met > 0), met),
        group=_numbered(reach & reach.T),
        above=np.asarray((reach & ~reach.T).any(axis=1)),
        below=np.asarray((reach.T & ~reach).any(axis=1)),
        reach=reach,
    )


def ties_hold(models: int, left: Ints, right: Ints, left_wins: Floats, right_wins: Floats, ties: Floats) -> bool:
    """Tell whether a tie parameter has a maximum beside the ratings.

    Ratings and tie parameter can grow together for ever if there are distances in which every win spans at least one
    step and every tie at most one. Such distances exist unless these bounds contradict each other around some circle
    (Bellman and Ford find it): two wins, one each way, are enough.
    """
    won, lost, tied = left_wins > 0, right_wins > 0, ties > 0
    start = np.concatenate([left[won], right[lost], left[tied], right[tied]])
    end = np.concatenate([right[won], left[lost], right[tied], left[tied]])
    length = np.repeat([-1.0, 1.0], [won.sum() + lost.sum(), 2 * tied.sum()])
    place = np.zeros(models)
    for _ in range(models + 1):
        before = place.copy()
        np.minimum.at(place, end, before[start] + length)
        if np.array_equal(place, before):
            return False
    return bool(tied.any())


def battles_of_each(battle: Ints, left: Ints, right: Ints, size: int, weight: Ints) -> Ints:
    """In how many battles each of ``size`` was judged; sorted by hand, ten times as fast as numpy's ``unique`` here.

    A row of ``weight`` n is n battles of one vote each.
    """
    codes = np.sort(np.concatenate([battle * size + left, battle * size + right]))
    numbered = np.bincount(codes[np.diff(codes, prepend=-1) > 0] % max(size, 1), minlength=size)
    return numbered + weighed(left, weight - 1, size) + weighed(right, weight - 1, size)


def weighed(of: Ints, weight: Ints, size: int) -> Ints:
    """The sum of ``weight`` for each of ``size``; whole numbers of that size are exact in floats."""
    return np.bincount(of, weights=weight, minlength=size).astype(np.intp)


def _closure(step: Bools) -> Bools:
    """Who reaches whom in any number of steps, by squaring until nothing is added."""
    reach = np.asarray(step | np.eye(len(step), dtype=bool))
    while True:
        floats = reach.astype(np.float32)
        further = np.asarray(floats @ floats > 0)
        if np.array_equal(further, reach):
            return reach
        reach = further


def _numbered(same: Bools) -> Ints:
    """Number the classes of an equivalence by their first member."""
    first = same.argmax(axis=1) if len(same) else np.zeros(0, dtype=np.intp)
    return np.unique(first, return_inverse=True)[1].astype(np.intp)


def _by_votes(same: Bools, met: Floats) -> Ints:
    """Number islands by their votes, most first; the first member decides between equals."""
    plain = _numbered(same)
    votes = np.bincount(plain, weights=met.sum(axis=1))
    rank = np.empty(len(votes), dtype=np.intp)
    rank[np.argsort(-votes, kind="stable")] = np.arange(len(votes))
    return rank[plain]
