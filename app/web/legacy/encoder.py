"""A round as existing clients stream it: init, deltas, final.

Only unnamed events, each one line ``data: {JSON}``; comments are heartbeats. Their parsers differ:

- The chat page takes who sits where from the first event that has a ``battle_id``, appends every delta and never
  reads the final texts: what it shows can only grow. Its oldest form reads nothing but the final event.
- The page of a later round replaces both texts with every event that bears ``model_a`` and ``model_b``, and appends
  deltas (which therefore bear no names).

So the chat's init has empty texts, deltas all the words, a failed side its reason as a delta, and the final event all
of it again. Text that turns out to be void, since its model has left or began again, is replaced by a second init
where that is read (``Reader.PAGE``), else marked as void by a line of its own (``Reader.CHAT``).

The page of a later round still shows the round before when its stream begins, and takes two empty texts for no news:
the loser's answer would stand in the challenger's panel until the first delta. So there init has the texts as they
are, the champion's whole, and deltas only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import orjson

from app.battle.battle import Side, Status
from app.battle.events import SideView, Snapshot
from app.web.legacy.answers import pair, shown_text, standings
from app.web.legacy.history import BattleHistory

STEPPED_IN = "\n\n[This model could not finish its answer. Another one answers from here on:]\n\n"
BEGINS_AGAIN = "\n\n[This answer was cut off. It begins again:]\n\n"
#: For a side that has nothing to show when a stream must end.
STILL_WRITTEN = "This answer is still being written; ask for it again in a moment."


class Reader(StrEnum):
    """Who reads the stream: the chat page, or the page of a later round."""

    CHAT = "chat"
    PAGE = "page"


def frame(event: dict[str, Any]) -> bytes:
    """One unnamed event, on one line."""
    return b"data: " + orjson.dumps(event) + b"\n\n"


def is_over(snapshot: Snapshot, round_number: int) -> bool:
    """Whether nothing more will be written in this round."""
    return snapshot.can_vote or snapshot.status != Status.RUNNING or snapshot.round != round_number


class RoundEncoder:
    """What one reader was sent of a round, and what it is to be sent next."""

    def __init__(self, history_at: Callable[[Snapshot], BattleHistory], reader: Reader) -> None:
        self._history_at = history_at
        self._reader = reader
        self._sent = dict.fromkeys(Side, "")
        self._aliases = dict.fromkeys(Side, "")

    def init(self, snapshot: Snapshot) -> dict[str, Any]:
        """Who sits where, with the texts so far where an init replaces what a page shows, else with empty ones."""
        self._sent = {side: self._at_once(snapshot, side) for side in Side}
        self._aliases = {side: snapshot.sides[side].alias for side in Side}
        history = self._history_at(snapshot)
        names = {f"model_{side.value}": history.name(history.contestant_on(side).entry) for side in Side}
        texts = {f"response_{side.value}": self._sent[side] for side in Side}
        return self._head(snapshot) | names | texts | {"round": snapshot.round, "done": False}

    def _at_once(self, snapshot: Snapshot, side: Side) -> str:
        """The text that init has for a side: of one that is being shown again, what was sent of it before."""
        is_first = not any(self._aliases.values())
        if self._reader is Reader.CHAT or (is_first and snapshot.round == 1):
            return ""
        sent, text = self._sent[side], snapshot.sides[side].text
        return text if self._is_void(snapshot, side, text) else max(sent, text, key=len)

    def news(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        """What the reader lacks of ``snapshot``."""
        return self._grown(snapshot, {side: snapshot.sides[side].text for side in Side})

    def final(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        """The last events: what is still lacking, a failed side's reason, then the final event with all of it."""
        history = self._history_at(snapshot)
        texts = {side: _last_text(snapshot.sides[side]) for side in Side}
        whole = pair(history) | {f"response_{side.value}": text for side, text in texts.items()}
        last = {"arena_complete": True, **whole, **standings(history), "round": snapshot.round}
        last |= {"responses_ready": snapshot.can_vote, "done": True}
        return [*self._grown(snapshot, texts), self._head(snapshot) | last]

    def _grown(self, snapshot: Snapshot, texts: dict[Side, str]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        if self._reader is Reader.PAGE and any(self._is_void(snapshot, side, texts[side]) for side in Side):
            events.append(self.init(snapshot))
        for side in Side:
            text = texts[side]
            if self._is_void(snapshot, side, text):
                events.append(self._mark_void(snapshot, side))
            sent = self._sent[side]
            # Shorter than what was sent: it is being shown again from its start, and the rest is on its way.
            if len(text) > len(sent):
                events.append(self._delta(snapshot, side, text[len(sent) :]))
                self._sent[side] = text
        return events

    def _is_void(self, snapshot: Snapshot, side: Side, text: str) -> bool:
        """Whether what the reader has of this side is not how its text begins."""
        sent = self._sent[side]
        if snapshot.sides[side].alias != self._aliases[side]:
            return self._reader is Reader.PAGE or bool(sent)
        ended = snapshot.sides[side].finish_reason is not None
        return not (text.startswith(sent) or (sent.startswith(text) and not ended))

    def _mark_void(self, snapshot: Snapshot, side: Side) -> dict[str, Any]:
        replaced = snapshot.sides[side].alias != self._aliases[side]
        self._sent[side], self._aliases[side] = "", snapshot.sides[side].alias
        return self._delta(snapshot, side, STEPPED_IN if replaced else BEGINS_AGAIN)

    def _delta(self, snapshot: Snapshot, side: Side, text: str) -> dict[str, Any]:
        return self._head(snapshot) | {"stream": True, "side": side.value, "delta": text, "done": False}

    def _head(self, snapshot: Snapshot) -> dict[str, Any]:
        return {"arena_mode": True, "battle_id": snapshot.battle_id}


def _last_text(view: SideView) -> str:
    return shown_text(view) or STILL_WRITTEN
