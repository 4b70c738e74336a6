"""From votes to the leaderboard: select, fit, say how sure. A pure function of the votes, whatever order they came in.

    rows ─tabulate─► VoteTable ─► Cells ─fit─► ratings ─uncertainty─► intervals ─stand─► ranks ─► Leaderboard

``elo_rating`` is the contract's name for the rating; it is Bradley-Terry on the Elo scale, not a replay of matches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.ranking.board import BoardRow, Conclusion, Counts, Leaderboard, Method, ModelCard, Rules
from app.ranking.bradley_terry import ELO, Fit, fit
from app.ranking.counts import ModelCounts, figure, tally_votes
from app.ranking.fragility import Flips, flips_to_change_first, votes_to_separate
from app.ranking.intervals import Uncertainty, uncertainty
from app.ranking.likelihoods import Floats, shares
from app.ranking.positions import entry_positions
from app.ranking.standing import Provisional, Standing, stand
from app.ranking.votes import BOTH_BAD, TIE, A, B, JudgedPair, VoteTable, aggregated, tabulate, vote_cells

_INTERVAL = "sandwich, clustered by battle, small-sample corrected"


def build_leaderboard(
    rows: Iterable[JudgedPair], rules: Rules | None = None, cards: Iterable[ModelCard] = ()
) -> Leaderboard:
    """Rank ``rows``; models of ``cards`` without a vote are listed last, unranked."""
    rules = rules or Rules()
    return board_of(tabulate(rows, rules.selection), rules, cards)


def board_of(table: VoteTable, rules: Rules, cards: Iterable[ModelCard] = ()) -> Leaderboard:
    """Rank votes that are in columns already."""
    known, tally = {card.model: card for card in cards}, tally_votes(table)
    rated = _rate(table, rules) if bool((table.verdict != BOTH_BAD).any()) else None
    ranked = [] if rated is None else _rows(table, rated, known, tally)
    have = {row.model for row in ranked}
    unrated = sorted((set(table.models) | set(known)) - have)
    settled = sum(not row.provisional for row in ranked)
    total = len(ranked) + len(unrated)
    ranked += [_unrated(_card(known, model), table, rules, tally, settled + 1, total) for model in unrated]
    return Leaderboard(
        leaderboard=tuple(ranked),
        last_updated=table.newest_s,
        method=_method(rules, rated),
        counts=_counts(table, rated),
        finding=_finding(table, rated, known),
        positions=entry_positions(table),
    )


@dataclass(frozen=True, slots=True)
class _Rated:
    """A finished fit; ``elo`` and ``error`` are in Elo points, in the gauge of the board."""

    fit: Fit
    sure: Uncertainty
    standing: Standing
    elo: Floats
    error: Floats
    z: float
    anchor: int | None
    to_separate: int | None
    flips: Flips | None
    rules: Rules


def _rate(table: VoteTable, rules: Rules) -> _Rated:
    votes, battle = vote_cells(table, rules.features)
    cells = aggregated(votes)
    fitted = fit(cells, rules.ties)
    sure = uncertainty(votes, battle, cells, fitted)
    standing = stand(
        cells, fitted, sure.covariance, minimum_votes=rules.minimum_votes, level=rules.level, draws=rules.draws
    )
    anchor = _anchor(table, fitted, rules)
    elo, error = _in_gauge(fitted, sure.covariance, anchor, rules.gauge.at)
    return _Rated(
        fit=fitted,
        sure=sure,
        standing=standing,
        elo=elo,
        error=error,
        z=NormalDist().inv_cdf(0.5 + rules.level / 2),
        anchor=anchor,
        to_separate=votes_to_separate(fitted, sure, standing),
        flips=flips_to_change_first(cells, fitted, standing),
        rules=rules,
    )


def _anchor(table: VoteTable, fitted: Fit, rules: Rules) -> int | None:
    """The anchor's number if it is on the ranked island."""
    if rules.gauge.anchor is None or rules.gauge.anchor not in table.models:
        return None
    number = table.models.index(rules.gauge.anchor)
    return number if fitted.ground.island[number] == 0 else None


def _in_gauge(fitted: Fit, covariance: Floats, anchor: int | None, at: float) -> tuple[Floats, Floats]:
    """Ratings and standard errors in Elo points; other islands stay centred on ``at``."""
    theta, variance = fitted.theta.copy(), np.diag(covariance).copy()
    if anchor is not None:
        here = fitted.ground.island == 0
        theta[here] -= fitted.theta[anchor]
        variance[here] += covariance[anchor, anchor] - 2 * covariance[anchor, here]
    return at + ELO * theta, ELO * np.sqrt(np.maximum(variance, 0.0))


def _rows(table: VoteTable, rated: _Rated, known: dict[str, ModelCard], tally: ModelCounts) -> list[BoardRow]:
    """The models with a rating: the settled by rank and rating, then the provisional by island and rating."""
    standing = rated.standing
    seen = [n for n, why in enumerate(standing.provisional) if Provisional.NO_VOTES not in why]
    island = rated.fit.ground.island
    rank = standing.rank_low
    order = sorted(seen, key=lambda n: (bool(standing.provisional[n]), island[n], rank[n], -rated.elo[n], n))
    after = [*order[1:], None]
    return [_row(table, rated, known, tally, n, below) for n, below in zip(order, after, strict=True)]


def _row(
    table: VoteTable, rated: _Rated, known: dict[str, ModelCard], tally: ModelCounts, n: int, below: int | None
) -> BoardRow:
    model, standing, half = table.models[n], rated.standing, rated.z * rated.error[n]
    bounded = n != rated.anchor
    card = _card(known, model)
    tied = int((standing.rank_low == standing.rank_low[n])[standing.settled].sum()) - 1
    return BoardRow(
        rank=int(standing.rank_low[n]),
        model=model,
        display_name=card.display_name,
        elo_rating=figure(rated.elo[n]),
        battles_fought=int(tally.battles[n]),
        win_rate=tally.win_rate(n),
        rating_lower=figure(rated.elo[n] - half) if bounded else None,
        rating_upper=figure(rated.elo[n] + half) if bounded else None,
        rank_high=int(standing.rank_high[n]),
        tied_with=tied if standing.settled[n] else 0,
        p_best=figure(standing.best[n], 4),
        provisional=bool(standing.provisional[n]),
        reasons=standing.provisional[n],
        island=int(rated.fit.ground.island[n]),
        votes=int(tally.votes[n]),
        wins=int(tally.wins[n]),
        losses=int(tally.losses[n]),
        ties=int(tally.ties[n]),
        both_bad=int(tally.both_bad[n]),
        entries=tuple(int(count) for count in tally.entries[n]),
        chance_over_next=_chance(rated, n, below),
        retired=card.retired,
    )


def _chance(rated: _Rated, n: int, below: int | None) -> float | None:
    if below is None or rated.fit.ground.island[n] != rated.fit.ground.island[below]:
        return None
    eta = np.array([rated.fit.theta[n] - rated.fit.theta[below]])
    left, right, _ = shares(rated.fit.ties, eta, rated.fit.kappa)
    return figure(float(left[0] / (left[0] + right[0])), 4)


def _unrated(card: ModelCard, table: VoteTable, rules: Rules, tally: ModelCounts, rank: int, worst: int) -> BoardRow:
    """A model that nobody compared; it may have been found bad together with another."""
    n = table.models.index(card.model) if card.model in table.models else None
    return BoardRow(
        rank=rank,
        model=card.model,
        display_name=card.display_name,
        elo_rating=figure(rules.gauge.at),
        battles_fought=0 if n is None else int(tally.battles[n]),
        win_rate=0.0,
        rating_lower=None,
        rating_upper=None,
        rank_high=worst,
        tied_with=0,
        p_best=0.0,
        provisional=True,
        reasons=(Provisional.NO_VOTES,),
        island=-1,
        votes=0 if n is None else int(tally.votes[n]),
        wins=0,
        losses=0,
        ties=0,
        both_bad=0 if n is None else int(tally.both_bad[n]),
        entries=() if n is None else tuple(int(count) for count in tally.entries[n]),
        chance_over_next=None,
        retired=card.retired,
    )


def _card(known: dict[str, ModelCard], model: str) -> ModelCard:
    return known.get(model, ModelCard(model, model))


def _counts(table: VoteTable, rated: _Rated | None) -> Counts:
    islands = 0
    of_verdict = np.bincount(table.verdict, weights=table.weight, minlength=BOTH_BAD + 1).astype(int).tolist()
    if rated is not None:
        compared = [Provisional.NO_VOTES not in why for why in rated.standing.provisional]
        islands = len(np.unique(rated.fit.ground.island[compared]))
    return Counts(
        votes=sum(of_verdict),
        rated=sum(of_verdict) - of_verdict[BOTH_BAD],
        a_wins=of_verdict[A],
        b_wins=of_verdict[B],
        ties=of_verdict[TIE],
        both_bad=of_verdict[BOTH_BAD],
        battles=int(np.count_nonzero(np.diff(table.battle, prepend=-1)) + (table.weight - 1).sum()),
        islands=islands,
        left_out=dict(table.left_out),
    )


def _method(rules: Rules, rated: _Rated | None) -> Method:
    used = rules.ties if rated is None else rated.fit.ties
    anchored = rated is not None and rated.anchor is not None
    by_style: list[float] = [0.0] * len(rules.features) if rated is None else (ELO * rated.fit.beta).tolist()
    return Method(
        ties=used,
        tie_parameter=figure(rated.fit.kappa, 6) if rated is not None and used.fitted else None,
        gauge="anchored" if anchored else "centred",
        gauge_at=rules.gauge.at,
        anchor=rules.gauge.anchor if anchored else None,
        interval=_INTERVAL,
        level=rules.level,
        minimum_votes=rules.minimum_votes,
        category=rules.selection.category,
        language=rules.selection.language,
        admitted=tuple(sorted(mark.value for mark in rules.selection.admitted)),
        style={feature.value: figure(value) for feature, value in zip(rules.features, by_style, strict=True)},
    )


def _finding(table: VoteTable, rated: _Rated | None, known: dict[str, ModelCard]) -> Conclusion:
    first, second = (None, None) if rated is None else (rated.standing.first, rated.standing.second)
    if rated is None or first is None or second is None:
        return Conclusion("not_enough_data", "Not enough data: fewer than two models have votes that rank them.")
    ours, theirs = _card(known, table.models[first]), _card(known, table.models[second])
    return Conclusion(
        state="clear" if rated.to_separate == 0 else "open",
        sentence=_sentence(ours.display_name, theirs.display_name, rated.to_separate),
        first=ours.model,
        second=theirs.model,
        p_best=figure(float(rated.standing.best[first]), 4),
        votes_to_separate=rated.to_separate,
        flips=rated.flips.votes if rated.flips else None,
        flips_to=table.models[rated.flips.rival] if rated.flips else None,
    )


def _sentence(first: str, second: str, needed: int | None) -> str:
    if needed == 0:
        return f"{first} is clearly better than {second}."
    if needed is None:
        return f"{first} and {second} are too close to be told apart."
    return f"{first} leads, but is not clearly better than {second}: about {needed} more votes between them may tell."
