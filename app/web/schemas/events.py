"""Each event of a battle's stream: what stands behind ``data:``, as docs/events.md tells it.

The OpenAPI document has these as components, for clients that read types from it: a stream has no schema there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.battle.battle import Status
from app.battle.events import EventName, FinishReason
from app.web.schemas.base import Schema
from app.web.schemas.battles import AnswerError, BattleSnapshot, Reveal, RoundVote, Side


class _InRound(Schema):
    round: int = Field(ge=1)


class SeatedAlias(Schema):
    """Who sits on a side."""

    alias: str


class SeatedAliases(Schema):
    """Who sits where."""

    a: SeatedAlias
    b: SeatedAlias


class RoundEvent(_InRound):
    """A pair opens, or a side was replaced: drop both texts. What each side already has follows."""

    rounds_total: int = Field(ge=0)
    sides: SeatedAliases


class StatusEvent(_InRound):
    """What an answer waits for, or that it is being written."""

    side: Side
    state: Literal["queued", "loading", "writing"]
    place: Annotated[int, Field(ge=1)] | SkipJsonSchema[None] = Field(default=None, description="From 1.")
    eta_s: Annotated[float, Field(ge=0)] | SkipJsonSchema[None] = Field(
        default=None, description="Seconds until it begins, roughly."
    )


class DeltaEvent(_InRound):
    """Text to append to a side."""

    side: Side
    text: str


class ResetEvent(_InRound):
    """Drop this side's text: it is written again from the start."""

    side: Side


class AnswerEvent(_InRound):
    """A side is complete; with ``error`` or ``cancelled`` it has failed."""

    side: Side
    finish_reason: FinishReason
    error: AnswerError | SkipJsonSchema[None] = None


class ReadyEvent(_InRound):
    """Both sides are complete: the round can be judged."""


class VoteEvent(RoundVote):
    """The round was judged; ``models`` is there only where names are shown after each vote."""


class UnvoteEvent(_InRound):
    """The round's verdict was taken back; its ``round`` event and texts follow."""


class EndEvent(Schema):
    """The last event; the server then closes the stream."""

    status: Literal[Status.FINISHED, Status.STOPPED, Status.FAILED]
    reveal: Reveal


class SnapshotEvent(BattleSnapshot):
    """The cursor can't be continued: replace everything by this, and go on."""


EVENT_SCHEMAS: Mapping[EventName, type[Schema]] = {
    EventName.ROUND: RoundEvent,
    EventName.STATUS: StatusEvent,
    EventName.DELTA: DeltaEvent,
    EventName.RESET: ResetEvent,
    EventName.ANSWER: AnswerEvent,
    EventName.READY: ReadyEvent,
    EventName.VOTE: VoteEvent,
    EventName.UNVOTE: UnvoteEvent,
    EventName.SNAPSHOT: SnapshotEvent,
    EventName.END: EndEvent,
}


class BattleEvents(Schema):
    """The data of every event, by the event's name."""

    round: RoundEvent
    status: StatusEvent
    delta: DeltaEvent
    reset: ResetEvent
    answer: AnswerEvent
    ready: ReadyEvent
    vote: VoteEvent
    unvote: UnvoteEvent
    snapshot: SnapshotEvent
    end: EndEvent
