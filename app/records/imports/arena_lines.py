"""A line of arena JSONL as it comes in: our ``arena/1``, or any vote with ``model_a``, ``model_b`` and ``winner``."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from app.battle.battle import Verdict
from app.errors import InvalidInput
from app.records.export.formats import WINNERS

_SPELLINGS = {spelled: verdict for verdict, spelled in WINNERS.items()} | {"both_bad": Verdict.BOTH_BAD}

Name = Annotated[str, Field(min_length=1, max_length=500)]
Moment = AwareDatetime | None


def _no_text_is_none(value: object) -> object:
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(_no_text_is_none)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TimingPart(_Part):
    """How long an answer took; what is missing was not measured."""

    queue_s: float | None = None
    load_s: float | None = None
    prompt_s: float | None = None
    ttft_s: float | None = None
    decode_s: float | None = None
    total_s: float | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    cold: bool = False
    cached_prompt: bool = False
    thinking_s: float = 0.0


class StylePart(_Part):
    """The look of an answer, as it was measured where its text is known."""

    length: int = Field(ge=0)
    headers: int = Field(ge=0)
    lists: int = Field(ge=0)
    bold: int = Field(ge=0)


class AnswerPart(_Part):
    """One of the two answers."""

    text: Text = None
    system: Text = None
    digest: str | None = None
    quantization: str | None = None
    options: dict[str, Any] | None = None
    finish_reason: Literal["stop", "length"] = "stop"
    fallback: bool = False
    leaked: bool = False
    leak: str | None = None
    side: Literal["a", "b"] | None = None
    host: str | None = None
    attempts: int = 1
    written_at: Moment = None
    timing: TimingPart = TimingPart()
    style: StylePart | None = None


class BattlePart(_Part):
    """The battle that a vote belongs to."""

    contestants: tuple[Name, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    status: Literal["running", "finished", "stopped", "failed"] = "finished"
    round: int = Field(default=1, ge=1)
    opened_at: Moment = None
    ended_at: Moment = None


class ArenaLine(_Part):
    """One vote. Without a ``battle_id`` it is a battle of its own, known by its place and its content."""

    battle_id: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    round: int = Field(default=1, ge=1)
    verdict: Verdict
    model_a: Name
    model_b: Name
    entry_a: int = Field(default=0, ge=0, le=1000)
    entry_b: int = Field(default=1, ge=0, le=1000)
    prompt: Text = None
    system: Text = None
    language: str | None = None
    categories: tuple[str, ...] | None = None
    voter: str | None = None
    voted_at: Moment = None
    client_at: Moment = None
    answer_a: AnswerPart = AnswerPart()
    answer_b: AnswerPart = AnswerPart()
    battle: BattlePart = BattlePart()

    @model_validator(mode="before")
    @classmethod
    def _winner_is_a_verdict(cls, line: object) -> object:
        if isinstance(line, dict) and line.get("verdict") is None:
            return line | {"verdict": _SPELLINGS.get(str(line.get("winner")), line.get("winner"))}
        return line

    @model_validator(mode="after")
    def _two_models_meet(self) -> ArenaLine:
        if self.entry_a == self.entry_b or self.model_a == self.model_b:
            raise ValueError("the two sides must be two entries and two models")
        return self

    @property
    def contestants(self) -> tuple[str, ...]:
        """The names in entry order; who is not known stands as ``?``."""
        count = max(len(self.battle.contestants), self.entry_a + 1, self.entry_b + 1)
        names = [*self.battle.contestants, *["?"] * count][:count]
        names[self.entry_a], names[self.entry_b] = self.model_a, self.model_b
        return tuple(names)

    def moment(self, now: datetime) -> datetime:
        """When it was voted; for one that does not say, ``now``."""
        return self.voted_at or now


def read_line(line: bytes, number: int) -> tuple[str, ArenaLine]:
    """A line with the id of its battle.

    Raises:
        InvalidInput: it is no vote; the sentence has ``number`` (from 1) and what to fix.
    """
    try:
        read = ArenaLine.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise InvalidInput(f"line {number}: {where}: {first['msg']}; see docs/export.md") from None
    own = hashlib.sha256(b"%d:%b" % (number, line.strip())).hexdigest()[:24]
    return read.battle_id or f"import-{own}", read
