"""Ratings against figures that others computed: golden files, evalica as an oracle, a textbook case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.battle.battle import Verdict
from app.ranking.board import Gauge, Rules
from app.ranking.bradley_terry import ELO, Fit, fit, pair_cells
from app.ranking.choices import Ties
from app.ranking.leaderboard import build_leaderboard
from app.ranking.likelihoods import LIKELIHOODS, Slopes, shares
from app.ranking.table import aggregated, tabulate, vote_cells
from app.ranking.votes import JudgedPair
from tests.examples import examples
from tests.ranking.golden import cells, centred_logs, golden, width_of

SETS = ("simple", "food", "llmfao")


def theta_of(rows: list[JudgedPair], ties: Ties = Ties.HALF_WIN) -> tuple[tuple[str, ...], Fit]:
    table = tabulate(rows)
    return table.models, fit(aggregated(vote_cells(table)[0]), ties)


@pytest.mark.parametrize("name", SETS)
def test_bradley_terry_agrees_with_the_golden_files(name: str) -> None:
    data = golden(name)
    models, found = theta_of(data.rows)
    expected = centred_logs(data.scores["bradley_terry"][model] for model in models)
    assert np.abs(found.theta - expected).max() * ELO < 1e-9


@pytest.mark.parametrize("name", SETS)
def test_davidson_agrees_with_newmans_golden_scores(name: str) -> None:
    data = golden(name)
    models, found = theta_of(data.rows, Ties.DAVIDSON)
    expected = centred_logs(data.scores["newman"][model] for model in models)
    assert np.abs(found.theta - expected).max() * ELO < 1e-9


def test_the_board_shows_the_published_ratings_and_intervals_of_the_crowd_votes() -> None:
    rows = {row.model: row for row in build_leaderboard(golden("llmfao").rows).leaderboard}
    for model, rating, half in (
        ("GPT 4", 1172.13, 54.60),
        ("Platypus-2 Instruct (70B)", 1112.45, 46.48),
        ("command", 1110.17, 33.80),
        ("Dolly v2 (3B)", 845.66, 31.15),
    ):
        assert rows[model].elo_rating == rating
        # The published ones are without the share of the likelihood's expectation, which is small here.
        assert width_of(rows[model]) / 2 == pytest.approx(half, rel=0.01)


def test_the_textbook_case_of_four_teams() -> None:
    found = fit(cells(4, (0, 1, 2, 3, 0), (0, 3, 1, 4, 0), (1, 2, 5, 3, 0), (2, 3, 1, 3, 0)))
    assert np.exp(found.theta) == pytest.approx([0.640, 1.043, 0.660, 2.270], abs=5e-4)


def judged_by_evalica(left: Sequence[str], right: Sequence[str], verdicts: Sequence[Verdict]) -> Any:
    import evalica  # and SciPy with it: a second that not each process of xdist has to spend

    winners = {Verdict.A: evalica.Winner.X, Verdict.B: evalica.Winner.Y, Verdict.TIE: evalica.Winner.Draw}
    return evalica.bradley_terry(left, right, [winners[one] for one in verdicts], tolerance=1e-13, limit=100_000)


names = st.integers(0, 5).map(lambda number: f"m{number}")
verdicts = st.sampled_from([Verdict.A, Verdict.B, Verdict.TIE])
some_votes = st.lists(
    st.tuples(names, names, verdicts).filter(lambda vote: vote[0] != vote[1]), min_size=12, max_size=120
)


@given(some_votes)
@settings(max_examples=examples(30))
def test_bradley_terry_agrees_with_evalica_on_any_votes_that_have_a_maximum(
    drawn: list[tuple[str, str, Verdict]],
) -> None:
    models, found = theta_of([JudgedPair(*vote) for vote in drawn])
    assume(found.ground.islands == 1 and not found.ground.separable)
    left, right, verdict = zip(*drawn, strict=True)
    oracle = judged_by_evalica(left, right, verdict)
    assert found.theta == pytest.approx(centred_logs(oracle.scores[model] for model in models), abs=1e-6)


gaps = st.floats(-6, 6)
counts = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).filter(any)


@pytest.mark.parametrize("ties", Ties)
@given(eta=gaps, kappa=st.floats(0.05, 3), counted=counts)
@settings(max_examples=examples(30))
def test_the_slopes_are_those_of_the_likelihood(
    ties: Ties, eta: float, kappa: float, counted: tuple[int, int, int]
) -> None:
    def at(eta: float, kappa: float) -> Slopes:
        left, right, tie = (np.array([float(count)]) for count in counted)
        return LIKELIHOODS[ties](np.array([eta]), kappa, left, right, tie)

    def slope(of: Callable[[float], float], step: float = 1e-5) -> float:
        return (of(step) - of(-step)) / (2 * step)

    derivatives = at(eta, kappa)
    assert derivatives.eta[0] == pytest.approx(slope(lambda s: at(eta + s, kappa).value), rel=1e-5, abs=1e-5)
    assert derivatives.eta_eta[0] == pytest.approx(-slope(lambda s: at(eta + s, kappa).eta[0]), rel=1e-5, abs=1e-5)
    if ties.fitted:
        assert derivatives.kappa[0] == pytest.approx(slope(lambda s: at(eta, kappa + s).value), rel=1e-5, abs=1e-5)
        assert derivatives.eta_kappa[0] == pytest.approx(
            -slope(lambda s: at(eta, kappa + s).eta[0]), rel=1e-5, abs=1e-5
        )
        assert derivatives.kappa_kappa[0] == pytest.approx(
            -slope(lambda s: at(eta, kappa + s).kappa[0]), rel=1e-5, abs=1e-5
        )


@pytest.mark.parametrize("ties", [Ties.DAVIDSON, Ties.RAO_KUPPER])
def test_a_model_of_ties_finds_the_ratings_and_ties_it_was_given(ties: Ties) -> None:
    theta, kappa = np.array([0.9, 0.2, -0.3, -0.8]), 0.6
    left, right = np.triu_indices(4, 1)
    expected = [1000 * share for share in shares(ties, theta[left] - theta[right], kappa)]
    found = fit(pair_cells(4, left, right, *expected), ties)
    assert found.theta == pytest.approx(theta, abs=1e-9)
    assert found.kappa == pytest.approx(kappa, abs=1e-9)


def test_an_anchored_board_differs_from_a_centred_one_by_a_shift_and_has_wider_intervals() -> None:
    rows = golden("llmfao").rows
    centred = {row.model: row for row in build_leaderboard(rows).leaderboard}
    anchored = build_leaderboard(rows, Rules(gauge=Gauge(1114.0, "command")))
    assert anchored.method.gauge == "anchored"
    shift = 1114.0 - centred["command"].elo_rating
    wider = 0
    for row in anchored.leaderboard:
        assert row.elo_rating == pytest.approx(centred[row.model].elo_rating + shift, abs=0.011)
        if row.model == "command":
            assert (row.elo_rating, row.rating_lower, row.rating_upper) == (1114.0, None, None)
            continue
        before = centred[row.model]
        wider += width_of(row) > width_of(before)
    assert wider == len(centred) - 1
