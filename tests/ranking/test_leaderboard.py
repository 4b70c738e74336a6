"""The board: the contract's fields and ours, the same bytes for the same votes, and what counts."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies._internal.random import ArtificialRandom

from app.battle.battle import Verdict
from app.ranking.board import BoardRow, Leaderboard, ModelCard, Rules
from app.ranking.bradley_terry import fit, pair_cells
from app.ranking.choices import ALL_FEATURES, StyleFeature, Ties
from app.ranking.leaderboard import board_of, build_leaderboard
from app.ranking.table import tabulate
from app.ranking.votes import JudgedPair, Mark, Selection
from app.records.style import AnswerStyle
from benchmarks.ranking import Scene, play
from tests.examples import examples
from tests.helpers import known
from tests.ranking.golden import golden, to_bytes, votes

ANY_NUMBER = Rules(minimum_votes=1)


def by_model(snapshot: Leaderboard) -> dict[str, BoardRow]:
    return {row.model: row for row in snapshot.leaderboard}


def a_battle(name: str, *rounds: str, marks: frozenset[Mark] = frozenset()) -> list[JudgedPair]:
    """``a_battle("b1", "x>y", "x=z")``: the first named of each round entered before the other."""
    rows = []
    for number, line in enumerate(rounds, 1):
        sign = next(sign for sign in "><=" if sign in line)
        left, right = line.split(sign)
        verdict = {">": Verdict.A, "<": Verdict.B, "=": Verdict.TIE}[sign]
        rows.append(JudgedPair(left, right, verdict, name, number, 0, number, marks=marks))
    return rows


def test_rows_carry_the_fields_that_older_clients_read() -> None:
    cards = [ModelCard("llama3.1:8b@sha", "Llama 3.1 8B")]
    rows = votes("llama3.1:8b@sha other 6 3 1")
    body = json.loads(to_bytes(build_leaderboard(rows, ANY_NUMBER, cards)))
    first = body["leaderboard"][0]
    assert first["rank"] == 1
    assert first["model"] == "llama3.1:8b@sha"
    assert first["display_name"] == "Llama 3.1 8B"
    assert first["battles_fought"] == 10
    assert first["win_rate"] == 0.65
    assert first["elo_rating"] == pytest.approx(1000 + 0.5 * 400 * np.log10(6.5 / 3.5), abs=0.01)
    assert body["last_updated"] is None


def test_the_newest_vote_dates_the_board() -> None:
    rows = [replace(row, at_s=1_700_000_000.0 + number) for number, row in enumerate(votes("a b 3 3"))]
    assert build_leaderboard(rows).last_updated == 1_700_000_005.0


styles = st.none() | st.builds(
    AnswerStyle, st.integers(0, 500), st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)
)
any_rows = st.builds(
    JudgedPair,
    model_a=st.sampled_from("abcd"),
    model_b=st.sampled_from("efa"),
    verdict=st.sampled_from(Verdict),
    battle=st.none() | st.sampled_from(["b1", "b2", "b3", "b4"]),
    round=st.integers(1, 3),
    entry_a=st.integers(0, 3),
    entry_b=st.integers(4, 5),
    style_a=styles,
    style_b=styles,
)


@given(st.lists(any_rows, max_size=30), st.randoms(), st.sampled_from(Ties), st.sampled_from([(), ALL_FEATURES]))
@settings(max_examples=examples(30))
def test_the_same_votes_in_any_order_make_the_same_bytes(
    drawn: list[JudgedPair],
    random: ArtificialRandom,
    ties: Ties,
    features: tuple[StyleFeature, StyleFeature, StyleFeature, StyleFeature],
) -> None:
    rules = Rules(ties=ties, features=features, minimum_votes=1, draws=500)
    shuffled = list(drawn)
    random.shuffle(shuffled)
    assert to_bytes(build_leaderboard(shuffled, rules)) == to_bytes(build_leaderboard(drawn, rules))


def test_another_vote_makes_other_bytes() -> None:
    rows = votes("a b 12 10", "b c 11 12")
    assert to_bytes(build_leaderboard(rows)) != to_bytes(build_leaderboard([*rows, *votes("a c 1")]))


def test_fallback_and_leaked_answers_are_left_out_unless_admitted() -> None:
    rows = votes("a b 9 8") + a_battle("b1", "a>b", marks=frozenset({Mark.LEAKED}))
    rows += a_battle("b2", "a>b", "a>b", marks=frozenset({Mark.FALLBACK}))
    assert build_leaderboard(rows).counts.left_out == {"leaked": 1, "fallback": 2}
    assert by_model(build_leaderboard(rows))["a"].wins == 9
    selection = Selection(admitted=frozenset({Mark.LEAKED}))
    admitted = build_leaderboard(rows, Rules(selection=selection))
    assert by_model(admitted)["a"].wins == 10
    assert admitted.method.admitted == ("leaked",)


def test_a_model_never_fights_itself() -> None:
    counts = build_leaderboard(votes("a b 2 2", "a a 5")).counts
    assert (counts.votes, counts.left_out) == (4, {"same_model": 5})


def test_categories_and_languages_have_boards_of_their_own() -> None:
    rows = [replace(row, categories=("code", "hard"), language="en") for row in votes("a b 8 2")]
    rows += [replace(row, categories=("prose",), language="fr") for row in votes("a b 1 9")]
    code = build_leaderboard(rows, Rules(selection=Selection(category="code")))
    french = build_leaderboard(rows, Rules(selection=Selection(language="fr")))
    assert (code.leaderboard[0].model, code.method.category, code.counts.left_out) == ("a", "code", {"category": 10})
    assert (french.leaderboard[0].model, french.method.language) == ("b", "fr")
    assert build_leaderboard(rows).counts.votes == 20


def test_a_retired_model_keeps_its_votes_and_says_so() -> None:
    rows = votes("a b 9 8", "b old 9 8")
    snapshot = build_leaderboard(rows, cards=[ModelCard("old", "Old", retired=True)])
    assert by_model(snapshot)["old"].retired
    assert by_model(snapshot)["a"].elo_rating == by_model(build_leaderboard(rows))["a"].elo_rating


def test_the_verdicts_are_counted_by_side() -> None:
    counts = build_leaderboard(votes("a b 5 3 2 1")).counts
    assert (counts.a_wins, counts.b_wins, counts.ties, counts.both_bad, counts.rated) == (5, 3, 2, 1, 10)


def test_rows_are_in_the_order_of_their_ranks() -> None:
    ranks = [row.rank for row in build_leaderboard(golden("llmfao").rows).leaderboard]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    assert len(set(ranks)) > 3


def test_votes_of_one_battle_count_as_one_battle_and_imported_ones_each() -> None:
    snapshot = build_leaderboard(a_battle("b1", "a>b", "a>c") + votes("a b 3"))
    row = by_model(snapshot)["a"]
    assert (row.battles_fought, row.votes, snapshot.counts.battles) == (4, 5, 4)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("scale", [1, 40])
def test_like_votes_may_come_as_one_row_with_their_number(ties: Ties, scale: int) -> None:
    A, B, TIE, BOTH_BAD = Verdict
    counts = {("x", "y", A): 7, ("y", "x", A): 5, ("x", "z", B): 3, ("z", "x", TIE): 4, ("y", "z", BOTH_BAD): 2}
    counts |= {("z", "y", A): 6, ("z", "y", B): 2, ("x", "y", TIE): 1}
    lived = [row for number in range(5) for row in a_battle(f"b{number}", "x>y", "x<z")]
    alike = [JudgedPair(*key, entry_a=0, entry_b=1, count=scale * number) for key, number in counts.items()]
    single = [replace(row, count=1) for row in alike for _ in range(row.count)]
    rules = Rules(ties=ties)
    summed, spelled = build_leaderboard(lived + alike, rules), build_leaderboard(lived + single, rules)
    assert to_bytes(summed) == to_bytes(spelled)
    assert summed.counts.votes == 10 + 30 * scale
    assert summed.counts.battles == 5 + 30 * scale
    refused = Selection(language="fr")
    assert tabulate(alike, refused).left_out == tabulate(single, refused).left_out == (("language", 30 * scale),)


def test_models_that_cannot_be_told_apart_share_a_rank() -> None:
    snapshot = build_leaderboard(votes("a b 20 18", "b c 200 20", "a c 200 20"))
    rows = by_model(snapshot)
    assert (rows["a"].rank, rows["b"].rank, rows["c"].rank) == (1, 1, 3)
    assert (rows["a"].rank_high, rows["b"].rank_high, rows["c"].rank_high) == (2, 2, 3)
    assert (rows["a"].tied_with, rows["c"].tied_with) == (1, 0)


def test_equal_models_hardly_ever_get_a_false_rank() -> None:
    random = np.random.default_rng(11)
    false_ranks = 0
    for _ in range(60):
        table = play(Scene(8, 240), random, np.zeros(8))
        false_ranks += any(row.rank > 1 for row in board_of(table, Rules(draws=100)).leaderboard if not row.provisional)
    assert false_ranks <= 8


def test_the_chances_to_be_best_add_up() -> None:
    rows = build_leaderboard(golden("food").rows, ANY_NUMBER).leaderboard
    assert sum(known(row.p_best) for row in rows) == pytest.approx(1.0, abs=1e-3)
    assert rows[0].p_best == max(known(row.p_best) for row in rows)


def test_the_chance_over_the_next_is_that_of_the_ratings() -> None:
    rows = build_leaderboard(votes("a b 30 10"), ANY_NUMBER).leaderboard
    assert rows[0].chance_over_next == 0.75
    assert rows[1].chance_over_next is None


def test_a_close_first_place_says_how_many_votes_would_tell() -> None:
    found = build_leaderboard(votes("a b 59 41"), ANY_NUMBER).finding
    assert (found.state, found.first, found.second) == ("open", "a", "b")
    # A gap of 0.364 logits is clear at a standard error of 0.186; a vote at 0.59 has 0.242 of information: 120 votes.
    assert 16 <= known(found.votes_to_separate) <= 28
    assert "more votes" in found.sentence


def test_that_many_votes_more_do_tell() -> None:
    start = votes("a b 52 40 8", "b c 30 10", "a c 30 10")
    needed = known(build_leaderboard(start).finding.votes_to_separate)
    more = [JudgedPair("a", "b", Verdict.A)] * round(needed * 0.565) + [JudgedPair("a", "b", Verdict.B)] * round(
        needed * 0.435
    )
    gap = build_leaderboard(start).leaderboard[0].chance_over_next
    assert gap == pytest.approx(0.565, abs=0.02)
    after = build_leaderboard(start + more).finding
    assert after.state == "clear" or known(after.votes_to_separate) < needed / 4


def test_a_draw_at_the_top_cannot_be_told() -> None:
    found = build_leaderboard(votes("a b 20 20"), ANY_NUMBER).finding
    assert (found.state, found.votes_to_separate) == ("open", None)
    assert "too close" in found.sentence


def test_a_clear_first_place_is_called_clear() -> None:
    found = build_leaderboard(votes("a b 90 10"), ANY_NUMBER).finding
    assert (found.state, found.votes_to_separate) == ("clear", 0)
    assert found.sentence == "a is clearly better than b."


def test_the_flips_that_turn_the_first_place_are_counted() -> None:
    found = build_leaderboard(votes("a b 16 10"), ANY_NUMBER).finding
    # 13 to 13 is a draw, which the first keeps.
    assert (found.flips, found.flips_to) == (4, "b")


def test_ties_are_flipped_where_wins_do_not_suffice() -> None:
    found = build_leaderboard(votes("a b 1 0 8", "b c 4 5", "a c 4 5"), ANY_NUMBER).finding
    assert found.first == "c"
    assert found.flips in (1, 2)


def test_as_many_flips_do_turn_the_first_place_and_one_less_never_does() -> None:
    rows = [row for row in golden("food").rows if row.verdict is not Verdict.TIE]
    found = build_leaderboard(rows, ANY_NUMBER).finding
    models = sorted({row.model_a for row in rows})
    left = np.array([models.index(row.model_a) for row in rows])
    right = np.array([models.index(row.model_b) for row in rows])
    won = np.array([row.verdict is Verdict.A for row in rows])

    def first_after(*flipped: int) -> str:
        now = won.copy()
        now[list(flipped)] ^= True
        return models[fit(pair_cells(len(models), left, right, now, ~now, now * 0)).theta.argmax()]

    turned = [pair for pair in combinations(range(len(rows)), 2) if first_after(*pair) != found.first]
    assert found.flips == 2
    assert turned
    assert all(first_after(one) == found.first for one in range(len(rows)))


def test_battles_won_show_the_bias_of_entry_order_and_do_not_rank() -> None:
    table = play(Scene(4, 6000, ties=0.0), np.random.default_rng(5), np.zeros(4))
    snapshot = board_of(table, Rules(draws=100))
    shares = [position.battles_won_share for position in snapshot.positions]
    assert shares == pytest.approx([0.125, 0.125, 0.25, 0.5], abs=0.03)
    assert [position.win_rate for position in snapshot.positions] == pytest.approx([0.5] * 4, abs=0.03)
    assert {row.rank for row in snapshot.leaderboard} == {1}
    assert all(sum(row.entries) == row.votes for row in snapshot.leaderboard)


def test_a_tie_keeps_the_champion_in_the_count_of_battles_won() -> None:
    positions = build_leaderboard(a_battle("b1", "x=y", "x=z")).positions
    assert [position.battles_won_share for position in positions] == [1.0, 0.0, 0.0]


def long_wins() -> list[JudgedPair]:
    """Equal models; only the length decides, in proportion, and ``wordy`` is mostly the longer one."""
    random = np.random.default_rng(1)
    rows = []
    for number in range(1500):
        left, right = random.choice(["wordy", "terse", "plain"], 2, replace=False)
        length = {name: int(random.integers(50, 400)) + (250 if name == "wordy" else 0) for name in (left, right)}
        contrast = (length[left] - length[right]) / (length[left] + length[right])
        left_wins = random.random() < 1 / (1 + np.exp(-4 * contrast))
        rows.append(
            JudgedPair(
                str(left),
                str(right),
                Verdict.A if left_wins else Verdict.B,
                f"b{number}",
                style_a=AnswerStyle(length[left]),
                style_b=AnswerStyle(length[right]),
            )
        )
    return rows


def test_style_control_sets_length_aside() -> None:
    rows = long_wins()
    plain = by_model(build_leaderboard(rows))
    controlled = build_leaderboard(rows, Rules(features=ALL_FEATURES))
    assert plain["wordy"].elo_rating > plain["terse"].elo_rating + 80
    fair = by_model(controlled)
    assert {row.rank for row in plain.values()} != {1}
    assert {row.rank for row in fair.values()} == {1}
    assert all(known(row.rating_lower) < 1000 < known(row.rating_upper) for row in fair.values())
    assert controlled.method.style["length"] > 50
    assert controlled.method.style["bold"] == 0.0


def test_style_that_was_measured_on_one_side_only_is_not_used() -> None:
    rows = [replace(row, style_b=None) for row in long_wins()]
    controlled = by_model(build_leaderboard(rows, Rules(features=ALL_FEATURES)))
    assert controlled["wordy"].elo_rating == by_model(build_leaderboard(rows))["wordy"].elo_rating
