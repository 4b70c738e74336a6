"""Whether intervals hold what many voters would say, when few of different tastes voted.

    python -m benchmarks.voters --arenas 300

Each line is a poll of so many voters, who vote in turn on eight models; a voter's own ratings differ from the mean ones
by ``taste`` logits (standard deviation). It prints how many intervals of 95 % hold the rating that endless voters would
give, clustered by battle and by voter, and how long they are on the mean (half, in Elo points).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from app.ranking.bradley_terry import ELO, Cells, fit
from app.ranking.clusters import widened
from app.ranking.graph import Ints
from app.ranking.intervals import uncertainty
from app.ranking.likelihoods import Floats
from app.ranking.table import aggregated

_Z = 1.959963984540054
_MODELS = 8


@dataclass(frozen=True, slots=True)
class Poll:
    """``votes`` by ``voters``; with ``unequal`` the voters' shares go as 1, 1/2, 1/3 …, else they are the same."""

    voters: int
    votes: int = 1000
    taste: float = 0.7
    unequal: bool = False


POLLS = (
    Poll(2),
    Poll(4),
    Poll(8),
    Poll(20),
    Poll(4, taste=0.0),
    Poll(20, taste=0.0),
    Poll(6, unequal=True),
    Poll(20, unequal=True),
)


@dataclass(frozen=True, slots=True)
class Held:
    """The share of intervals that hold the truth, and their mean half length in Elo points."""

    share: float
    half: float


def polled(poll: Poll, random: np.random.Generator) -> tuple[Cells, Ints]:
    """The votes, one cell each, and who cast them."""
    ratings = np.linspace(-0.8, 0.8, _MODELS) + poll.taste * random.standard_normal((poll.voters, _MODELS))
    who = np.arange(poll.votes) % poll.voters
    if poll.unequal:
        share = 1.0 / np.arange(1, poll.voters + 1)
        who = random.choice(poll.voters, poll.votes, p=share / share.sum())
    left = random.integers(0, _MODELS, poll.votes)
    right = (left + random.integers(1, _MODELS, poll.votes)) % _MODELS
    p = 1.0 / (1.0 + np.exp(ratings[who, right] - ratings[who, left]))
    drawn, tie = random.random(poll.votes), 1.2 * p * (1.0 - p)
    tied, won = drawn < tie, (drawn >= tie) & (drawn < p + tie / 2)
    parts = [part.astype(np.float64) for part in (won, ~won & ~tied, tied)]
    return Cells(_MODELS, left, right, parts[0], parts[1], parts[2], np.zeros((poll.votes, 0))), who


def held(poll: Poll, arenas: int, seed: int = 8) -> tuple[Held, Held]:
    """How intervals do that are clustered by battle, and by voter."""
    random = np.random.default_rng(seed)
    endless = Poll(200_000, 200_000, poll.taste)
    truth = fit(aggregated(polled(endless, random)[0])).theta
    found = [_errors(poll, random, truth) for _ in range(arenas)]
    by_battle, by_voter = (
        Held(
            float(np.mean([np.abs(off) <= _Z * errors[kind] for off, errors in found])),
            float(np.mean([errors[kind] for _, errors in found]) * _Z * ELO),
        )
        for kind in range(2)
    )
    return by_battle, by_voter


def _errors(poll: Poll, random: np.random.Generator, truth: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """How far the ratings of one poll are off, and their standard errors by battle and by voter."""
    votes, who = polled(poll, random)
    cells, battle = aggregated(votes), np.arange(poll.votes)
    fitted = fit(cells)
    plain = uncertainty(votes, battle, cells, fitted)
    wide = widened(votes, fitted, plain, who, np.zeros(poll.votes, dtype=bool), 0.95)
    return fitted.theta - truth, (np.sqrt(np.diag(plain.covariance)), np.sqrt(np.diag(wide.covariance)))


def main() -> None:
    """Print a line for each poll."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arenas", type=int, default=300)
    arenas = parser.parse_args().arenas
    for poll in POLLS:
        by_battle, by_voter = held(poll, arenas)
        shares = "  ".join(
            f"{name} {one.share:.3f} (±{one.half:.0f})" for name, one in (("battle", by_battle), ("voter", by_voter))
        )
        print(f"{poll}\n    {shares}", flush=True)


if __name__ == "__main__":
    main()
