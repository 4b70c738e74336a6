"""Models that nobody beat: how much better they are is unknown, that they are better is known."""

from __future__ import annotations

import numpy as np
import pytest

from app.battle.battle import Verdict
from app.ranking.board import BoardRow, Bounds, Gauge, Leaderboard, Provisional, Rules
from app.ranking.bradley_terry import ELO, fit
from app.ranking.leaderboard import build_leaderboard
from app.ranking.one_sided import PRIOR_ELO, draw_ratings, evidence_across
from app.ranking.table import aggregated, tabulate, vote_cells
from app.ranking.votes import JudgedPair
from benchmarks.ranking import Scene, coverage
from benchmarks.sparse_boards import name_first
from tests.ranking.golden import votes

EVEN = ("a b 10 10",)


def by_model(snapshot: Leaderboard) -> dict[str, BoardRow]:
    return {row.model: row for row in snapshot.leaderboard}


def test_an_unbeaten_model_leads_two_that_are_even() -> None:
    snapshot = build_leaderboard(votes("hero a 15", "hero b 15", *EVEN))
    hero, a, b = snapshot.leaderboard
    assert (hero.model, hero.rank, hero.rank_high, hero.provisional) == ("hero", 1, 1, False)
    assert (a.rank, b.rank) == (2, 2)
    assert hero.reasons == (Provisional.UNBEATEN,)
    assert hero.p_best is not None
    assert hero.p_best > 0.999
    assert snapshot.finding.state == "clear"
    assert snapshot.finding.sentence == "hero is clearly better than a."
    assert snapshot.method.prior == "normal, 400 Elo points, for order and P(best)"


def test_its_interval_is_open_at_the_top_and_the_others_are_not_touched() -> None:
    rows = by_model(build_leaderboard(votes("hero a 15", "hero b 15", *EVEN)))
    alone = by_model(build_leaderboard(votes(*EVEN)))
    assert (rows["hero"].bounds, rows["hero"].rating_upper) == (Bounds.AT_LEAST, None)
    assert rows["hero"].rating_lower is not None
    assert rows["a"].rating_upper is not None
    assert rows["a"].rating_upper + 100 < rows["hero"].rating_lower < rows["hero"].elo_rating
    for model in "ab":
        assert rows[model].elo_rating == alone[model].elo_rating == 1000.0
        assert rows[model].bounds is Bounds.BOTH


def test_twenty_wins_of_twenty_are_enough_data() -> None:
    snapshot = build_leaderboard(votes("a b 20"))
    a, b = snapshot.leaderboard
    assert (a.model, a.rank, b.rank, a.p_best) == ("a", 1, 2, 1.0)
    assert (a.bounds, b.bounds) == (Bounds.AT_LEAST, Bounds.AT_MOST)
    assert (snapshot.finding.state, snapshot.finding.sentence) == ("clear", "a is clearly better than b.")
    # Eleven votes of twenty flipped leave b ahead with 11 to 9.
    assert (snapshot.finding.flips, snapshot.finding.flips_to) == (11, "b")


def test_ends_of_one_sided_models_hold_the_truth() -> None:
    found = coverage(Scene(5, 30, entrants=3, ties=0.0), arenas=250, seed=3)
    assert found.one_sided_boards > 25
    assert found.one_sided is not None
    assert found.one_sided >= 0.94


def test_a_winless_model_has_at_most_a_rating() -> None:
    rows = by_model(build_leaderboard(votes("a b 10 10", "a z 15", "b z 15")))
    row, lower = rows["z"], rows["a"].rating_lower
    assert (row.bounds, row.rating_lower, row.rank, row.p_best) == (Bounds.AT_MOST, None, 3, 0.0)
    assert row.rating_upper is not None
    assert lower is not None
    assert row.elo_rating < row.rating_upper < lower - 100


def test_a_model_between_the_core_and_an_unbeaten_one_is_still_above_the_core() -> None:
    rows = by_model(build_leaderboard(votes("hero m 15", "m a 15", "m b 15", *EVEN)))
    assert [rows[model].rank for model in ("hero", "m", "a", "b")] == [1, 2, 3, 3]
    assert (rows["m"].reasons, rows["m"].bounds) == ((Provisional.ONE_SIDED,), Bounds.AT_LEAST)


def test_seen_from_an_unbeaten_anchor_the_others_have_at_most_a_rating() -> None:
    rows = by_model(build_leaderboard(votes("hero a 15", "hero b 15", *EVEN), Rules(gauge=Gauge(1000.0, "hero"))))
    assert (rows["hero"].bounds, rows["hero"].elo_rating) == (Bounds.FIXED, 1000.0)
    assert (rows["a"].bounds, rows["a"].rating_lower) == (Bounds.AT_MOST, None)


@pytest.mark.parametrize("wins", [1, 4, 20, 200])
def test_the_draws_are_those_of_the_posterior(wins: int) -> None:
    table = tabulate(votes(f"a b {wins}"))
    ballots, battle = vote_cells(table)
    found = fit(aggregated(ballots))
    evidence = evidence_across(ballots, battle, found)
    drawn = draw_ratings(found, np.zeros((2, 2)), evidence, np.ones(2, dtype=bool), 10_000)
    gap = drawn[:, 0] - drawn[:, 1]
    # The difference of two ratings of variance v round a common, unknown mean has the variance 2 v.
    at = np.linspace(-40, 60, 200_001)
    density = np.exp(-wins * np.logaddexp(0.0, -at) - np.square(at) / (4 * (PRIOR_ELO / ELO) ** 2))
    share = np.cumsum(density) / density.sum()
    for quantile in (0.025, 0.16, 0.5, 0.84, 0.975):
        exact = float(at[np.searchsorted(share, quantile)])
        assert np.quantile(gap, quantile) == pytest.approx(exact, abs=0.15 + 0.05 * abs(exact))


def test_votes_of_one_cluster_on_the_same_pair_are_one_piece_of_evidence() -> None:
    ballots, _ = vote_cells(tabulate(votes("a b 15")))
    found = fit(aggregated(ballots))
    assert evidence_across(ballots, np.arange(15), found).wins.tolist() == [15.0]
    assert evidence_across(ballots, np.repeat([0, 1, 2], 5), found).wins.tolist() == [3.0]
    summed, cluster = vote_cells(tabulate([JudgedPair("a", "b", Verdict.A, count=15)]))
    assert evidence_across(summed, cluster, found).wins.tolist() == [15.0]


@pytest.mark.parametrize(("models", "bound"), [(3, 0.0), (4, 0.02), (6, 0.08)])
def test_hardly_ever_is_another_than_the_far_better_model_in_the_first_row(models: int, bound: float) -> None:
    found = name_first(models, boards=80)
    assert found.wrong <= bound
    assert found.clearly_wrong == 0.0


@pytest.mark.parametrize("models", [5, 10])
def test_the_first_row_is_the_one_that_the_finding_names_and_that_is_likeliest_the_best(models: int) -> None:
    assert name_first(models, boards=40, seed=3).contradicted == 0.0


def test_where_all_have_few_votes_nobody_is_a_newcomer() -> None:
    snapshot = build_leaderboard(votes("hero a 2", "hero b 2", "a b 1 1"))
    assert [row.model for row in snapshot.leaderboard] == ["hero", "a", "b"]
    assert not any(row.provisional for row in snapshot.leaderboard)
    assert all(Provisional.FEW_VOTES in row.reasons for row in snapshot.leaderboard)
    assert (snapshot.finding.state, snapshot.finding.first) == ("open", "hero")
    assert snapshot.finding.sentence == "hero leads, but lacks 6 votes for that to be called clear."


def test_a_rating_of_few_votes_stands_below_one_of_many_that_is_hardly_lower() -> None:
    snapshot = build_leaderboard(votes("many a 36 8", "few a 5 1", "a b 10 10"), Rules(minimum_votes=1))
    first, second = snapshot.leaderboard[:2]
    assert (first.model, second.model) == ("many", "few")
    assert first.elo_rating < second.elo_rating
    assert first.p_best is not None
    assert second.p_best is not None
    assert first.p_best > second.p_best
    assert (snapshot.finding.first, snapshot.finding.flips) == ("many", None)


BOARD = ("a b 600 400", "b c 600 400", "a c 700 300")


def test_one_lost_vote_of_a_newcomer_moves_nobody() -> None:
    before, after = (build_leaderboard(votes(*lines)) for lines in (BOARD, (*BOARD, "a new 1")))
    row = by_model(after)["a"]
    assert (round(row.elo_rating), row.rating_lower, row.rating_upper) == (1072, 1061.75, 1083.15)
    for model in "abc":
        ours, theirs = by_model(before)[model], by_model(after)[model]
        assert (ours.elo_rating, ours.rating_lower, ours.rating_upper, ours.rank) == (
            theirs.elo_rating,
            theirs.rating_lower,
            theirs.rating_upper,
            theirs.rank,
        )
    assert by_model(after)["new"].provisional


@pytest.mark.parametrize("lines", [("new a 1", "c new 1"), ("new a 5 4",), ("new a 4 8",), ("new c 1 12",)])
def test_a_newcomer_of_few_votes_hardly_moves_the_others_even_when_it_comes_to_rank(lines: tuple[str, ...]) -> None:
    row = by_model(build_leaderboard(votes(*BOARD, *lines)))["a"]
    assert row.elo_rating == pytest.approx(1072.45, abs=1.5)
    assert row.rating_lower == pytest.approx(1061.75, abs=2)
    assert row.rating_upper == pytest.approx(1083.15, abs=2)


def test_a_newcomer_that_wins_and_wins_leads_before_it_has_the_votes_but_is_not_called_clear() -> None:
    snapshot = build_leaderboard(votes(*BOARD, "new a 3", "new c 3"))
    first = snapshot.leaderboard[0]
    assert (first.model, first.provisional) == ("new", False)
    assert first.reasons == (Provisional.UNBEATEN, Provisional.FEW_VOTES)
    assert (snapshot.finding.state, snapshot.finding.votes_to_separate) == ("open", 4)
    assert snapshot.finding.sentence == "new leads, but lacks 4 votes for that to be called clear."


def test_a_newcomer_that_won_twice_does_not_lead() -> None:
    snapshot = build_leaderboard(votes(*BOARD, "new a 2"))
    assert snapshot.leaderboard[0].model == "a"
    assert by_model(snapshot)["new"].provisional
    assert by_model(snapshot)["new"].p_best is None
    assert snapshot.finding.sentence == "a is clearly better than b."


def test_an_open_first_place_is_not_given_to_one_that_a_newcomer_probably_beats() -> None:
    found = build_leaderboard(votes("a b 20 16", "new a 3")).finding
    assert (found.state, found.first) == ("not_enough_data", None)
    assert found.sentence == "Not enough data: new is probably better than a, but lacks 7 votes for a rank."


def test_a_first_place_that_is_clear_has_its_rank_alone() -> None:
    lines = [f"a {other} 25 11" for other in "bcdefgh"] + [f"b {other} 18 18" for other in "cdefgh"]
    rows = build_leaderboard(votes(*lines)).leaderboard
    assert rows[0].p_best is not None
    assert rows[0].p_best >= 0.975
    assert (rows[0].rank, rows[0].rank_high) == (1, 1)
    assert all(row.rank >= 2 for row in rows[1:])
