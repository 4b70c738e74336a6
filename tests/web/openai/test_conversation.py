"""What a chat means: a question with what was said before, or a verdict."""

from __future__ import annotations

import pytest

from app.backends.base import Message
from app.battle.battle import Side, Verdict
from app.battle.events import SideView, Snapshot
from app.web.openai.conversation import (
    INVITATION,
    RULE,
    ChatVote,
    Question,
    battle_in,
    heading,
    history_of,
    read_chat,
    verdict_in,
)

BATTLE = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def tail(battle: str) -> str:
    return RULE + INVITATION.format(link=f"http://arena.example/battle/{battle}/claim?token=00ff")


BOTH = heading(Side.A) + "Left." + RULE + heading(Side.B) + "Right." + tail(BATTLE)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def played(verdict: str | None) -> Snapshot:
    sides = {Side.A: SideView("Model A", "done", "Left."), Side.B: SideView("Model B", "done", "Right.")}
    votes = () if verdict is None else ({"round": 1, "verdict": verdict},)
    return Snapshot(BATTLE, "finished", "Why?", 1, 1, sides, votes)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a", Verdict.A),
        (" B. ", Verdict.B),
        ("**tie**", Verdict.TIE),
        ("Neither", Verdict.BOTH_BAD),
        ("both bad", Verdict.BOTH_BAD),
        ("/vote a", Verdict.A),
        ("a b", None),
        ("A is better", None),
        ("", None),
        ("tie them together", None),
    ],
)
def test_only_exact_words_are_verdicts(text: str, verdict: Verdict | None) -> None:
    assert verdict_in(text) is verdict


def test_the_last_address_in_an_answer_is_its_battle() -> None:
    assert battle_in(tail(OTHER) + tail(BATTLE)) == BATTLE
    assert battle_in("see /battle/ and /battle/xyz") is None


def test_a_word_after_a_battle_is_a_verdict_on_it() -> None:
    assert read_chat([user("Why?"), assistant(BOTH), user("b")]) == ChatVote(BATTLE, Verdict.B)


def test_the_same_word_without_a_battle_before_it_is_a_question() -> None:
    chat = read_chat([user("Name a letter"), assistant("Sure."), user("b")])
    assert isinstance(chat, Question)
    assert chat.message == "b"


@pytest.mark.parametrize("messages", [[], [Message("system", "Be short.")], [user("Hi"), assistant("Ho")]])
def test_without_a_last_word_of_the_user_there_is_nothing_to_do(messages: list[Message]) -> None:
    assert read_chat(messages) is None


def test_verdicts_and_what_was_answered_to_them_are_no_part_of_the_history() -> None:
    reveal = assistant("You said: **B is better**.\n\n- Model A: `x`")
    chat = read_chat(
        [Message("system", "Be short."), user("Why?"), assistant(BOTH), user("b"), reveal, user("And how?")]
    )
    assert isinstance(chat, Question)
    assert (chat.system, chat.message) == ("Be short.", "And how?")
    assert chat.turns == (user("Why?"), assistant(BOTH))
    assert chat.battles == {1: BATTLE}


@pytest.mark.parametrize(
    ("verdict", "kept"), [("a", "Left."), ("b", "Right."), ("tie", "Left."), ("both_bad", "Left."), (None, "Left.")]
)
def test_models_get_the_answer_that_won_without_headings(verdict: str | None, kept: str) -> None:
    chat = read_chat([user("Why?"), assistant(BOTH), user("And how?")])
    assert isinstance(chat, Question)
    assert history_of(chat, {BATTLE: played(verdict)}) == (user("Why?"), assistant(kept))


def test_of_a_battle_that_is_not_known_any_more_the_first_answer_is_kept() -> None:
    chat = read_chat([user("Why?"), assistant(BOTH), user("And how?")])
    assert isinstance(chat, Question)
    assert history_of(chat, {}) == (user("Why?"), assistant("Left."))


def test_of_one_column_its_own_text_is_kept_when_the_battle_is_not_known() -> None:
    chat = read_chat([user("Why?"), assistant("Right." + tail(BATTLE)), user("And how?")])
    assert isinstance(chat, Question)
    assert history_of(chat, {}) == (user("Why?"), assistant("Right."))


def test_other_answers_stay_as_they_are() -> None:
    chat = read_chat([user("Why?"), assistant("**Model A** is a car."), user("And how?")])
    assert isinstance(chat, Question)
    assert history_of(chat, {}) == (user("Why?"), assistant("**Model A** is a car."))
