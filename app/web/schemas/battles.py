"""The snapshot of a battle and its parts: blind until the reveal."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.battle.battle import Status, Verdict
from app.battle.events import FinishReason, PublicErrorCode, SideState
from app.web.schemas.base import Schema, example

BATTLE = "5f0c8a52c1d94d7fa3c40a54b0a2f1de"

_TIMING: dict[str, Any] = {
    "queue_s": 0.012,
    "load_s": 0.0,
    "prompt_s": 0.031,
    "ttft_s": 0.214,
    "decode_s": 6.1,
    "total_s": 6.4,
    "tokens": 334,
    "tokens_per_s": 54.8,
    "cold": False,
    "own_clock": False,
    "cut_prompt": False,
    "prompt_tokens": 31,
    "cost": None,
    "cached_prompt": False,
    "thinking_s": 0.0,
}
REVEAL: dict[str, Any] = {
    "champion": "llama3.1:8b",
    "ranking": [
        {
            "place": place,
            "alias": f"Model {'ABC'[place - 1]}",
            "model": model,
            "host": "gpu-1",
            "timing": _TIMING,
            "fallback": False,
            "failed": False,
        }
        for place, model in enumerate(("llama3.1:8b", "qwen3:8b", "mistral:7b"), 1)
    ],
}
_DONE = {"state": "done", "text": "Because air scatters blue light most.", "finish_reason": "stop", "error": None}
_QUEUED = {"state": "queued", "text": "", "finish_reason": None, "error": None}
_OPENING: dict[str, Any] = {
    "battle_id": BATTLE,
    "status": "running",
    "message": "Why is the sky blue?",
    "round": 1,
    "rounds_total": 2,
    "sides": {"a": {"alias": "Model A", **_QUEUED}, "b": {"alias": "Model B", **_QUEUED}},
    "votes": [],
    "can_vote": False,
    "events": f"/api/arena/battles/{BATTLE}/events",
    "cursor": "k7q2ab-3",
    "reveal": None,
}
VOTE: dict[str, Any] = {"round": 1, "verdict": "a", "aliases": {"a": "Model A", "b": "Model B"}}
OPENED: dict[str, Any] = _OPENING | {"token": "0e3fd0c8b1a24c6fa0a6d5f4b3c2e1d0"}
READY: dict[str, Any] = _OPENING | {
    "sides": {"a": {"alias": "Model A", **_DONE}, "b": {"alias": "Model B", **_DONE}},
    "can_vote": True,
    "cursor": "k7q2ab-57",
}
ENDED: dict[str, Any] = READY | {
    "status": "finished",
    "round": 2,
    "sides": {"a": {"alias": "Model A", **_DONE}, "b": {"alias": "Model C", **_DONE}},
    "votes": [VOTE, {"round": 2, "verdict": "tie", "aliases": {"a": "Model A", "b": "Model C"}}],
    "can_vote": False,
    "cursor": "k7q2ab-104-end",
    "reveal": REVEAL,
}

LISTED: dict[str, Any] = {
    "battles": [
        {
            "battle_id": BATTLE,
            "status": "finished",
            "message": "Why is the sky blue?",
            "round": 2,
            "created_at": "2026-01-01T12:00:00.000Z",
            "ended_at": "2026-01-01T12:01:31.402Z",
            "erased": False,
        }
    ],
    "next": None,
}


class AnswerError(Schema):
    """Why a side has failed; one fixed sentence for each code."""

    code: PublicErrorCode
    message: str


class BattleSide(Schema):
    """One side of the round on stage."""

    alias: str = Field(description="Stays with the model for the whole battle, and does not name it.")
    state: SideState
    text: str = Field(description="What was written so far.")
    finish_reason: FinishReason | None
    error: AnswerError | None


class BattleSides(Schema):
    """Both sides."""

    a: BattleSide
    b: BattleSide


class SideModels(Schema):
    """The models of the pair that was judged."""

    a: str
    b: str


class SideAliases(Schema):
    """Who met whom."""

    a: str
    b: str


class RoundVote(Schema):
    """A verdict that stands; ``models`` is there only where names are shown after each vote."""

    round: int = Field(ge=1)
    verdict: Verdict
    aliases: SideAliases
    models: SideModels | SkipJsonSchema[None] = None


class AnswerTiming(Schema):
    """Where the time of one answer went, in seconds; null is what was not reached or not measured."""

    queue_s: float | None = Field(description="Waiting, without the load.")
    load_s: float | None = Field(description="Waiting while its model was loaded.")
    prompt_s: float | None = Field(description="Reading the part of the prompt that was not cached.")
    ttft_s: float | None = Field(description="From the start to the first token of content.")
    decode_s: float | None = Field(description="Writing, thinking included.")
    total_s: float | None = Field(description="From the question to the end.")
    tokens: int = Field(ge=0)
    tokens_per_s: float | None
    cold: bool = Field(description="Its model was not in memory when it was asked for.")
    own_clock: bool = Field(
        description="The rate is by the arena's own clock, because the model server gives no figure of its own."
    )
    cut_prompt: bool = Field(description="The server cut the prompt: it answered only a part of it.")
    prompt_tokens: int = Field(0, ge=0, description="Tokens of the prompt, cached ones included; 0 if nobody told.")
    cost: float | None = Field(
        None,
        ge=0,
        description="What its host costs in that time and the load, as if it wrote nothing else, in the currency of "
        "`price_per_hour`; null where the host has no price.",
    )
    cached_prompt: bool = Field(description="The server had most of the prompt from an earlier request.")
    thinking_s: float = Field(ge=0)


class RankingLine(Schema):
    """A model with its place; without one it has failed or was never judged."""

    place: int | None = Field(ge=1)
    alias: str
    model: str
    host: str | None = Field(description="The configured name of the host that wrote it, never an address.")
    timing: AnswerTiming | None
    fallback: bool = Field(description="A host that is marked as fallback wrote it.")
    failed: bool


class Reveal(Schema):
    """Who was who; ``champion`` is null when no verdict was given."""

    champion: str | None
    ranking: list[RankingLine]


class BattleSnapshot(Schema):
    """A battle as anybody may see it now; ``?after=<cursor>`` on ``events`` gives exactly what follows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [example(READY), example(ENDED)]})

    battle_id: str
    status: Status
    message: str
    round: int = Field(ge=1)
    rounds_total: int = Field(ge=0)
    sides: BattleSides
    votes: list[RoundVote]
    can_vote: bool
    events: str = Field(description="Path of the battle's events.")
    cursor: str
    reveal: Reveal | None = Field(description="Null until the battle has ended.")


class OpenedBattle(BattleSnapshot):
    """The snapshot of a battle that was opened, and what proves that it is yours."""

    model_config = ConfigDict(json_schema_extra={"examples": [example(OPENED)]})

    token: str = Field(description="Send it as X-Battle-Token; browsers have it as a cookie already.")


class BattleLine(Schema):
    """A battle in a list; `erased` says that its words are gone."""

    battle_id: str
    status: Status
    message: str
    round: int = Field(ge=1)
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    erased: bool


class BattleList(Schema):
    """Battles, the newest first; `next` is the `before` of the next page, null on the last one."""

    battles: list[BattleLine]
    next: str | None


Side = Literal["a", "b"]
