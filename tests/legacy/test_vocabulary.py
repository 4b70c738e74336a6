"""The words of the older calls, made from snapshots and verdicts alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from app.battle.battle import Verdict
from app.battle.events import SideState, SideView
from app.errors import InvalidInput
from app.web.legacy import answers, verdict_answers
from app.web.legacy.bodies import session_of
from app.web.legacy.vocabulary import verdict_of
from tests.helpers import known
from tests.legacy.builders import READY, done, ended, failed, history, stage

SECOND = replace(stage(READY, b=SideView("Model C", "writing", "x")), round=2, can_vote=False)


def test_a_new_challenger_on_a_side_tells_who_left_it() -> None:
    body = verdict_answers.choice_made(history(SECOND, (Verdict.A, 0, 1)))
    assert (body["eliminated_model"], body["eliminated_side"]) == ("Model B", "right")
    assert (body["response_a"], body["responses_ready"]) == ("one", False)
    assert body["response_b"].startswith("x\n\n[This answer is not complete")
    assert body["current_models"] == ["Model A", "Model C"]


def test_the_last_loser_is_told_by_its_name() -> None:
    after = ended(("Model B", "m2"), ("Model A", "m1"), champion="m2")
    body = verdict_answers.choice_made(history(after, (Verdict.B, 0, 1), models=2))
    assert (body["eliminated_model"], body["eliminated_side"]) == ("m1", "left")
    assert (body["winner"], body["final_ranking"], body["total_rounds"]) == ("m2", ["m2", "m1"], 1)
    assert (body["latency_a"], body["remaining_comparisons"]) == (1500.0, 0)


def test_a_challenger_that_failed_after_the_verdict_is_not_taken_for_its_loser() -> None:
    after = replace(stage(READY, a=done("Model D", "four")), round=2)
    body = verdict_answers.voted(history(after, (Verdict.B, 0, 1), models=4))
    assert (body["previous_loser"], body["eliminated_side"]) == ("Model A", "left")
    assert body["eliminated_models"] == ["Model A", "Model C"]
    assert body["remaining_models"] == []


@pytest.mark.parametrize("verdict", [Verdict.TIE, Verdict.BOTH_BAD])
def test_the_challenger_leaves_after_a_tie_and_after_both_bad(verdict: Verdict) -> None:
    body = verdict_answers.voted(history(SECOND, (verdict, 0, 1)))
    assert (body["previous_winner"], body["previous_loser"], body["eliminated_side"]) == ("Model A", "Model B", "right")
    assert body["comparison_history"] == [
        {
            "round": 0,
            "model_a": "Model A",
            "model_b": "Model B",
            "choice": verdict.value,
            "eliminated_model": "Model B",
            "timestamp": "2026-03-01T00:01:00Z",
        }
    ]


def test_a_champion_that_wins_twice_is_in_the_chain_once() -> None:
    third = replace(stage(READY, b=done("Model D", "four")), round=3)
    body = verdict_answers.voted(history(third, (Verdict.A, 0, 1), (Verdict.A, 0, 2), models=4))
    assert body["winner_chain"] == ["Model A"]
    assert body["round"] == body["current_round"] == 3
    assert body["eliminated_models"] == ["Model B", "Model C"]


def test_what_sql_learned_after_the_snapshot_is_left_out() -> None:
    early = history(READY, (Verdict.A, 0, 1))
    late = replace(early, snapshot=READY)
    assert answers.standings(replace(late, votes=()))["winner_chain"] == []


REASONS = {
    "waiting": "[This answer is not there yet: its model is busy with other answers.",
    "queued": "[This answer is not there yet: its model is busy with other answers.",
    "loading": "[This answer is not there yet: its model is being loaded.",
    "writing": "[This answer is not complete: it is still being written.",
}
WITHOUT = [
    verdict_answers.voted,
    verdict_answers.arena_voted,
    verdict_answers.choice_made,
    answers.responses,
    answers.sent,
]


@pytest.mark.parametrize("state", REASONS)
@pytest.mark.parametrize("encode", WITHOUT)
def test_a_text_that_is_not_there_says_why_and_the_champions_is_whole(encode: Callable[..., Any], state: Any) -> None:
    body = encode(history(stage(SECOND, b=SideView("Model C", state)), (Verdict.A, 0, 1)))
    assert body["response_a"] == "one"
    assert body["response_b"] == f"{REASONS[state]} {answers.DO_NOT_JUDGE}]"


@pytest.mark.parametrize("encode", WITHOUT)
def test_what_is_written_so_far_stands_before_the_reason(encode: Callable[..., Any]) -> None:
    body = encode(history(SECOND, (Verdict.A, 0, 1)))
    assert body["response_b"].split("\n\n") == ["x", f"{REASONS['writing']} {answers.DO_NOT_JUDGE}]"]


def test_every_state_of_a_side_that_is_not_complete_has_its_reason() -> None:
    assert {*answers.UNFINISHED, "done", "failed"} == set(get_args(SideState))


@pytest.mark.parametrize("encode", [verdict_answers.voted, verdict_answers.arena_voted])
@pytest.mark.parametrize("can_vote", [True, False])
def test_responses_are_needed_while_the_battle_runs_and_the_texts_come_all_the_same(
    encode: Callable[..., Any], can_vote: bool
) -> None:
    after = replace(stage(READY, b=done("Model C", "three")), round=2) if can_vote else SECOND
    body = encode(history(after, (Verdict.A, 0, 1)))
    assert (body["needs_responses"], body["continue_battle"], body["success"]) == (True, True, True)
    assert body["previous_winner"] == "Model A"
    assert all((body["response_a"], body["response_b"]))


@pytest.mark.parametrize("encode", [verdict_answers.voted, verdict_answers.arena_voted])
def test_a_click_too_many_is_told_that_it_did_not_count(encode: Callable[..., Any]) -> None:
    one, again = (encode(history(SECOND, (Verdict.A, 0, 1)), counted=counted) for counted in (True, False))
    assert one["preference_recorded"] is True
    assert again == one | {"preference_recorded": False, "message": verdict_answers.CLICKED_AGAIN}


def test_the_models_that_are_revealed_are_those_that_were_judged() -> None:
    body = verdict_answers.voted(history(SECOND, (Verdict.A, 0, 1), reveal="always"), {"m1": 1100.0, "m3": 900.0})
    assert (body["model_a"], body["model_b"]) == ("m1", "m3")
    assert {side: model["name"] for side, model in body["models_revealed"].items()} == {
        "model_a": "m1",
        "model_b": "m2",
    }
    assert body["models_revealed"]["model_a"]["rating"] == 1100.0


def test_before_the_reveal_they_are_aliases_that_all_have_the_same_number() -> None:
    ratings = {"m1": 1100.0, "m2": 900.0, "Model A": 7.0}
    revealed = verdict_answers.voted(history(SECOND, (Verdict.A, 0, 1)), ratings)["models_revealed"]
    assert revealed == {
        f"model_{side}": {"name": alias, "display_name": alias, "rating": 1000.0}
        for side, alias in (("a", "Model A"), ("b", "Model B"))
    }


def test_a_model_that_nobody_judged_has_no_place_in_the_final_ranking() -> None:
    after = ended(("Model A", "m1"), ("Model B", "m2"), champion="m1")
    reveal = dict(known(after.reveal))
    lines = [*reveal["ranking"], {"place": None, "alias": "Model C", "model": "m3", "failed": False}]
    last = verdict_answers.voted(history(replace(after, reveal=reveal | {"ranking": lines}), (Verdict.A, 0, 1)))
    assert last["final_ranking"] == ["m1", "m2"]
    lines[-1] = lines[-1] | {"failed": True}
    failed = verdict_answers.voted(history(replace(after, reveal=reveal | {"ranking": lines}), (Verdict.A, 0, 1)))
    assert failed["final_ranking"] == ["m1", "m2", "m3"], "one that failed is last"


def test_names_and_ratings_come_with_the_end() -> None:
    after = ended(("Model A", "m1"), ("Model B", "m2"), champion="m1")
    body = verdict_answers.voted(history(after, (Verdict.A, 0, 1), models=2))
    assert body["models_revealed"]["model_b"] == {"name": "m2", "display_name": "m2", "rating": 1000.0}
    rated = verdict_answers.voted(history(after, (Verdict.A, 0, 1), models=2), {"m2": 1043.5})["models_revealed"]
    assert (rated["model_a"]["rating"], rated["model_b"]["rating"]) == (1000.0, 1043.5)
    assert body["final_ranking"] == ["m1", "m2"]
    assert body["continue_battle"] is False


def test_names_are_shown_from_the_start_where_that_is_configured() -> None:
    body = answers.battle_started(history(READY, reveal="always"))
    assert (body["model_a"], body["model_b"], body["models_hidden"]) == ("m1", "m2", False)
    assert body["latency_a"] == 0


def test_names_of_the_judged_are_shown_where_that_is_configured() -> None:
    body = verdict_answers.voted(history(SECOND, (Verdict.A, 0, 1), reveal="vote"))
    assert (body["model_a"], body["model_b"], body["previous_loser"]) == ("m1", "Model C", "m2")


def test_a_failed_battle_has_an_error_and_all_the_fields() -> None:
    after = ended(("Model A", "m1"), ("Model B", "m2"), champion=None, status="failed")
    body = answers.progressive_pair(history(after, models=2))
    assert body["status"] == "failed"
    assert isinstance(body["error"], str)
    assert body["winner"] == ""
    assert None not in body.values()


@pytest.mark.parametrize("status", ["running", "finished", "stopped"])
def test_no_other_body_has_the_key_error(status: str) -> None:
    after = READY if status == "running" else ended(("Model A", "m1"), ("Model B", "m2"), champion="m1", status=status)
    assert "error" not in answers.progressive_pair(history(after))


@pytest.mark.parametrize(("can_vote", "reply"), [(True, answers.ANSWERED), (False, answers.ANSWERING)])
def test_the_chat_is_answered_with_a_reply_and_not_with_its_own_question(can_vote: bool, reply: str) -> None:
    body = answers.sent(history(replace(READY, can_vote=can_vote)))
    assert body["message"] == body["response"] == reply != READY.message


def test_an_unfinished_answer_is_the_text_so_far() -> None:
    body = answers.progressive_pair(history(replace(stage(READY, b=SideView("Model B", "waiting")), can_vote=False)))
    assert (body["status"], body["response_a"], body["response_b"]) == ("waiting", "one", "")


def test_the_text_of_a_failed_side_says_why_there_is_no_more() -> None:
    assert answers.shown_text(failed("Model B", "Half an")) == (
        "Half an\n\nThis answer was cut off before its end; the model leaves the battle."
    )
    assert answers.shown_text(failed("Model B", code="timeout")) == "This model took too long; it leaves the battle."


SPELLINGS = [
    ("A", Verdict.A),
    ("left", Verdict.A),
    ("b", Verdict.B),
    (" Right ", Verdict.B),
    ("TIE", Verdict.TIE),
    ("bad", Verdict.BOTH_BAD),
    ("both_bad", Verdict.BOTH_BAD),
    ("model b", Verdict.B),
]


@pytest.mark.parametrize(("word", "verdict"), SPELLINGS)
def test_a_verdict_is_known_by_any_of_its_words(word: str, verdict: Verdict) -> None:
    assert verdict_of(word, history(READY)) is verdict


@pytest.mark.parametrize("word", ["m1", "Model C", "leftish", "a b", ""])
def test_anything_else_is_no_verdict(word: str) -> None:
    with pytest.raises(InvalidInput):
        verdict_of(word, history(READY))


def test_a_name_is_a_verdict_where_names_are_shown() -> None:
    assert verdict_of("M2", history(READY, reveal="always")) is Verdict.B
    with pytest.raises(InvalidInput):
        verdict_of("m3", history(READY, reveal="always"))


@pytest.mark.parametrize(
    ("body", "header", "session"),
    [
        ("mine", "other", "mine"),
        (None, " from-axios ", "from-axios"),
        (None, None, None),
        (None, "  ", None),
        (None, "x" * 201, None),
        (None, "a\x00b", None),
    ],
)
def test_the_session_of_the_body_wins_over_the_header(
    body: str | None, header: str | None, session: str | None
) -> None:
    assert session_of(body, header) == session
