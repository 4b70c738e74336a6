"""The calls that existing clients make, translated to our verbs; nothing inward learns their words.

Their quirks that stay: ``battle_id`` may be the caller's session id (its newest battle is meant), rounds count from
0, strings and arrays are never null, and there is an ``error`` key only in failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from app.arena.manager import Opening, body_hash
from app.battle.battle import Side, Status, Verdict
from app.battle.events import Snapshot
from app.errors import Conflict, InvalidInput
from app.web.battles import check_length
from app.web.fields import OptionalText, Text
from app.web.services import Services, Wired
from app.web.streams import event_stream, patient_json

router = APIRouter(prefix="/api/arena", tags=["existing clients"])

#: Existing clients give up on a vote after 10 s; the answer is there before.
VOTE_BUDGET = timedelta(seconds=8)

SPELLINGS: Mapping[str, Verdict] = {
    "a": Verdict.A,
    "left": Verdict.A,
    "b": Verdict.B,
    "right": Verdict.B,
    "tie": Verdict.TIE,
    "bad": Verdict.BOTH_BAD,
    "both_bad": Verdict.BOTH_BAD,
}


class StartBody(BaseModel):
    """A prompt; ``num_models`` above the models at hand means all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Your question", "session_id": "test-123"}]})

    message: Text
    session_id: OptionalText = Field(default=None, max_length=200)
    num_models: StrictInt | None = None


class BattleBody(BaseModel):
    """Which battle: its id, or the session whose newest battle is meant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"battle_id": "test-123"}]})

    battle_id: Text = Field(max_length=200)


class ChoiceBody(BattleBody):
    """A verdict under any of its keys; ``round`` (counted from 1) guards against judging the next round unseen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"battle_id": "test-123", "choice": "left"}]})

    choice: StrictStr | None = None
    vote: StrictStr | None = None
    preference: StrictStr | None = None
    winner: StrictStr | None = None
    round: StrictInt | None = Field(default=None, ge=1)

    @property
    def word(self) -> str:
        """The verdict as it was spelled.

        Raises:
            InvalidInput: there is none.
        """
        word = next((w for w in (self.choice, self.vote, self.preference, self.winner) if w), None)
        if word is None:
            raise InvalidInput("choice is required: left, right, tie or both_bad", code="missing_field", field="choice")
        return word


def verdict_of(word: str, snapshot: Snapshot) -> Verdict:
    """A verdict in any spelling, or as the alias of a side.

    A model's real name is not taken before the reveal: whether it is accepted would tell who sits where.

    Raises:
        InvalidInput: it is no verdict.
    """
    plain = word.strip().lower()
    if plain in SPELLINGS:
        return SPELLINGS[plain]
    for side in Side:
        if plain == snapshot.sides[side].alias.lower():
            return Verdict(side.value)
    raise InvalidInput("choice must be left, right, tie, both_bad or one of the two aliases on stage", field="choice")


@router.post("/start_progressive")
async def start_progressive(body: StartBody, services: Wired) -> dict[str, Any]:
    """Open a battle and return at once; its first pair is being written."""
    check_length(services.settings.arena_max_message, message=body.message)
    models = await services.contestants.at_hand()
    asked = services.settings.arena_num_models if body.num_models is None else body.num_models
    if asked < 2:
        raise InvalidInput("num_models must be at least 2", field="num_models")
    count = min(asked, len(models))
    await services.contestants.room_for(models[:count])
    snapshot = await services.manager.open(
        Opening(body.message, models, count, session_id=body.session_id, body_hash=body_hash(body.model_dump()))
    )
    return {
        "battle_id": snapshot.battle_id,
        "status": "initialized",
        "total_models": snapshot.rounds_total + 1,
        "current_round": 0,
        "message": snapshot.message,
    }


@router.post("/get_progressive_responses")
async def get_progressive_responses(
    body: BattleBody, request: Request, services: Wired, after: Annotated[str | None, Query()] = None
) -> Response:
    """Wait for the current pair and return it; whitespace comes first when that takes long.

    With ``Accept: text/event-stream``: the same bytes as ``GET /api/arena/battles/{id}/events``.
    """
    battle_id = await services.manager.resolve(body.battle_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        return await event_stream(services, battle_id, request, after)
    return await patient_json(_pair(services, battle_id))


async def _pair(services: Services, battle_id: str) -> dict[str, Any]:
    """The pair when it is ready; a process that is about to end answers with what there is, to be asked again."""
    ready = asyncio.ensure_future(services.viewing.wait(battle_id, services.settings.arena_wait, _can_be_judged))
    ending = asyncio.ensure_future(services.ending.wait())
    try:
        await asyncio.wait({ready, ending}, return_when=asyncio.FIRST_COMPLETED)
        return pair_body(ready.result() if ready.done() else await services.manager.snapshot(battle_id))
    finally:
        ready.cancel()
        ending.cancel()


def _can_be_judged(snapshot: Snapshot) -> bool:
    return snapshot.can_vote


def pair_body(snapshot: Snapshot) -> dict[str, Any]:
    """The pair on stage as ``get_progressive_responses`` answers it."""
    body = {"battle_id": snapshot.battle_id, "status": _progress(snapshot), **_sides(snapshot), **_count(snapshot)}
    body["responses_ready"] = snapshot.can_vote
    if snapshot.status != Status.RUNNING:
        body |= _ranking(snapshot)
    if snapshot.status == Status.FAILED:
        body["error"] = "The battle could not be played to its end: too many models failed. Start a new one."
    return body


def _progress(snapshot: Snapshot) -> str:
    if snapshot.status == Status.FAILED:
        return "failed"
    if snapshot.status != Status.RUNNING:
        return "completed"
    return "ready" if snapshot.can_vote else "waiting"


def _sides(snapshot: Snapshot, with_texts: bool = True) -> dict[str, Any]:
    sides = {side.value: snapshot.sides[side] for side in Side}
    names = {key: _name(snapshot, side.alias) for key, side in sides.items()}
    return {
        "current_models": [names["a"], names["b"]],
        **{f"model_{key}": name for key, name in names.items()},
        **{f"response_{key}": side.text if with_texts else "" for key, side in sides.items()},
        **{f"latency_{key}": _latency_ms(snapshot, side.alias) for key, side in sides.items()},
    }


def _line(snapshot: Snapshot, alias: str) -> Mapping[str, Any]:
    ranking = [] if snapshot.reveal is None else snapshot.reveal["ranking"]
    return next((line for line in ranking if line["alias"] == alias), {})


def _name(snapshot: Snapshot, alias: str) -> str:
    """The alias until the reveal, the model's name after it."""
    return str(_line(snapshot, alias).get("model", alias))


def _latency_ms(snapshot: Snapshot, alias: str) -> float:
    """Milliseconds from the question to the end of the answer; 0 before the reveal, which timings would spoil."""
    timing = _line(snapshot, alias).get("timing") or {}
    return round(1000 * (timing.get("total_s") or 0.0), 1)


def _count(snapshot: Snapshot) -> dict[str, Any]:
    left = snapshot.rounds_total - snapshot.round + 1 if snapshot.status == Status.RUNNING else 0
    return {"current_round": snapshot.round - 1, "remaining_comparisons": left}


def _ranking(snapshot: Snapshot) -> dict[str, Any]:
    reveal = snapshot.reveal or {"champion": None, "ranking": []}
    return {
        "final_ranking": [line["model"] for line in reveal["ranking"]],
        "winner": reveal["champion"] or "",
        "total_rounds": len(snapshot.votes),
        "comparison_history": [
            {"round": vote["round"] - 1, "choice": _CHOICES[Verdict(vote["verdict"])]} for vote in snapshot.votes
        ],
    }


_CHOICES = {Verdict.A: "left", Verdict.B: "right", Verdict.TIE: "tie", Verdict.BOTH_BAD: "both_bad"}


@router.post("/submit_progressive_choice")
async def submit_progressive_choice(body: ChoiceBody, services: Wired) -> dict[str, Any]:
    """Judge the round on stage and return the next pair or the final ranking, within 8 seconds."""
    deadline = asyncio.get_running_loop().time() + VOTE_BUDGET.total_seconds()
    battle_id = await services.manager.resolve(body.battle_id)
    before = await services.manager.snapshot(battle_id)
    verdict = verdict_of(body.word, before)
    if before.status == Status.RUNNING and not before.can_vote and body.round in (None, before.round):
        await services.viewing.wait(battle_id, _left(deadline), lambda now: now.can_vote or now.round != before.round)
    after = await _judge(services, battle_id, body.round or before.round, verdict)
    if after.status == Status.RUNNING and not after.can_vote:
        after = await services.viewing.wait(battle_id, _left(deadline), _can_be_judged)
    return choice_body(before, after)


def _left(deadline: float) -> timedelta:
    return timedelta(seconds=max(deadline - asyncio.get_running_loop().time(), 0.0))


async def _judge(services: Services, battle_id: str, round_number: int, verdict: Verdict) -> Snapshot:
    try:
        return await services.manager.vote(battle_id, round_number, verdict)
    except Conflict as refused:
        if refused.code == "not_ready":
            sentence = "Both answers must be complete before you vote; try again in a moment."
            raise InvalidInput(sentence, code="not_ready") from None
        raise


def choice_body(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """What ``submit_progressive_choice`` answers: the next pair, or the final ranking."""
    running = after.status == Status.RUNNING
    body: dict[str, Any] = {
        "battle_id": after.battle_id,
        "status": "continue" if running else "completed",
        "responses_ready": after.can_vote,
        **_sides(after, with_texts=after.can_vote or not running),
        **_count(after),
        **_eliminated(before, after),
    }
    return body if running else body | _ranking(after)


def _eliminated(before: Snapshot, after: Snapshot) -> dict[str, str]:
    """Who left with this verdict, and from which side (``left`` or ``right``)."""
    for side, word in ((Side.A, "left"), (Side.B, "right")):
        if after.sides[side].alias != before.sides[side].alias:
            return {"eliminated_model": _name(after, before.sides[side].alias), "eliminated_side": word}
    champion = (after.reveal or {}).get("champion")
    for side, word in ((Side.A, "left"), (Side.B, "right")):
        name = _name(after, before.sides[side].alias)
        if champion is not None and name != champion:
            return {"eliminated_model": name, "eliminated_side": word}
    return {"eliminated_model": "", "eliminated_side": ""}
