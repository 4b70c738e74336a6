"""From votes to the leaderboard: select, fit, say how sure. A pure function of the votes, whatever order they came in.

    rows ─tabulate─► VoteTable ─► Cells ─fit─► ratings ─uncertainty─► intervals ─stand─► ranks ─► Leaderboard

``elo_rating`` is the contract's name for the rating; it is Bradley-Terry on the Elo scale, not a replay of matches.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from app.ranking.board import BoardRow, Bounds, Conclusion, Leaderboard, ModelCard, OrderWarning, Provisional, Rules
from app.ranking.consistency import warn_of_circles, warn_of_misfit
from app.ranking.counts import ModelCounts, figure, tally_votes
from app.ranking.finding import NO_DATA, find_first
from app.ranking.head_to_head import list_records
from app.ranking.likelihoods import shares
from app.ranking.method import counts_of, method_of
from app.ranking.positions import entry_positions
from app.ranking.rated import Rated, rate
from app.ranking.table import BOTH_BAD, VoteTable, tabulate
from app.ranking.votes import JudgedPair


def build_leaderboard(
    rows: Iterable[JudgedPair], rules: Rules | None = None, cards: Iterable[ModelCard] = ()
) -> Leaderboard:
    """Rank ``rows``; models of ``cards`` without a vote are listed last, unranked."""
    rules = rules or Rules()
    return board_of(tabulate(rows, rules.selection), rules, cards)


def board_of(table: VoteTable, rules: Rules, cards: Iterable[ModelCard] = ()) -> Leaderboard:
    """Rank votes that are in columns already."""
    known, tally = {card.model: card for card in cards}, tally_votes(table)
    rated = rate(table, rules) if bool((table.verdict != BOTH_BAD).any()) else None
    ranked = [] if rated is None else _rows(table, rated, known, tally)
    have = {row.model for row in ranked}
    unrated = sorted((set(table.models) | set(known)) - have)
    settled = sum(not row.provisional for row in ranked)
    total = len(ranked) + len(unrated)
    ranked += [_unrated(_card(known, model), table, rules, tally, settled + 1, total) for model in unrated]
    return Leaderboard(
        leaderboard=tuple(ranked),
        last_updated=table.newest_s,
        method=method_of(rules, rated),
        counts=counts_of(table, rated),
        finding=_finding(table, rated, known),
        positions=entry_positions(table),
        head_to_head=list_records(table, [row.model for row in ranked], None if rated is None else rated.meetings),
        warnings=_warnings(table, rated, known),
    )


def _warnings(table: VoteTable, rated: Rated | None, known: dict[str, ModelCard]) -> tuple[OrderWarning, ...]:
    if rated is None:
        return ()
    names = _names(table, known)
    misfit = warn_of_misfit(rated.meetings, table.models, names)
    return (*warn_of_circles(rated.circles, table.models, names), *([misfit] if misfit else []))


def _rows(table: VoteTable, rated: Rated, known: dict[str, ModelCard], tally: ModelCounts) -> list[BoardRow]:
    """The models with a rating: the settled as they stand, then the provisional by island and rating."""
    standing = rated.standing
    provisional = [
        n for n, why in enumerate(standing.reasons) if Provisional.NO_VOTES not in why and not standing.settled[n]
    ]
    island = rated.fit.ground.island
    order = [*standing.order.tolist(), *sorted(provisional, key=lambda n: (island[n], -rated.scale.rating[n], n))]
    after = [*order[1:], None]
    return [_row(table, rated, known, tally, n, below) for n, below in zip(order, after, strict=True)]


def _row(
    table: VoteTable, rated: Rated, known: dict[str, ModelCard], tally: ModelCounts, n: int, below: int | None
) -> BoardRow:
    model, standing, scale = table.models[n], rated.standing, rated.scale
    card = _card(known, model)
    tied = int((standing.rank_low == standing.rank_low[n])[standing.settled].sum()) - 1
    return BoardRow(
        rank=int(standing.rank_low[n]),
        model=model,
        display_name=card.display_name,
        elo_rating=figure(scale.rating[n]),
        battles_fought=int(tally.battles[n]),
        win_rate=tally.win_rate(n),
        rating_lower=_end(scale.lower[n]),
        rating_upper=_end(scale.upper[n]),
        rank_high=int(standing.rank_high[n]),
        tied_with=tied if standing.settled[n] else 0,
        p_best=figure(standing.best[n], 4) if standing.settled[n] else None,
        provisional=not standing.settled[n],
        reasons=standing.reasons[n],
        island=int(rated.fit.ground.island[n]),
        votes=int(tally.votes[n]),
        wins=int(tally.wins[n]),
        losses=int(tally.losses[n]),
        ties=int(tally.ties[n]),
        both_bad=int(tally.both_bad[n]),
        entries=tuple(int(count) for count in tally.entries[n]),
        chance_over_next=_chance(rated, n, below),
        retired=card.retired,
        bounds=scale.bounds[n],
    )


def _end(value: float) -> float | None:
    return None if np.isnan(value) else figure(value)


def _chance(rated: Rated, n: int, below: int | None) -> float | None:
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
        p_best=None,
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
        bounds=Bounds.UNKNOWN,
    )


def _card(known: dict[str, ModelCard], model: str) -> ModelCard:
    return known.get(model, ModelCard(model, model))


def _finding(table: VoteTable, rated: Rated | None, known: dict[str, ModelCard]) -> Conclusion:
    if rated is None:
        return NO_DATA
    return find_first(rated, table.models, _names(table, known))


def _names(table: VoteTable, known: dict[str, ModelCard]) -> list[str]:
    return [_card(known, model).display_name for model in table.models]
