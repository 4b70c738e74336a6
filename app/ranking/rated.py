"""A finished fit with all that is known of it: ratings, how sure they are, and where each model stands."""

from __future__ import annotations

from dataclasses import dataclass

from app.ranking.board import Rules
from app.ranking.bradley_terry import Fit, fit
from app.ranking.clusters import widened
from app.ranking.consistency import find_circles
from app.ranking.fragility import Firmness, flips_to_change_first, votes_to_separate
from app.ranking.gauge import Scale, put_on_scale
from app.ranking.head_to_head import Meetings, meet
from app.ranking.intervals import Uncertainty, uncertainty, vote_weights
from app.ranking.one_sided import evidence_across
from app.ranking.standing import Standing, stand, votes_of_each
from app.ranking.table import VoteTable, aggregated, vote_cells, vote_clusters


@dataclass(frozen=True, slots=True)
class Rated:
    """A finished fit."""

    fit: Fit
    sure: Uncertainty
    standing: Standing
    scale: Scale
    firmness: Firmness
    missing: tuple[int, ...]
    clustered_by: tuple[str, ...]
    meetings: Meetings
    circles: tuple[tuple[int, ...], ...]
    rules: Rules


def rate(table: VoteTable, rules: Rules) -> Rated:
    """Fit the votes that compare; there has to be one."""
    votes, battle = vote_cells(table, rules.features, rules.effects)
    cells = aggregated(votes)
    fitted = fit(cells, rules.ties)
    clusters = vote_clusters(table)
    kept = clusters.kept(rules.clustering, vote_weights(votes))
    sure = uncertainty(votes, battle, cells, fitted)
    for name, cluster in kept.items():
        sure = widened(votes, fitted, sure, cluster, getattr(clusters, name) < 0, rules.level)
    evidence = evidence_across(votes, next(iter(kept.values()), battle), fitted)
    standing = stand(cells, fitted, sure.covariance, evidence, rules)
    anchor, at, level = _anchor(table, fitted, rules), rules.gauge.at, rules.level
    meetings = meet(cells, fitted, sure.dispersion)
    return Rated(
        fit=fitted,
        sure=sure,
        standing=standing,
        scale=put_on_scale(cells, fitted, sure.covariance, standing, at=at, anchor=anchor, level=level),
        firmness=Firmness(votes_to_separate(fitted, sure, standing), flips_to_change_first(cells, fitted, standing)),
        missing=tuple(max(rules.minimum_votes - int(votes), 0) for votes in votes_of_each(cells)),
        clustered_by=("battle", *kept),
        meetings=meetings,
        circles=find_circles(meetings, cells.models, level),
        rules=rules,
    )


def _anchor(table: VoteTable, fitted: Fit, rules: Rules) -> int | None:
    """The anchor's number if it is on the ranked island."""
    if rules.gauge.anchor is None or rules.gauge.anchor not in table.models:
        return None
    number = table.models.index(rules.gauge.anchor)
    return number if fitted.ground.island[number] == 0 else None
