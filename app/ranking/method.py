"""How a board came about: the method of its figures, and the votes behind them."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from app.ranking.board import Counts, EffectSize, Method, Provisional, Rules
from app.ranking.bradley_terry import ELO, STYLE_RIDGE, Fit
from app.ranking.counts import figure
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats
from app.ranking.one_sided import PRIOR_ELO
from app.ranking.rated import Rated
from app.ranking.table import BOTH_BAD, TIE, A, B, VoteTable

_INTERVAL = "sandwich, clustered by {}, small-sample corrected"
_PRIOR = f"normal, {PRIOR_ELO:.0f} Elo points, for order and P(best)"


def method_of(rules: Rules, rated: Rated | None) -> Method:
    """What was asked for, and what was done; ``rated`` is None without votes that compare."""
    used = rules.ties if rated is None else rated.fit.ties
    anchored = rated is not None and rated.scale.anchor is not None
    worth = _worth(rules, rated)
    clustered_by = ("battle",) if rated is None else rated.clustered_by
    return Method(
        ties=used,
        tie_parameter=figure(rated.fit.kappa, 6) if rated is not None and used.fitted else None,
        gauge="anchored" if anchored else "centred",
        gauge_at=rules.gauge.at,
        anchor=rules.gauge.anchor if anchored else None,
        interval=_INTERVAL.format(" and ".join(clustered_by)),
        level=rules.level,
        minimum_votes=rules.minimum_votes,
        category=rules.selection.category,
        language=rules.selection.language,
        admitted=tuple(sorted(mark.value for mark in rules.selection.admitted)),
        style={feature.value: worth[feature.value].elo for feature in rules.features},
        effects={effect.value: worth[effect.value] for effect in rules.effects},
        clustered_by=clustered_by,
        since=rules.selection.since_s,
        prior=None if rated is None else _PRIOR,
    )


def _worth(rules: Rules, rated: Rated | None) -> dict[str, EffectSize]:
    """The size of each covariate in Elo points; nothing is known of any without votes."""
    names = [str(name) for name in (*rules.features, *rules.effects)]
    if rated is None:
        return dict.fromkeys(names, EffectSize(0.0, None, None))
    half = NormalDist().inv_cdf(0.5 + rules.level / 2) * ELO * np.sqrt(np.maximum(np.diag(rated.sure.style), 0.0))
    sizes = zip(names, ELO * rated.fit.beta, half, _informed(rated.fit), strict=True)
    return {
        name: EffectSize(figure(size), *((figure(size - off), figure(size + off)) if known else (None, None)))
        for name, size, off, known in sizes
    }


def _informed(fit: Fit) -> Bools:
    """Which covariates the votes say more of than the ridge does: a model that always sits on side a says nothing."""
    first = len(fit.theta)
    variance = np.diag(fit.spread)[first : first + len(fit.beta)]
    return np.asarray(1.0 / np.maximum(variance, 1e-12) - STYLE_RIDGE > STYLE_RIDGE)


def counts_of(table: VoteTable, rated: Rated | None) -> Counts:
    """The votes of the table; ``rated`` is None without any that compare."""
    compare, repeat = table.verdict != BOTH_BAD, rated is not None and "prompt" in rated.clustered_by
    weight = table.weight[compare].astype(np.float64)
    of_verdict = np.bincount(table.verdict, weights=table.weight, minlength=BOTH_BAD + 1).astype(int).tolist()
    return Counts(
        votes=sum(of_verdict),
        rated=sum(of_verdict) - of_verdict[BOTH_BAD],
        a_wins=of_verdict[A],
        b_wins=of_verdict[B],
        ties=of_verdict[TIE],
        both_bad=of_verdict[BOTH_BAD],
        battles=int(np.count_nonzero(np.diff(table.battle, prepend=-1)) + (table.weight - 1).sum()),
        islands=0 if rated is None else _islands(rated),
        left_out=dict(table.left_out),
        voters=_distinct(table.voter[compare]),
        largest_voter_share=_largest_share(table.voter[compare], weight),
        prompts=_distinct(table.prompt[compare]) if repeat else None,
        largest_prompt_share=_largest_share(table.prompt[compare], weight) if repeat else None,
    )


def _islands(rated: Rated) -> int:
    """How many islands the models with votes that compare are on."""
    compared = [Provisional.NO_VOTES not in why for why in rated.standing.reasons]
    return len(np.unique(rated.fit.ground.island[compared]))


def _distinct(keys: Ints) -> int:
    return len(np.unique(keys[keys >= 0]))


def _largest_share(keys: Ints, weight: Floats) -> float | None:
    """The largest share of the votes that are one key's; None where none is known."""
    sizes = np.bincount(keys[keys >= 0], weights=weight[keys >= 0])
    return figure(float(sizes.max() / weight.sum()), 4) if len(sizes) else None
