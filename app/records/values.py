"""The values that go into the records and come out of them; nothing of SQLAlchemy leaves this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from app.battle.battle import Pair, Side, Status, Vote
from app.records.identity import Provenance
from app.records.style import AnswerStyle
from app.timing.stopwatch import Timing
from app.timing.story import Step

AnswerEnd = Literal["stop", "length", "error", "cancelled"]


@dataclass(frozen=True, slots=True)
class DrawRecord:
    """How contestants were drawn: from the set ``set_id``, which had ``set_probability`` given the set before it.

    ``probability`` is that of these contestants, in any order, given the set; their order is uniform. Without a set
    they were drawn uniformly from all.
    """

    probability: float
    set_id: str | None = None
    set_probability: float | None = None


@dataclass(frozen=True, slots=True)
class NewBattle:
    """What is known of a battle when it opens; ``contestants`` are model names in entry order.

    ``idempotency_key`` is the caller's, ``request_hash`` tells whether he sent the same request with it again.
    ``options`` is whatever JSON holds: it is kept, never read here. ``language`` and ``categories`` are those of the
    message, None while they are not known.
    """

    id: str
    message: str
    contestants: tuple[str, ...]
    session_id: str | None = None
    system: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    idempotency_key: str | None = None
    request_hash: str | None = None
    language: str | None = None
    categories: tuple[str, ...] | None = None
    drawn: DrawRecord | None = None


@dataclass(frozen=True, slots=True)
class BattleRecord:
    """A battle as SQL holds it: ``votes`` are those that stand, in round order, ``voted_at`` when each was given.

    ``created`` is true only for the caller whose ``open_battle`` made it. ``answers_stored`` is the number of its
    answers that SQL has, where it was read.
    """

    id: str
    message: str
    contestants: tuple[str, ...]
    session_id: str | None
    system: str | None
    options: Mapping[str, object]
    idempotency_key: str | None
    request_hash: str | None
    status: Status
    round: int
    created_at: datetime
    ended_at: datetime | None = None
    votes: tuple[Vote, ...] = ()
    created: bool = False
    language: str | None = None
    categories: tuple[str, ...] | None = None
    voted_at: tuple[datetime, ...] = ()
    drawn: DrawRecord | None = None
    answers_stored: int = 0

    def ended_with(self, vote: Vote) -> bool:
        """Whether ``vote`` ended the battle: a verdict that does not moves it on to the next round."""
        return self.status is Status.FINISHED and self.round == vote.round


@dataclass(frozen=True, slots=True)
class Unended:
    """A battle that runs, as SQL has it; also a place in their order, which is by age."""

    id: str
    round: int
    created_at: datetime


BEFORE_ALL = Unended("", 0, datetime(1970, 1, 1, tzinfo=UTC))
"""The place before the oldest battle."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """An answer that has ended; ``entry`` is its contestant's place in the entry order.

    ``host`` is the configured name, None when no host took it. ``error_code`` goes with the reason ``error``. ``side``
    is None until it has been on stage, where a contestant never changes sides. ``asked`` is None for records older than
    the question. ``leaked`` marks an answer that names its own model or maker, ``leak`` is the telltale piece of it.
    ``style`` is its text's, measured when it is stored and kept when the text is erased; None where there was
    no text. ``created_at`` is set when it is stored. ``story`` has what happened on the
    way; records older than it have none.
    """

    entry: int
    model: str
    host: str | None
    text: str
    finish_reason: AnswerEnd
    error_code: str | None = None
    attempts: int = 1
    fallback: bool = False
    timing: Timing = field(default_factory=Timing)
    created_at: datetime | None = None
    side: Side | None = None
    asked: Provenance | None = None
    leaked: bool = False
    leak: str | None = None
    style: AnswerStyle | None = None
    story: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """A pair that is or was on stage; ``ready`` once both its answers were complete."""

    round: int
    pair: Pair
    ready: bool


@dataclass(frozen=True, slots=True)
class LastVote:
    """A battle's newest vote that stands, and the request that it came by; None where none was kept."""

    vote: Vote
    request_hash: str | None


@dataclass(frozen=True, slots=True)
class CastVote:
    """What became of a vote, and what stands now.

    ``counted``: this call counted it. ``repeated``: it did not, but the same verdict already stands for the round.
    Neither: another verdict stands (``standing``), or the battle has ended or is in another round (``standing`` is
    None). ``status`` is the battle's after the call, ``record`` the battle with the vote that was counted.
    """

    counted: bool
    repeated: bool
    standing: Vote | None
    status: Status
    record: BattleRecord | None = None


@dataclass(frozen=True, slots=True)
class BattleCounts:
    """How many battles were opened, and how many of them were judged to their end."""

    opened: int
    finished: int


@dataclass(frozen=True, slots=True)
class BattleSummary:
    """A battle in a list, without its models; ``message`` is empty once its words were erased."""

    id: str
    message: str
    status: Status
    round: int
    created_at: datetime
    ended_at: datetime | None
    erased: bool
