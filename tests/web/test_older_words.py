"""The words of the older calls, made from snapshots alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.battle.battle import Side, Verdict
from app.battle.events import SideView, Snapshot
from app.errors import InvalidInput
from app.web.chatmrpt import choice_body, pair_body, verdict_of

SIDES = {Side.A: SideView("Model A", "done", "one", "stop"), Side.B: SideView("Model B", "done", "two", "stop")}
READY = Snapshot("b1", "running", "Why?", 1, 2, SIDES, can_vote=True)


def ended(*ranking: tuple[str, str], champion: str | None, **changes: object) -> Snapshot:
    lines = [
        {"place": place, "alias": alias, "model": model, "host": "h", "timing": {"total_s": 1.5}}
        for place, (alias, model) in enumerate(ranking, 1)
    ]
    reveal = {"champion": champion, "ranking": lines}
    return replace(READY, **({"status": "finished", "can_vote": False, "reveal": reveal} | changes))


def test_a_new_challenger_on_a_side_tells_who_left_it():
    after = replace(READY, round=2, can_vote=False, sides={**SIDES, Side.B: SideView("Model C", "writing", "x")})
    body = choice_body(READY, after)
    assert (body["eliminated_model"], body["eliminated_side"]) == ("Model B", "right")
    assert (body["response_a"], body["response_b"], body["responses_ready"]) == ("", "", False)
    assert body["current_models"] == ["Model A", "Model C"]


def test_the_last_loser_is_told_by_its_name():
    after = ended(("Model B", "m2"), ("Model A", "m1"), champion="m2", votes=({"round": 1, "verdict": "b"},))
    body = choice_body(READY, after)
    assert (body["eliminated_model"], body["eliminated_side"]) == ("m1", "left")
    assert (body["winner"], body["final_ranking"], body["total_rounds"]) == ("m2", ["m2", "m1"], 1)
    assert (body["latency_a"], body["remaining_comparisons"]) == (1500.0, 0)


def test_a_failed_battle_has_an_error_and_all_the_fields():
    body = pair_body(ended(("Model A", "m1"), ("Model B", "m2"), champion=None, status="failed"))
    assert body["status"] == "failed"
    assert isinstance(body["error"], str)
    assert body["winner"] == ""
    assert None not in body.values()


@pytest.mark.parametrize("status", ["running", "finished", "stopped"])
def test_no_other_body_has_the_key_error(status):
    after = READY if status == "running" else ended(("Model A", "m1"), ("Model B", "m2"), champion="m1", status=status)
    assert "error" not in pair_body(after)


def test_an_unfinished_answer_is_the_text_so_far():
    waiting = replace(READY, can_vote=False, sides={**SIDES, Side.B: SideView("Model B", "waiting")})
    body = pair_body(waiting)
    assert (body["status"], body["response_a"], body["response_b"]) == ("waiting", "one", "")


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("A", Verdict.A), ("Right", Verdict.B), ("TIE", Verdict.TIE), ("bad", Verdict.BOTH_BAD), ("model b", Verdict.B)],
)
def test_a_verdict_is_known_by_any_of_its_words(word, verdict):
    assert verdict_of(word, READY) is verdict


@pytest.mark.parametrize("word", ["m1", "Model C", "leftish", "a b"])
def test_anything_else_is_no_verdict(word):
    with pytest.raises(InvalidInput):
        verdict_of(word, READY)
