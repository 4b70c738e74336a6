"""Few voters, repeated prompts, and the effects of a seat: what a vote is worth beside its battle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.battle.battle import Verdict
from app.ranking.board import Leaderboard, Rules
from app.ranking.choices import ALL_EFFECTS, Clustering, Effect, StyleFeature
from app.ranking.clusters import students_quantile
from app.ranking.leaderboard import board_of, build_leaderboard
from app.ranking.votes import JudgedPair, Selection
from benchmarks.ranking import Scene, play
from benchmarks.voters import Poll, held
from tests.ranking.golden import votes


def width(snapshot: Leaderboard, model: str = "a") -> float:
    row = next(row for row in snapshot.leaderboard if row.model == model)
    assert row.rating_lower is not None
    assert row.rating_upper is not None
    return row.rating_upper - row.rating_lower


def cast(rows: list[JudgedPair], voters: int, battles: bool = True) -> list[JudgedPair]:
    """The votes, each in a battle of its own, by so many voters in turn."""
    return [
        replace(row, voter=f"v{number % voters}", battle=f"b{number}" if battles else None)
        for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (19, 2.09302), (100, 1.98397), (1e4, 1.96020)]
)
def test_students_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert students_quantile(freedom, 0.95) == pytest.approx(quantile, abs=1e-4)


@pytest.mark.parametrize(("voters", "by_battle"), [(4, 0.47), (20, 0.79)])
def test_intervals_of_few_voters_hold_what_many_would_say(voters: int, by_battle: float) -> None:
    before, after = held(Poll(voters), arenas=100)
    assert before.share == pytest.approx(by_battle, abs=0.05)
    assert 0.92 <= after.share <= 0.985


def test_voters_are_counted_with_the_largest_share_of_one() -> None:
    rows = [replace(row, voter="ann" if number < 15 else "bob") for number, row in enumerate(votes("a b 12 8"))]
    counts = build_leaderboard([*rows, *votes("a b 5")]).counts
    assert (counts.voters, counts.largest_voter_share) == (2, 0.6)
    assert build_leaderboard(votes("a b 5")).counts.largest_voter_share is None


def test_few_voters_are_clusters_unless_another_way_is_asked_for() -> None:
    split = votes("a b 60 0") + votes("a b 0 60")
    # Each of two voters always prefers the same model: 120 votes say no more than two.
    torn = [
        replace(row, voter="ann" if row.verdict is Verdict.A else "bob", battle=str(n)) for n, row in enumerate(split)
    ]
    by_default, by_battle = build_leaderboard(torn), build_leaderboard(torn, Rules(clustering=Clustering.BATTLE))
    assert by_default.method.clustered_by == ("battle", "voter")
    assert by_default.method.interval == "sandwich, clustered by battle and voter, small-sample corrected"
    assert by_battle.method.clustered_by == ("battle",)
    assert width(by_default) > 10 * width(by_battle)


@pytest.mark.parametrize(("voters", "clustered"), [(1, False), (2, True), (29, True), (30, False)])
def test_one_voter_and_many_are_not_clustered_by_voter(voters: int, clustered: bool) -> None:
    rows = cast(votes("a b 50 40 30"), voters)
    assert ("voter" in build_leaderboard(rows).method.clustered_by) == clustered
    asked = build_leaderboard(rows, Rules(clustering=Clustering.VOTER))
    assert ("voter" in asked.method.clustered_by) == (voters > 1)


def test_votes_of_unknown_voters_count_by_their_battles() -> None:
    known = cast(votes("a b 30 20 10"), 6)
    mixed = known + [replace(row, battle=f"c{n}") for n, row in enumerate(votes("a b 30 20 9"))]
    assert "voter" in build_leaderboard(mixed).method.clustered_by
    mostly = mixed + [replace(row, battle=f"d{n}") for n, row in enumerate(votes("a b 30 20 10"))]
    assert "voter" not in build_leaderboard(mostly).method.clustered_by


def test_like_votes_of_unknown_voters_may_come_as_one_row() -> None:
    known = cast(votes("a b 30 20 10", "b c 20 20", "a c 20 9"), 6)
    summed = [JudgedPair("a", "b", Verdict.A, count=12), JudgedPair("b", "c", Verdict.TIE, count=9)]
    spelled = [replace(row, count=1) for row in summed for _ in range(row.count)]
    assert width(build_leaderboard(known + summed)) == pytest.approx(
        width(build_leaderboard(known + spelled)), rel=1e-9
    )


def test_prompts_that_repeat_count_as_one_cluster() -> None:
    rows = [replace(row, battle=str(n)) for n, row in enumerate(votes("a b 200 0") + votes("a b 0 200"))]
    unique = [replace(row, prompt=f"p{n}") for n, row in enumerate(rows)]
    # Ten prompts, each of which always has the same winner.
    repeated = [replace(row, prompt=f"{row.verdict}{n % 5}") for n, row in enumerate(rows)]
    apart, together = build_leaderboard(unique), build_leaderboard(repeated)
    assert apart.method.clustered_by == ("battle",)
    assert (apart.counts.prompts, apart.counts.largest_prompt_share) == (None, None)
    assert together.method.clustered_by == ("battle", "prompt")
    assert (together.counts.prompts, together.counts.largest_prompt_share) == (10, 0.1)
    # The square root of 40 votes for each prompt, and Student's quantile for nine degrees of freedom.
    assert width(together) / width(apart) == pytest.approx(np.sqrt(40 * 10 / 9) * 2.262 / 1.96, rel=0.05)


def test_a_single_prompt_can_not_be_told_from_others_and_changes_nothing() -> None:
    rows = [replace(row, battle=str(n)) for n, row in enumerate(votes("a b 30 20 10"))]
    one = build_leaderboard([replace(row, prompt="p") for row in rows])
    assert (width(one), one.method.clustered_by) == (width(build_leaderboard(rows)), ("battle",))


def test_a_board_may_begin_at_a_time() -> None:
    rows = [replace(row, at_s=float(number)) for number, row in enumerate(votes("a b 10 0", "a b 0 10"))]
    late = build_leaderboard([*rows, *votes("a b 3")], Rules(selection=Selection(since_s=10.0)))
    assert (late.counts.a_wins, late.counts.b_wins) == (0, 10)
    assert (late.counts.left_out, late.method.since) == ({"since": 13}, 10.0)


def leaning(side: float, champion: float) -> list[JudgedPair]:
    """Battles of three where side a and the champion have these advantages in logits; the winner stays."""
    random = np.random.default_rng(5)
    theta = dict(zip("abcd", (0.5, 0.2, -0.2, -0.5), strict=True))
    rows: list[JudgedPair] = []
    for battle in range(1500):
        names = [str(name) for name in random.permutation(list("abcd"))[:3]]
        stays = 0
        for round_ in (1, 2):
            left, right = (stays, round_) if random.random() < 0.5 else (round_, stays)
            ahead = 0.0 if round_ == 1 else champion if left == stays else -champion
            eta = theta[names[left]] - theta[names[right]] + side + ahead
            won = random.random() < 1 / (1 + np.exp(-eta))
            verdict = Verdict.A if won else Verdict.B
            rows.append(JudgedPair(names[left], names[right], verdict, f"b{battle}", round_, left, right))
            stays = left if won else right
    return rows


def test_the_effects_of_side_and_champion_are_found_with_intervals() -> None:
    found = build_leaderboard(leaning(0.3, -0.4), Rules(effects=ALL_EFFECTS)).method.effects
    for name, true in (("side", 0.3), ("champion", -0.4)):
        size, elo = found[name], true * 400 / np.log(10)
        assert size.lower is not None
        assert size.upper is not None
        assert size.lower < elo < size.upper
        assert size.upper - size.lower < 60
        assert not size.lower < 0 < size.upper


def test_without_such_effects_their_intervals_hold_zero() -> None:
    snapshot = build_leaderboard(leaning(0.0, 0.0), Rules(effects=(Effect.SIDE,)))
    size = snapshot.method.effects["side"]
    assert list(snapshot.method.effects) == ["side"]
    assert size.lower is not None
    assert size.upper is not None
    assert size.lower < 0 < size.upper
    assert build_leaderboard(leaning(0.0, 0.0)).method.effects == {}


def test_a_side_that_is_always_the_same_models_is_not_known() -> None:
    size = build_leaderboard(votes("a b 20 12 4"), Rules(effects=(Effect.SIDE,))).method.effects["side"]
    assert (size.lower, size.upper) == (None, None)


def test_effects_of_seats_are_fitted_to_pairs_as_to_single_votes() -> None:
    rows = leaning(0.3, -0.4)
    paired = build_leaderboard(rows, Rules(effects=ALL_EFFECTS))
    # A look without any contrast beside the effects keeps votes single.
    assert {row.model: row.elo_rating for row in paired.leaderboard} == pytest.approx(
        {row.model: row.elo_rating for row in build_leaderboard(rows, _with_look()).leaderboard}, abs=0.02
    )


def _with_look() -> Rules:
    return Rules(effects=ALL_EFFECTS, features=(StyleFeature.BOLD,))


def test_places_in_the_entry_order_have_unlike_win_rates_without_any_bias() -> None:
    random = np.random.default_rng(3)
    rates = []
    for _ in range(200):
        table = play(Scene(8, 300, entrants=3, ties=0.0), random, random.normal(0.0, 0.7, 8))
        rates.append([position.win_rate for position in board_of(table, Rules(draws=10)).positions])
    first, second, third = np.mean(np.array(rates, dtype=np.float64), axis=0)
    assert first == pytest.approx(second, abs=0.015)
    assert third < 0.48 < 0.5 < first
