"""Few, one-sided and disconnected votes: named, never infinite, never certain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.battle.battle import Verdict
from app.ranking.board import BoardRow, Bounds, Gauge, Leaderboard, ModelCard, Provisional, Rules
from app.ranking.bradley_terry import Cells, fit
from app.ranking.choices import Ties
from app.ranking.leaderboard import build_leaderboard
from app.ranking.votes import JudgedPair
from tests.examples import examples
from tests.helpers import known
from tests.ranking.golden import cells, to_bytes, votes, width_of

ANY_NUMBER = Rules(minimum_votes=1)


def board(*lines: str, rules: Rules = ANY_NUMBER) -> Leaderboard:
    return build_leaderboard(votes(*lines), rules)


def by_model(snapshot: Leaderboard) -> dict[str, BoardRow]:
    return {row.model: row for row in snapshot.leaderboard}


def test_no_votes_make_an_empty_board_that_says_so() -> None:
    empty = build_leaderboard([])
    assert empty.leaderboard == ()
    assert empty.finding.state == "not_enough_data"
    assert empty.last_updated is None


def test_a_model_without_votes_is_listed_in_the_middle_without_an_interval() -> None:
    cards = [ModelCard("new", "New One")]
    row = by_model(build_leaderboard(votes("a b 3 2"), ANY_NUMBER, cards))["new"]
    assert row.reasons == (Provisional.NO_VOTES,)
    assert (row.rank, row.elo_rating, row.rating_lower, row.display_name) == (3, 1000.0, None, "New One")


def test_a_single_vote_makes_two_provisional_models_of_one_rank() -> None:
    rows = board("a b 1", rules=Rules()).leaderboard
    assert [row.model for row in rows] == ["a", "b"]
    assert {row.rank for row in rows} == {1}
    assert rows[0].reasons == (Provisional.UNBEATEN, Provisional.FEW_VOTES)
    assert rows[1].reasons == (Provisional.WINLESS, Provisional.FEW_VOTES)
    assert known(rows[0].rating_lower) < known(rows[1].rating_upper)


def test_a_model_that_only_lost_is_named_winless() -> None:
    assert by_model(board("a b 9 8", "a c 5", "b c 5"))["c"].reasons == (Provisional.WINLESS,)


def test_a_model_between_two_one_sided_ones_is_named() -> None:
    rows = by_model(board("a b 4", "b c 4"))
    assert [rows[model].reasons[0] for model in "abc"] == ["unbeaten", "one_sided", "winless"]


def test_groups_that_never_met_are_islands_and_only_the_larger_is_ranked() -> None:
    snapshot = board("a b 9 8", "x y 3 2")
    rows = by_model(snapshot)
    assert snapshot.counts.islands == 2
    assert (rows["a"].island, rows["x"].island) == (0, 1)
    assert rows["x"].reasons == (Provisional.UNCONNECTED,)
    assert {rows["x"].rank, rows["y"].rank} == {3}
    assert rows["b"].chance_over_next is None
    assert rows["x"].elo_rating + rows["y"].elo_rating == pytest.approx(2000, abs=0.02)


def test_a_bridge_of_one_tie_makes_one_island() -> None:
    snapshot = board("a b 9 8", "x y 3 2", "b x 0 0 1")
    assert snapshot.counts.islands == 1
    assert not any(row.provisional for row in snapshot.leaderboard)


def test_only_ties_put_all_in_the_middle_with_an_interval() -> None:
    for ties in Ties:
        snapshot = board("a b 0 0 8", "b c 0 0 8", rules=Rules(ties=ties, minimum_votes=1))
        assert snapshot.method.ties is Ties.HALF_WIN
        for row in snapshot.leaderboard:
            assert row.elo_rating == 1000.0
            assert width_of(row) > 10
            assert row.rank == 1


def test_votes_that_find_both_bad_compare_nothing() -> None:
    rows = by_model(board("a b 9 8 3 7", "c d 0 0 0 4"))
    without = by_model(board("a b 9 8 3"))
    assert rows["a"].elo_rating == without["a"].elo_rating
    assert rows["a"].win_rate == without["a"].win_rate
    assert (rows["a"].ties, rows["a"].both_bad, rows["a"].votes) == (3, 7, 27)
    assert rows["c"].reasons == (Provisional.NO_VOTES,)
    assert (rows["c"].votes, rows["c"].both_bad) == (4, 4)


def test_an_anchor_without_votes_leaves_the_board_centred_and_the_board_says_so() -> None:
    snapshot = board("a b 9 8", "x y 3 2", rules=Rules(gauge=Gauge(1114.0, "x"), minimum_votes=1))
    assert (snapshot.method.gauge, snapshot.method.anchor) == ("centred", None)
    assert np.mean([row.elo_rating for row in snapshot.leaderboard if row.island == 0]) == pytest.approx(1114.0)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("many", [1e3, 1e6, 1e9, 1e12])
def test_a_rare_upset_among_any_number_of_votes_has_a_maximum(ties: Ties, many: float) -> None:
    found = fit(cells(4, (0, 1, many, 1, 2), (1, 2, many, 1, 1), (2, 3, many, many, many)), ties)
    assert found.steps < 60
    assert np.isfinite(found.theta).all()
    if ties is Ties.HALF_WIN:
        assert found.theta[0] - found.theta[1] == pytest.approx(np.log((many + 1) / 2), abs=1e-3)


def test_many_votes_of_like_style_have_a_maximum() -> None:
    random = np.random.default_rng(4)
    left = random.integers(0, 3, 60_000)
    right = (left + random.integers(1, 3, 60_000)) % 3
    won = (random.random(60_000) < 0.6).astype(float)
    style = np.column_stack([random.choice([-1.0, 0.5, 1.0], 60_000), np.zeros(60_000)])
    assert fit(Cells(3, left, right, won, 1 - won, won * 0, style)).steps < 12


names = st.integers(0, 6).map(lambda number: f"m{number}")
rows = st.builds(
    JudgedPair,
    model_a=names,
    model_b=names,
    verdict=st.sampled_from(Verdict),
    battle=st.none() | st.integers(0, 4).map(str),
    round=st.integers(1, 3),
    entry_a=st.none() | st.integers(0, 3),
    entry_b=st.none() | st.integers(0, 3),
)


@given(st.lists(rows, max_size=25), st.sampled_from(Ties), st.none() | names)
@settings(max_examples=examples(60))
def test_whatever_the_votes_no_rating_is_infinite_and_no_interval_empty(
    drawn: list[JudgedPair], ties: Ties, anchor: str | None
) -> None:
    snapshot = build_leaderboard(drawn, Rules(ties=ties, minimum_votes=1, gauge=Gauge(anchor=anchor), draws=200))
    for row in snapshot.leaderboard:
        assert math.isfinite(row.elo_rating)
        assert (row.rating_lower is not None) == (row.bounds in (Bounds.BOTH, Bounds.AT_LEAST))
        assert (row.rating_upper is not None) == (row.bounds in (Bounds.BOTH, Bounds.AT_MOST))
        assert (row.bounds is Bounds.FIXED) == (row.model == snapshot.method.anchor)
        assert (row.bounds is Bounds.UNKNOWN) == (row.reasons == (Provisional.NO_VOTES,))
        assert row.rating_lower is None or row.rating_lower + 1 < row.elo_rating
        assert row.rating_upper is None or row.elo_rating < row.rating_upper - 1
    assert to_bytes(snapshot)
