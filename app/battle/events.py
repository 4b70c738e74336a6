"""What viewers are sent, in one order for everybody, and how it folds into a snapshot.

Events are named and shaped as the native API says; ``fold`` is its "fold" word for word: start from the
snapshot of the opened battle, apply every event, and at every cut the result is the snapshot of that place.
Blind by type: no event but ``end`` (and ``vote``, when names are shown after each vote) has a field for a
model, a host or a measured timing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from app.battle.battle import Battle, Side, Vote

SideState = Literal["waiting", "queued", "loading", "writing", "done", "failed"]
FinishReason = Literal["stop", "length", "error", "cancelled"]
PublicErrorCode = Literal["unavailable", "timeout", "overloaded", "cut_off", "empty", "interrupted", "cancelled"]


class EventName(StrEnum):
    """Every event that viewers get; docs/events.md has each with its data, and a test holds both to this list."""

    ROUND = "round"
    STATUS = "status"
    DELTA = "delta"
    RESET = "reset"
    ANSWER = "answer"
    READY = "ready"
    VOTE = "vote"
    UNVOTE = "unvote"
    SNAPSHOT = "snapshot"
    END = "end"


#: Events that change what a battle waits for; deltas and statuses do not.
MILESTONES = frozenset(
    {EventName.ROUND, EventName.ANSWER, EventName.READY, EventName.VOTE, EventName.UNVOTE, EventName.END}
)

#: One fixed sentence per public error code: a backend's own words never reach a viewer.
ERROR_SENTENCES: Mapping[str, str] = {
    "unavailable": "This model could not be reached; it leaves the battle.",
    "timeout": "This model took too long; it leaves the battle.",
    "overloaded": "This model's server is overloaded; it leaves the battle.",
    "cut_off": "This answer was cut off before its end; the model leaves the battle.",
    "empty": "This model gave no answer; it leaves the battle.",
    "interrupted": "This answer was interrupted too often; the model leaves the battle.",
    "cancelled": "This answer was stopped before its end.",
}


@dataclass(frozen=True, slots=True)
class Event:
    """A viewers' event: its SSE name and its data."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SideView:
    """One side of a snapshot."""

    alias: str
    state: SideState = "waiting"
    text: str = ""
    finish_reason: str | None = None
    error: Mapping[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The side as JSON."""
        return {
            "alias": self.alias,
            "state": self.state,
            "text": self.text,
            "finish_reason": self.finish_reason,
            "error": None if self.error is None else dict(self.error),
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A battle as a viewer may see it now.

    ``cursor`` is the id of the last event that it holds, ``events`` where its events can be read from there on.
    """

    battle_id: str
    status: str
    message: str
    round: int
    rounds_total: int
    sides: Mapping[Side, SideView]
    votes: tuple[Mapping[str, Any], ...] = ()
    can_vote: bool = False
    cursor: str = ""
    reveal: Mapping[str, Any] | None = None
    events: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as the native API's JSON."""
        return {
            "battle_id": self.battle_id,
            "status": self.status,
            "message": self.message,
            "round": self.round,
            "rounds_total": self.rounds_total,
            "sides": {side.value: self.sides[side].to_dict() for side in Side},
            "votes": [dict(vote) for vote in self.votes],
            "can_vote": self.can_vote,
            "events": self.events,
            "cursor": self.cursor,
            "reveal": self.reveal,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """Read a snapshot back from the native API's JSON."""
        return cls(
            **{name: data[name] for name in ("battle_id", "status", "message", "round", "rounds_total", "can_vote")},
            sides={side: SideView(**data["sides"][side.value]) for side in Side},
            votes=tuple(data["votes"]),
            cursor=data["cursor"],
            reveal=data["reveal"],
            events=data["events"],
        )


def round_event(battle: Battle) -> Event:
    """A pair opens, or a side was replaced."""
    sides = {side.value: {"alias": battle.contestant(side).alias} for side in Side}
    return Event(EventName.ROUND, {"round": battle.round, "rounds_total": battle.rounds_total, "sides": sides})


def ready_event(battle: Battle) -> Event:
    """Both sides are complete: vote."""
    return Event(EventName.READY, {"round": battle.round})


def vote_data(battle: Battle, vote: Vote, named: bool) -> dict[str, Any]:
    """A vote as snapshots and events show it: who met whom; ``named`` adds the models of that pair."""
    aliases = {side.value: battle.contestants[vote.pair.on(side)].alias for side in Side}
    data: dict[str, Any] = {"round": vote.round, "verdict": vote.verdict.value, "aliases": aliases}
    if named:
        data["models"] = {side.value: battle.contestants[vote.pair.on(side)].model for side in Side}
    return data


def error_data(code: str) -> dict[str, str]:
    """A public error: its code and the fixed sentence for it."""
    return {"code": code, "message": ERROR_SENTENCES[code]}


def fold(snapshot: Snapshot, event: Event, cursor: str = "") -> Snapshot:
    """Apply one event; unknown events change nothing but the cursor."""
    folder = _FOLDERS.get(event.name)
    folded = snapshot if folder is None else folder(snapshot, event.data)
    return replace(folded, cursor=cursor) if cursor else folded


def _round(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    sides = {side: SideView(alias=data["sides"][side.value]["alias"]) for side in Side}
    return replace(
        snapshot,
        status="running",
        round=data["round"],
        rounds_total=data["rounds_total"],
        sides=sides,
        can_vote=False,
    )


def _on_side(snapshot: Snapshot, data: Mapping[str, Any], **changes: Any) -> Snapshot:
    side = Side(data["side"])
    return replace(snapshot, sides={**snapshot.sides, side: replace(snapshot.sides[side], **changes)})


def _status(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return _on_side(snapshot, data, state=data["state"])


def _delta(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return _on_side(snapshot, data, text=snapshot.sides[Side(data["side"])].text + data["text"])


def _reset(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return _on_side(snapshot, data, text="", state="waiting", finish_reason=None, error=None)


def _answer(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    state = "done" if data["finish_reason"] in ("stop", "length") else "failed"
    return _on_side(snapshot, data, state=state, finish_reason=data["finish_reason"], error=data.get("error"))


def _ready(snapshot: Snapshot, _: Mapping[str, Any]) -> Snapshot:
    return replace(snapshot, can_vote=True)


def _vote(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return replace(snapshot, votes=(*snapshot.votes, dict(data)), can_vote=False)


def _unvote(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    kept = tuple(vote for vote in snapshot.votes if vote["round"] != data["round"])
    return replace(snapshot, votes=kept, can_vote=False)


def _end(snapshot: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return replace(snapshot, status=data["status"], reveal=data["reveal"], can_vote=False)


def _snapshot(_: Snapshot, data: Mapping[str, Any]) -> Snapshot:
    return Snapshot.from_dict(data)


_FOLDERS: Mapping[str, Callable[[Snapshot, Mapping[str, Any]], Snapshot]] = {
    EventName.ROUND: _round,
    EventName.STATUS: _status,
    EventName.DELTA: _delta,
    EventName.RESET: _reset,
    EventName.ANSWER: _answer,
    EventName.READY: _ready,
    EventName.VOTE: _vote,
    EventName.UNVOTE: _unvote,
    EventName.END: _end,
    EventName.SNAPSHOT: _snapshot,
}
