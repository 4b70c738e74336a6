"""The records of pairs, and what they say against an order: circles, and pairs that no ratings explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.battle.battle import Verdict
from app.ranking import head_to_head
from app.ranking.board import Inconsistency, PairRecord, Rules
from app.ranking.choices import Ties
from app.ranking.leaderboard import board_of, build_leaderboard
from benchmarks.ranking import Scene, play
from tests.ranking.golden import golden, votes

CIRCLE = "a beats b, b beats c and c beats a: a circle, which has no best."


def test_each_pair_has_its_record_seen_from_the_model_that_stands_higher() -> None:
    snapshot = build_leaderboard(votes("a b 3 5 2 1", "b a 4 1", "c a 2 9"))
    assert [row.model for row in snapshot.leaderboard] == ["b", "a", "c"]
    first, second = snapshot.head_to_head
    assert (first.model, first.opponent, first.wins, first.losses, first.ties, first.both_bad) == ("b", "a", 9, 4, 2, 1)
    assert first.share == pytest.approx(10 / 15, abs=1e-4)
    assert (second.model, second.opponent, second.wins, second.losses) == ("a", "c", 9, 2)
    assert second.expected == pytest.approx(9 / 11, abs=1e-4)
    assert second.surprise == pytest.approx(0.0, abs=0.01)


def test_a_pair_that_was_only_found_bad_is_listed_without_a_share() -> None:
    snapshot = build_leaderboard(votes("a b 9 8", "c d 0 0 0 4"))
    assert PairRecord("c", "d", 0, 0, 0, 4, None, None, None) in snapshot.head_to_head


@pytest.mark.parametrize("ties", Ties)
def test_expected_shares_are_those_of_the_ratings_for_every_model_of_ties(ties: Ties) -> None:
    snapshot = build_leaderboard(votes("a b 30 20 15", "b c 30 22 14", "a c 40 18 12"), Rules(ties=ties))
    for record in snapshot.head_to_head:
        assert record.share == pytest.approx(record.expected, abs=0.05)
        assert record.surprise is not None
        assert abs(record.surprise) < 2
    assert snapshot.warnings == ()


def test_a_circle_is_called_a_circle() -> None:
    snapshot = build_leaderboard(votes("a b 12", "b c 12", "c a 12"))
    assert [warning.kind for warning in snapshot.warnings] == [Inconsistency.CIRCLE, Inconsistency.LACK_OF_FIT]
    assert snapshot.warnings[0].sentence == CIRCLE
    assert set(snapshot.warnings[0].models) == {"a", "b", "c"}
    assert (snapshot.finding.state, snapshot.finding.sentence) == ("open", CIRCLE)
    assert snapshot.finding.votes_to_separate is None


def test_a_circle_below_a_clear_first_is_warned_of_and_leaves_the_first_alone() -> None:
    lines = ("a b 12", "b c 12", "c a 12", "best a 30 4", "best b 30 4", "best c 30 4")
    snapshot = build_leaderboard(votes(*lines))
    assert snapshot.finding.sentence.startswith("best is clearly better than")
    assert snapshot.warnings[0].sentence == CIRCLE


def test_a_longer_circle_is_found_whole() -> None:
    lines = ("a b 20", "b c 20", "c d 20", "d a 20", "a c 9 9", "b d 9 9")
    warning = build_leaderboard(votes(*lines)).warnings[0]
    assert warning.sentence == "a beats b, b beats c, c beats d and d beats a: a circle, which has no best."


def test_a_circle_of_a_few_votes_may_be_chance() -> None:
    assert build_leaderboard(votes("a b 4 1", "b c 4 1", "c a 4 1")).warnings == ()


def test_a_pair_that_goes_another_way_than_its_ratings_is_named() -> None:
    snapshot = build_leaderboard(votes("a b 60 40", "b c 60 40", "c d 60 40", "a c 70 30", "b d 70 30", "a d 30 70"))
    (warning,) = snapshot.warnings
    assert warning.kind is Inconsistency.LACK_OF_FIT
    assert set(warning.models) == {"a", "d"}
    assert "a has 30 of 100 points against d" in warning.sentence


def test_votes_that_follow_ratings_are_hardly_ever_called_unfit() -> None:
    random = np.random.default_rng(7)
    boards = [board_of(play(Scene(6, 600), random, random.normal(0, 0.7, 6)), Rules(draws=10)) for _ in range(100)]
    assert sum(bool(board.warnings) for board in boards) <= 4


def test_the_records_of_long_boards_are_those_of_their_first_rows() -> None:
    snapshot = build_leaderboard(golden("llmfao").rows)
    first = {row.model for row in snapshot.leaderboard[: head_to_head.MOST_MODELS]}
    assert {record.model for record in snapshot.head_to_head} | {r.opponent for r in snapshot.head_to_head} == first
    assert len(first) == 40


def test_the_record_does_not_depend_on_who_sat_where() -> None:
    rows = votes("a b 9 4 2", "b c 7 7", "c a 5 8 1")
    other = {Verdict.A: Verdict.B, Verdict.B: Verdict.A, Verdict.TIE: Verdict.TIE}
    turned = [replace(row, model_a=row.model_b, model_b=row.model_a, verdict=other[row.verdict]) for row in rows]
    assert build_leaderboard(turned).head_to_head == build_leaderboard(rows).head_to_head
