"""Thinking tags in an answer's text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.thinking import ThinkFilter


def shown(*pieces: str) -> str:
    thinking = ThinkFilter()
    return "".join(thinking.feed(piece)[0] for piece in pieces) + thinking.finish()


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("plain", "plain"),
        ("<think>secret</think>Hi", "Hi"),
        ("<think>secret</think>\n\nHi", "Hi"),
        ("Before <think>secret</think> after", "Before  after"),
        ("<think></think>Hi<think>more</think>!", "Hi!"),
        ("<think>never closed. Hi", ""),
        ("Hi <think>never closed", "Hi "),
        ("a < b and <b>bold</b>", "a < b and <b>bold</b>"),
        ("ends like a tag <thin", "ends like a tag <thin"),
        ("<<think>x</think>", "<"),
        ("<think>a<think>b</think>c", "c"),
        ("<think>x</think", ""),
        ("", ""),
    ],
)
def test_what_is_thought_is_never_shown(text: str, visible: str) -> None:
    assert shown(text) == visible
    assert shown(*text) == visible


def test_text_is_not_held_back_longer_than_it_may_be_a_tag() -> None:
    thinking = ThinkFilter()
    assert thinking.feed("a <") == ("a ", False)
    assert thinking.feed("thin") == ("", False)
    assert thinking.feed("g>") == ("<thing>", False)


def test_thinking_is_told_as_a_life_sign() -> None:
    thinking = ThinkFilter()
    assert thinking.feed("<think>") == ("", True)
    assert thinking.feed("hm") == ("", True)
    assert thinking.feed("</think>") == ("", True)
    assert thinking.feed("Hi") == ("Hi", False)


ALPHABET = st.sampled_from(["<think>", "</think>", "<", "</", "think", ">", "a", " ", "\n", "<thin", "k>", "é"])


@given(st.lists(ALPHABET, max_size=12).map("".join), st.data())
def test_the_borders_of_the_pieces_make_no_difference(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert shown(*pieces) == shown(text)


@given(st.lists(ALPHABET, max_size=12).map("".join))
def test_the_whole_is_what_a_regular_expression_would_leave(text: str) -> None:
    whole = re.sub(r"<think>.*?(</think>|$(?![\s\S]))", "\0", text, flags=re.DOTALL)
    first, block, rest = whole.partition("\0")
    expected = first + (re.sub(r"^[\0\s]+", "", rest) if block and not first else rest)
    assert shown(text) == expected.replace("\0", "")
