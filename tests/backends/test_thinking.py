"""Thinking tags in an answer's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.thinking import Sifted, ThinkFilter

FENCED = "Look:\n```\n<think>\nhm\n</think>\n\nanswer\n```\nThat is all."


def shown(*pieces: str, opened: bool = False) -> str:
    thinking, text = ThinkFilter(opened=opened), ""
    for sifted in [*map(thinking.feed, pieces), thinking.finish()]:
        text = sifted.text if sifted.restart else text + sifted.text
    return text


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("plain", "plain"),
        ("<think>secret</think>Hi", "Hi"),
        ("<THINK>secret</Think>Hi", "Hi"),
        ("\n<think>secret</think>\n\nHi", "Hi"),
        ("<think></think>\n<think>more</think>\n\nHi", "Hi"),
        ("<think>never closed. Hi", ""),
        ("<think>a<think>b</think>c", "c"),
        ("<think>x</think", ""),
        ("<think>it closes with `</think>`, so</think>Yes", "Yes"),
        ("a < b and <b>bold</b>", "a < b and <b>bold</b>"),
        ("ends like a tag <thin", "ends like a tag <thin"),
        ("<thing>", "<thing>"),
        ("", ""),
        # Other formats at the beginning.
        ("[THINK]hm[/THINK]Hi", "Hi"),
        ("<thought>hm</thought>\nHi", "Hi"),
        ("<thinking>hm</thinking>\n\nHi", "Hi"),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi", "Hi"),
        ("<|channel|>analysis<|message|>hm", ""),
        ("<|channel|>final<|message|>Hi", "Hi"),
        ("<|channel>thought\nhm<channel|>Hi", "Hi"),
        ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hi", "Hi"),
        ("◁think▷hm◁/think▷Hi", "Hi"),
        ("<seed:think>hm</seed:think>Hi", "Hi"),
        # What the template opened: only the closing tag comes.
        ("</think>Hi", "Hi"),
        ("Okay. \n</think>\n\nBecause.", "Because."),
        ("Okay.\n</think>\r\nBecause.", "Because."),
        ("Okay.\n</think>Because.", "Because."),
        ("Okay.</think>\n\nBecause.", "Because."),
        ("Okay.[/THINK]\n\nBecause.", "Because."),
        ("Okay.<|END_THINKING|><|START_RESPONSE|>Because.", "Because."),
        ("They ask for `</think>`.\n</think>\n\nIt ends a thought.", "It ends a thought."),
        ("Okay.\n</think>", ""),
        # What the answer quotes.
        (
            "Models write `<think>` and then `</think>`.\n\nDone.",
            "Models write `<think>` and then `</think>`.\n\nDone.",
        ),
        ("Use `a </think> b` so.\n\nDone.", "Use `a </think> b` so.\n\nDone."),
        ("A thought ends with </think>\n\nand then", "A thought ends with </think>\n\nand then"),
        ("</thing> is none\n</think> is one.", "</thing> is none\n</think> is one."),
        ("Before <think>b</think> after", "Before <think>b</think> after"),
        ("Like this:\n\n<think>\nhm\n</think>\n\nSo.", "Like this:\n\n<think>\nhm\n</think>\n\nSo."),
        ("Like this:\n\n    hm\n    </think>\n\nSo.", "Like this:\n\n    hm\n    </think>\n\nSo."),
        ("Hi<think>more</think>\n\n!", "Hi<think>more</think>\n\n!"),
        ("`<think>` opens it.", "`<think>` opens it."),
        (FENCED, FENCED),
        (FENCED.replace("```", "~~~"), FENCED.replace("```", "~~~")),
    ],
)
def test_what_is_thought_is_never_shown_and_what_is_quoted_is(text: str, visible: str) -> None:
    assert shown(text) == visible
    assert shown(*text) == visible


def test_a_closing_tag_alone_takes_back_what_was_shown() -> None:
    thinking = ThinkFilter()
    assert thinking.feed("Okay. ") == Sifted("Okay. ")
    assert thinking.feed("\n</think>\n\n") == Sifted("", thought=True, restart=True)
    assert thinking.feed("Because.") == Sifted("Because.")
    assert thinking.template_opens


def test_a_template_that_is_known_to_open_the_thinking_shows_none_of_it() -> None:
    thinking = ThinkFilter(opened=True)
    assert thinking.feed("Okay. ") == Sifted("", thought=True)
    assert thinking.feed("\n</think>\n\n") == Sifted("", thought=True)
    assert thinking.feed("Because") == Sifted("Because")
    assert thinking.feed(".") == Sifted(".")


def test_an_answer_without_the_expected_closing_tag_is_shown_at_its_end() -> None:
    thinking = ThinkFilter(opened=True)
    assert thinking.feed("Because.") == Sifted("", thought=True)
    assert thinking.finish() == Sifted("Because.")
    assert not thinking.template_opens


def test_a_block_that_is_opened_after_all_ends_the_wait_for_a_closing_tag() -> None:
    thinking = ThinkFilter(opened=True)
    assert thinking.feed("<think>hm</think>Be") == Sifted("Be", thought=True)
    assert thinking.feed("cause.") == Sifted("cause.")


def test_text_is_not_held_back_longer_than_it_may_be_a_tag() -> None:
    thinking = ThinkFilter()
    assert thinking.feed("a <") == Sifted("a ")
    assert thinking.feed("/thin") == Sifted()
    assert thinking.feed("g>") == Sifted("</thing>")


def test_thinking_is_told_as_a_life_sign() -> None:
    thinking = ThinkFilter()
    assert thinking.feed("<think>") == Sifted("", thought=True)
    assert thinking.feed("hm") == Sifted("", thought=True)
    assert thinking.feed("</think>") == Sifted("", thought=True)
    assert thinking.feed("Hi") == Sifted("Hi")


TAGS = ["<think>", "</think>", "</thinking>", "[THINK]", "[/THINK]", "<|START_RESPONSE|>", "<|END_THINKING|>"]
CHANNELS = ["<|channel|>analysis", "<|channel|>final<|message|>"]
ALPHABET = st.sampled_from([*TAGS, *CHANNELS, "<", "</", "think", ">", "a", " ", "\n", "\n\n", "`", "```\n", "é"])
TEXTS = st.lists(ALPHABET, max_size=12).map("".join)


@given(TEXTS, st.booleans(), st.data())
def test_the_borders_of_the_pieces_make_no_difference(text: str, opened: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert shown(*pieces, opened=opened) == shown(text, opened=opened)


@given(TEXTS)
def test_what_is_shown_is_an_end_of_the_answer(text: str) -> None:
    assert text.endswith(shown(text))


@given(TEXTS, TEXTS.filter(lambda text: "</think>" not in text and "`" not in text))
def test_a_block_at_the_beginning_changes_nothing_of_what_follows(text: str, thought: str) -> None:
    assert shown(f"<think>{thought}</think>x{text}") == shown(f"<think></think>x{text}")
