"""A line of arena JSONL as it comes in: our ``arena/1``, or any vote with ``model_a``, ``model_b`` and ``winner``.

Published data sets call some fields by other names, which are read for ours where ours are not there: ``judge`` is the
voter, ``tstamp`` the time in Unix seconds, ``conv_metadata`` has the style of both answers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from app.battle.battle import Verdict
from app.battle.feedback import Feedback, Reason, in_order
from app.errors import InvalidInput
from app.legible import is_plain_name, visible
from app.records.export.formats import WINNERS
from app.records.languages import language_code
from app.records.style import AnswerStyle

_SPELLINGS = {spelled: verdict for verdict, spelled in WINNERS.items()} | {"both_bad": Verdict.BOTH_BAD}


@lru_cache(maxsize=4096)
def _plain_name(name: str) -> str:
    if not is_plain_name(name):
        raise ValueError(
            f"{visible(name)} has line breaks, invisible signs, overrides of direction or stray blanks and could pass "
            "for another model; write the name without them"
        )
    return name


Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_plain_name)]
Time = AwareDatetime | None
Raw = dict[str, Any]
"""A line's JSON object."""


def _no_text_is_none(value: object) -> object:
    return None if value == "" else value


def _nothing_is_empty(value: object) -> object:
    return () if value is None else value


Text = Annotated[str | None, BeforeValidator(_no_text_is_none)]
Reasons = Annotated[tuple[Reason, ...], BeforeValidator(_nothing_is_empty)]


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
    own_clock: bool = False
    cut_prompt: bool = False
    prompt_tokens: int = 0
    cost: float | None = None
    thinking_s: float = 0.0


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class StylePart(_Part):
    """The style of an answer, as it was measured where its text is known."""

    length: Count
    headers: Count
    lists: Count
    bold: Count

    @property
    def value(self) -> AnswerStyle:
        """The same, as the records have it."""
        return AnswerStyle(self.length, self.headers, self.lists, self.bold)


class AnswerPart(_Part):
    """One of the two answers."""

    text: Text = None
    system: Text = None
    digest: str | None = None
    quantization: str | None = None
    options: dict[str, Any] | None = None
    server: str | None = None
    finish_reason: Literal["stop", "length"] = "stop"
    fallback: bool = False
    leaked: bool = False
    leak: str | None = None
    side: Literal["a", "b"] | None = None
    host: str | None = None
    attempts: int = 1
    written_at: Time = None
    timing: TimingPart = TimingPart()
    style: StylePart | None = None


class DrawPart(_Part):
    """How its contestants were drawn."""

    probability: float = Field(gt=0, le=1)
    set_id: Annotated[str, Field(max_length=64)] | None = None
    set_probability: float | None = Field(default=None, gt=0, le=1)


class BattlePart(_Part):
    """The battle that a vote belongs to."""

    contestants: tuple[Name, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    status: Literal["running", "finished", "stopped", "failed"] = "finished"
    round: int = Field(default=1, ge=1)
    opened_at: Time = None
    ended_at: Time = None
    draw: DrawPart | None = None


class VoteLine(_Part):
    """One vote of which no more is known than models, verdict, who and when."""

    battle_id: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    verdict: Verdict
    model_a: Name
    model_b: Name
    language: Annotated[str, Field(max_length=64)] | None = None
    categories: tuple[Annotated[str, Field(max_length=64)], ...] | None = None
    voter: Annotated[str | None, Field(max_length=500)] = None
    voted_at: Time = None
    answer_a: AnswerPart = AnswerPart()
    answer_b: AnswerPart = AnswerPart()

    @model_validator(mode="after")
    def _two_models_meet(self) -> VoteLine:
        if self.model_a == self.model_b:
            raise ValueError("the two sides must be two entries and two models")
        return self

    def moment(self, now: datetime) -> datetime:
        """When it was voted; for one that does not say, ``now``."""
        return self.voted_at or now


class ArenaLine(VoteLine):
    """One vote with the battle around it."""

    round: int = Field(default=1, ge=1)
    entry_a: int = Field(default=0, ge=0, le=1000)
    entry_b: int = Field(default=1, ge=0, le=1000)
    prompt: Text = None
    system: Text = None
    client_at: Time = None
    reasons_a: Reasons = ()
    reasons_b: Reasons = ()
    comment: Text = None
    battle: BattlePart = BattlePart()

    @model_validator(mode="after")
    def _two_entries_meet(self) -> ArenaLine:
        if self.entry_a == self.entry_b:
            raise ValueError("the two sides must be two entries and two models")
        return self

    @property
    def feedback(self) -> Feedback:
        """What the voter said of his verdict."""
        return Feedback(in_order(self.reasons_a), in_order(self.reasons_b), self.comment)

    @property
    def contestants(self) -> tuple[str, ...]:
        """The names in entry order; who is not known stands as ``?``."""
        count = max(len(self.battle.contestants), self.entry_a + 1, self.entry_b + 1)
        names = [*self.battle.contestants, *["?"] * count][:count]
        names[self.entry_a], names[self.entry_b] = self.model_a, self.model_b
        return tuple(names)


def parsed(line: bytes, number: int) -> Raw:
    """The JSON object of line ``number`` (from 1).

    Raises:
        InvalidInput: it is none; the sentence has the number and what to correct.
    """
    try:
        raw = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _refusal(number, "the line", f"Invalid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise _refusal(number, "the line", "a vote is a JSON object")
    return raw


def read_vote(raw: Raw, number: int) -> VoteLine:
    """A line as a value: an ``ArenaLine`` if it has its battle, else a ``VoteLine``.

    Raises:
        InvalidInput: it is no vote; the sentence has ``number`` and what to correct.
    """
    kind: type[VoteLine] = (
        ArenaLine if any(raw.get(name) not in _SAYS_NOTHING[name] for name in _SAYS_NOTHING) else VoteLine
    )
    try:
        return kind.model_validate(_in_our_words(raw))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise _refusal(number, where, first["msg"].removeprefix("Value error, ")) from None
    except (ValueError, OverflowError, OSError) as error:
        raise _refusal(number, "tstamp", f"is no time in Unix seconds ({error})") from None


_SAYS_NOTHING: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("battle_id", "prompt", "system", "client_at"), (None, "")),
    **dict.fromkeys(("entry_a", "entry_b"), (None,)),
    **dict.fromkeys(("answer_a", "answer_b", "battle"), (None, {})),
    "round": (None, 1),
}
"""Fields of a battle, with what they hold where nothing is known."""


def _refusal(number: int, where: str, why: str) -> InvalidInput:
    return InvalidInput(f"line {number}: {where}: {why}; see docs/export.md")


def _in_our_words(raw: Raw) -> Raw:
    """The line with the fields of published data sets under our names; nulls stand for what is not there."""
    line = {name: value for name, value in raw.items() if value is not None}
    if "verdict" not in line:
        line["verdict"] = _SPELLINGS.get(str(line.get("winner")), line.get("winner"))
    for name, read in _FOREIGN:
        read(line) if name in line else None
    return line


def _voter(line: Raw) -> None:
    judge = line["judge"]
    line.setdefault("voter", "/".join(map(str, judge)) if isinstance(judge, list) else str(judge))


def _time(line: Raw) -> None:
    line.setdefault("voted_at", datetime.fromtimestamp(float(line["tstamp"]), UTC))


def _language(line: Raw) -> None:
    if isinstance(line["language"], str):
        line["language"] = language_code(line["language"]) or None


def _style_counts(line: Raw) -> None:
    """The counts of style control as the public arena publishes them: heading levels and kinds of lists apart."""
    metadata = line["conv_metadata"]
    for side in ("a", "b"):
        names = (f"sum_assistant_{side}_tokens", *(f"{kind}_count_{side}" for kind in ("header", "list", "bold")))
        counts = [_sum(metadata.get(name)) for name in names] if isinstance(metadata, dict) else [None]
        if None not in counts and f"answer_{side}" not in line:
            style = dict(zip(("length", "headers", "lists", "bold"), counts, strict=True))
            line[f"answer_{side}"] = {"style": style}


def _sum(counts: object) -> int | None:
    values = list(counts.values()) if isinstance(counts, dict) else [counts]
    numbers = [number for number in values if type(number) is int]
    return sum(numbers) if values and len(numbers) == len(values) else None


_FOREIGN: tuple[tuple[str, Callable[[Raw], None]], ...] = (
    ("judge", _voter),
    ("tstamp", _time),
    ("language", _language),
    ("conv_metadata", _style_counts),
)
