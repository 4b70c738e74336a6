"""What a chat with the arena means: a question, or a verdict on the battle before it. Pure.

The assistant's turns of a battle end with its address, so the chat itself says which battle a verdict is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.backends.base import Message
from app.battle.battle import Side, Verdict
from app.battle.events import Snapshot

_BATTLE = re.compile(r"/battle/([0-9a-f]{32})\b")
_WORDS: Mapping[str, Verdict] = {
    "a": Verdict.A,
    "b": Verdict.B,
    "tie": Verdict.TIE,
    "neither": Verdict.BOTH_BAD,
    "both bad": Verdict.BOTH_BAD,
}
INVITATION = (
    "Which answer is better? Reply **a**, **b**, **tie** or **neither**, or vote [on the arena's page]({link})."
)
RULE = "\n\n---\n\n"
_TAIL = re.compile(rf"{re.escape(RULE)}Which answer is better\?.*\Z", re.DOTALL)
_HEADINGS = re.compile(r"\*\*Model [AB]\*\*\n\n")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to two models: ``turns`` come before it, ``battles`` were played in them, by the turn's place."""

    message: str
    system: str | None
    turns: tuple[Message, ...]
    battles: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class ChatVote:
    """A verdict on a battle of the chat."""

    battle: str
    verdict: Verdict


def heading(side: Side) -> str:
    """What stands before the answer of ``side`` where both are in one text."""
    return f"**Model {side.value.upper()}**\n\n"


def verdict_in(text: str) -> Verdict | None:
    """The verdict that a message is, if it is nothing else; ``/vote a`` is one, too."""
    words = text.strip().lower().removeprefix("/vote").strip().strip("*.!\"'").strip()
    return _WORDS.get(words)


def battle_in(text: str) -> str | None:
    """The battle whose address stands in an answer; the last one counts."""
    found = _BATTLE.findall(text)
    return found[-1] if found else None


def read_chat(messages: Sequence[Message]) -> Question | ChatVote | None:
    """What the last message of a chat is; None when it is not the user's."""
    turns = [message for message in messages if message.role != "system"]
    if not turns or turns[-1].role != "user":
        return None
    *earlier, last = turns
    battle = battle_in(earlier[-1].content) if earlier else None
    verdict = verdict_in(last.content)
    if battle is not None and verdict is not None:
        return ChatVote(battle, verdict)
    system = "\n\n".join(message.content for message in messages if message.role == "system").strip()
    kept = _without_votes(earlier)
    battles = {place: found for place, turn in enumerate(kept) if (found := _played(turn)) is not None}
    return Question(last.content, system or None, tuple(kept), battles)


def _played(turn: Message) -> str | None:
    return battle_in(turn.content) if turn.role == "assistant" else None


def _without_votes(turns: Sequence[Message]) -> list[Message]:
    """The turns without verdicts and what was answered to them."""
    kept: list[Message] = []
    skipping = False
    for turn in turns:
        before = kept[-1] if kept else None
        is_vote = (
            turn.role == "user"
            and verdict_in(turn.content) is not None
            and before is not None
            and _played(before) is not None
        )
        if is_vote or (skipping and turn.role == "assistant"):
            skipping = is_vote
            continue
        skipping = False
        kept.append(turn)
    return kept


def history_of(question: Question, snapshots: Mapping[str, Snapshot]) -> tuple[Message, ...]:
    """The turns before a question as models get them: of each battle the answer that won, on a tie A's."""
    history = []
    for place, turn in enumerate(question.turns):
        snapshot = snapshots.get(question.battles.get(place, ""))
        text = turn.content if place not in question.battles else _winning(snapshot) or _bare(turn.content)
        if text.strip():
            history.append(Message(turn.role, text))
    return tuple(history)


def _winning(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return ""
    verdict = snapshot.votes[-1]["verdict"] if snapshot.votes else "tie"
    return snapshot.sides[Side.B if verdict == "b" else Side.A].text


def _bare(text: str) -> str:
    """An answer whose battle is not known any more, without what the arena wrote round it; of two the first."""
    parts = _HEADINGS.split(_TAIL.sub("", text))
    return next((part.strip().removesuffix("---").strip() for part in parts if part.strip()), "")
