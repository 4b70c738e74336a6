"""What the demo draws and which keys vote."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from app.battle.battle import Side
from app.battle.events import SideView, Snapshot
from app.demo.command import demo
from app.demo.play import _Newest, _question
from app.demo.votes import keys_in
from app.errors import ConfigurationError


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("\x1b[A", ""),
        ("\x1b[B\x1b[C", ""),
        ("\x1bOA", ""),
        ("\x1b[1;5B", ""),
        ("\x1b", ""),
        ("a", "a"),
        ("\x1b[Ab", "b"),
    ],
)
def test_a_key_without_a_character_does_not_vote(sent: str, typed: str) -> None:
    assert keys_in(sent) == typed


@pytest.mark.parametrize("message", ["", "  \n"])
def test_a_demo_without_a_question_is_refused(message: str) -> None:
    with pytest.raises(ConfigurationError, match="--message: write a question"):
        demo("127.0.0.1", 0, 1, message)


def a_snapshot() -> Snapshot:
    sides = {
        Side.A: SideView(alias="Model A", state="writing", text=" ".join(f"word{n}" for n in range(400))),
        Side.B: SideView(alias="Model C", state="waiting"),
    }
    return replace(
        Snapshot.from_dict(
            {
                "battle_id": "b",
                "status": "running",
                "message": "Why?",
                "round": 2,
                "rounds_total": 2,
                "sides": {side.value: view.to_dict() for side, view in sides.items()},
                "votes": [],
                "can_vote": False,
                "events": "/e",
                "cursor": "0",
                "reveal": None,
            }
        )
    )


@pytest.mark.parametrize("height", [8, 24])
def test_the_newest_words_of_a_long_answer_are_seen_in_a_low_terminal(height: int) -> None:
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)
    console.print(_Newest(a_snapshot()))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
    assert "word399" in drawn
    assert len(drawn.rstrip("\n").splitlines()) <= height


def test_the_keys_are_named_after_the_models_above_them() -> None:
    assert _question(a_snapshot()).plain.startswith("[a] Model A is better   [b] Model C is better")
