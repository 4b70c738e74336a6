"""The rules in sentences, then as a machine that no sequence of moves may break."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.battle import rules
from app.battle.battle import Battle, Contestant, IllegalMove, Pair, Side, Status, Verdict
from tests.examples import examples

MODELS = ("llama3.1:8b", "mistral:7b", "qwen3:8b", "phi3:mini", "gemma2:9b")


def opened(count: int = 3) -> Battle:
    return rules.open_battle("b1", "Why?", tuple(Contestant(n, MODELS[n]) for n in range(count)))


def judged(battle: Battle, verdict: Verdict) -> Battle:
    return rules.cast_vote(rules.mark_ready(battle), battle.round, verdict)


def test_the_first_two_entrants_open_the_battle() -> None:
    battle = opened(3)
    assert battle.pair == Pair(0, 1)
    assert (battle.round, battle.rounds_total) == (1, 2)
    assert [c.alias for c in battle.contestants] == ["Model A", "Model B", "Model C"]


@pytest.mark.parametrize(("entry", "alias"), [(0, "Model A"), (25, "Model Z"), (26, "Model AA"), (51, "Model AZ")])
def test_an_alias_follows_the_entry(entry: int, alias: str) -> None:
    assert Contestant(entry, "m").alias == alias


def test_the_winner_stays_on_its_side() -> None:
    assert judged(opened(), Verdict.A).pair == Pair(0, 2)
    assert judged(opened(), Verdict.B).pair == Pair(2, 1)


@pytest.mark.parametrize("verdict", [Verdict.TIE, Verdict.BOTH_BAD])
def test_without_a_winner_the_earlier_entrant_stays_and_the_verdict_is_kept(verdict: Verdict) -> None:
    battle = judged(opened(), verdict)
    assert battle.pair == Pair(0, 2)
    assert battle.votes[0].verdict is verdict


@pytest.mark.parametrize("verdict", [Verdict.TIE, Verdict.BOTH_BAD])
def test_a_tie_keeps_the_champion_on_whichever_side(verdict: Verdict) -> None:
    battle = judged(judged(opened(4), Verdict.B), verdict)
    assert battle.pair == Pair(3, 1)


def test_n_models_end_after_n_minus_one_verdicts_with_a_full_ranking() -> None:
    battle = opened(4)
    for verdict in (Verdict.B, Verdict.A, Verdict.TIE):
        battle = judged(battle, verdict)
    assert battle.status is Status.FINISHED
    assert [place.entry for place in rules.ranking(battle)] == [2, 3, 1, 0]
    assert [place.place for place in rules.ranking(battle)] == [1, 2, 3, 4]


def test_a_failed_side_is_replaced_in_the_same_round() -> None:
    battle = rules.forfeit(opened(3), [0])
    assert (battle.pair, battle.round, battle.rounds_total) == (Pair(2, 1), 1, 1)
    assert rules.ranking(battle)[-1] == rules.Place(None, 0, failed=True)


def test_both_failed_brings_the_next_two() -> None:
    battle = rules.forfeit(opened(4), [0, 1])
    assert (battle.pair, battle.rounds_total, battle.running) == (Pair(2, 3), 1, True)


def test_nobody_to_compare_with_before_a_verdict_fails_the_battle() -> None:
    assert rules.forfeit(opened(2), [1]).status is Status.FAILED
    assert rules.forfeit(opened(3), [0, 1]).status is Status.FAILED


def test_a_battle_is_lost_without_those_whom_it_needs_for_a_first_verdict() -> None:
    three = opened()
    assert [rules.lost_without(three, failed) for failed in ([], [0], [0, 2], [0, 1, 2])] == [False, False, True, True]
    assert rules.lost_without(rules.forfeit(three, [0]), [2]), "who has failed is out already"
    assert not rules.lost_without(judged(three, Verdict.A), [1, 2]), "a verdict is there"
    assert not rules.lost_without(rules.stop(three), [0, 1, 2]), "it is over"


def test_the_champion_without_challengers_wins() -> None:
    battle = rules.forfeit(judged(opened(3), Verdict.B), [2])
    assert battle.status is Status.FINISHED
    assert [(p.place, p.entry, p.failed) for p in rules.ranking(battle)] == [
        (1, 1, False),
        (2, 0, False),
        (None, 2, True),
    ]


def test_a_challenger_that_failed_off_stage_is_passed_over() -> None:
    battle = rules.cast_vote(rules.mark_ready(opened(4)), 1, Verdict.A, failed=[2])
    assert (battle.pair, battle.round, battle.rounds_total) == (Pair(0, 3), 2, 2)


def test_the_last_verdict_with_failed_challengers_left_ends_the_battle() -> None:
    battle = rules.cast_vote(rules.mark_ready(opened(3)), 1, Verdict.A, failed=[2])
    assert battle.status is Status.FINISHED


def test_a_verdict_that_is_the_last_one_ends_the_battle_whoever_is_left() -> None:
    battle = rules.cast_vote(rules.mark_ready(opened(4)), 1, Verdict.B, is_last=True)
    assert (battle.status, battle.round, battle.pair) == (Status.FINISHED, 1, Pair(0, 1))
    assert [(p.place, p.entry) for p in rules.ranking(battle)] == [(1, 1), (2, 0), (None, 2), (None, 3)]


@pytest.mark.parametrize("is_last", [True, False])
def test_who_failed_off_stage_is_ranked_as_failed_by_every_last_verdict(is_last: bool) -> None:
    battle = rules.cast_vote(rules.mark_ready(opened(3)), 1, Verdict.A, failed=[2], is_last=is_last)
    assert (battle.status, battle.failed) == (Status.FINISHED, (2,))
    assert rules.ranking(battle)[-1].failed


@pytest.mark.parametrize(
    ("move", "code"),
    [
        (lambda b: rules.cast_vote(b, 1, Verdict.A), "not_ready"),
        (lambda b: rules.cast_vote(rules.mark_ready(b), 2, Verdict.A), "not_this_round"),
        (lambda b: rules.mark_ready(rules.mark_ready(b)), "already_ready"),
        (lambda b: rules.forfeit(b, [2]), "nobody_failed"),
        (lambda b: rules.forfeit(judged(b, Verdict.A), [0]), "answer_judged"),
        (lambda b: rules.stop(rules.stop(b)), "battle_over"),
        (lambda b: rules.undo(b), "nothing_judged"),
        (lambda b: rules.undo(rules.stop(judged(b, Verdict.A))), "battle_over"),
        (lambda b: rules.cast_vote(rules.fail(b), 1, Verdict.A), "battle_over"),
    ],
)
def test_illegal_moves_are_named(move: Callable[[Battle], Battle], code: str) -> None:
    with pytest.raises(IllegalMove) as caught:
        move(opened(3))
    assert caught.value.code == code


def test_a_verdict_that_is_taken_back_leaves_no_trace() -> None:
    ready = rules.mark_ready(opened(4))
    assert rules.undo(rules.cast_vote(ready, 1, Verdict.B)) == ready


def test_a_challenger_that_failed_since_stays_failed_after_an_undo() -> None:
    battle = rules.forfeit(judged(opened(4), Verdict.A), [2])
    back = rules.undo(battle)
    assert (back.pair, back.waiting, back.rounds_total) == (Pair(0, 1), (3,), 2)


def test_bad_contestants_are_refused() -> None:
    with pytest.raises(IllegalMove, match="two"):
        rules.open_battle("b", "m", (Contestant(0, "x"),))
    with pytest.raises(IllegalMove, match="once"):
        rules.open_battle("b", "m", (Contestant(0, "x"), Contestant(1, "x")))
    with pytest.raises(IllegalMove, match="gap"):
        rules.open_battle("b", "m", (Contestant(1, "x"), Contestant(0, "y")))


class BattleMachine(RuleBasedStateMachine):
    """Any sequence of legal moves, with illegal ones thrown in."""

    @initialize(count=st.integers(2, 5))
    def start(self, count: int) -> None:
        self.battle = opened(count)
        self.before = self.battle

    def move_to(self, battle: Battle) -> None:
        self.before, self.battle = self.battle, battle

    @precondition(lambda self: self.battle.running and not self.battle.ready)
    @rule()
    def both_complete(self) -> None:
        self.move_to(rules.mark_ready(self.battle))

    @precondition(lambda self: self.battle.running and self.battle.ready)
    @rule(verdict=st.sampled_from(Verdict), failed=st.sets(st.integers(0, 4)))
    def vote(self, verdict: Verdict, failed: set[int]) -> None:
        champion = self.battle.champion
        self.move_to(rules.cast_vote(self.battle, self.battle.round, verdict, failed))
        if champion is not None and verdict in (Verdict.TIE, Verdict.BOTH_BAD):
            assert self.battle.champion == champion

    @precondition(lambda self: self.battle.running and self.battle.votes)
    @rule()
    def take_back(self) -> None:
        vote = self.battle.votes[-1]
        back = rules.undo(self.battle)
        assert (back.pair, back.round, back.ready) == (vote.pair, vote.round, True)
        assert back.votes == self.battle.votes[:-1]
        self.before = self.battle = back

    @precondition(lambda self: self.battle.running)
    @rule(failed=st.sets(st.integers(0, 4), min_size=1))
    def fail(self, failed: set[int]) -> None:
        on_stage = {self.battle.pair.a, self.battle.pair.b}
        if not failed & on_stage or self.battle.champion in failed:
            with pytest.raises(IllegalMove):
                rules.forfeit(self.battle, failed)
            return
        self.move_to(rules.forfeit(self.battle, failed))

    @precondition(lambda self: self.battle.running)
    @rule(sure=st.integers(0, 9))
    def stop(self, sure: int) -> None:
        if sure == 0:
            self.move_to(rules.stop(self.battle))

    @rule(round_number=st.integers(-1, 9), verdict=st.sampled_from(Verdict))
    def vote_out_of_turn(self, round_number: int, verdict: Verdict) -> None:
        if self.battle.running and self.battle.ready and round_number == self.battle.round:
            return
        with pytest.raises(IllegalMove):
            rules.cast_vote(self.battle, round_number, verdict)

    @invariant()
    def everybody_is_in_one_place(self) -> None:
        battle = self.battle
        entries = set(range(len(battle.contestants)))
        gone = set(battle.beaten) | set(battle.failed)
        assert not set(battle.beaten) & set(battle.failed)
        assert battle.pair.a != battle.pair.b
        if battle.running:
            assert not gone & {battle.pair.a, battle.pair.b}
            assert gone | {battle.pair.a, battle.pair.b} | set(battle.waiting) == entries

    @invariant()
    def rounds_are_counted(self) -> None:
        battle = self.battle
        assert len({vote.round for vote in battle.votes}) == len(battle.votes)
        assert battle.round <= battle.rounds_total <= len(battle.contestants) - 1
        if battle.running:
            assert len(battle.votes) == battle.round - 1
            assert battle.rounds_total == battle.round + len(battle.waiting)

    @invariant()
    def the_ranking_names_everybody_once(self) -> None:
        ranking = rules.ranking(self.battle)
        assert sorted(place.entry for place in ranking) == list(range(len(self.battle.contestants)))
        places = [place.place for place in ranking if place.place is not None]
        assert places == list(range(1, len(places) + 1))
        if self.battle.status is Status.FINISHED:
            assert ranking[0].entry == self.battle.champion
            assert all(place.place is not None or place.failed for place in ranking)

    @invariant()
    def who_stays_keeps_its_side(self) -> None:
        before, after = self.before, self.battle
        for side in Side:
            entry = before.pair.on(side)
            if after.running and entry in (after.pair.a, after.pair.b):
                assert after.pair.on(side) == entry

    @invariant()
    def history_never_changes(self) -> None:
        assert self.battle.votes[: len(self.before.votes)] == self.before.votes
        assert self.battle.contestants == self.before.contestants


BattleMachine.TestCase.settings = settings(max_examples=examples(80), stateful_step_count=20, deadline=None)
test_no_sequence_of_moves_breaks_an_invariant = BattleMachine.TestCase
