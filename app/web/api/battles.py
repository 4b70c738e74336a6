"""The native API: open, read, watch, judge and stop a battle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StrictInt

from app.battle.battle import Side, Verdict
from app.errors import Forbidden
from app.records.values import BattleSummary
from app.web.api.host_views import rfc3339
from app.web.api.opening import OpenBody, open_hash, opening_of
from app.web.schemas.base import Responses, answered
from app.web.schemas.battles import ENDED, LISTED, OPENED, READY, BattleList, BattleSnapshot, OpenedBattle
from app.web.schemas.errors import (
    ALREADY_JUDGED,
    INVALID,
    KEY_REUSED,
    NO_BATTLE,
    NOT_JSON,
    NOT_ON_STAGE,
    NOT_YOURS_403,
    STILL_RUNNING,
    TOO_LARGE,
    TOO_LATE,
    UNAVAILABLE,
)
from app.web.shared.access import has_admin_key
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.fields import BattleId, NativeBody
from app.web.shared.ownership import NO_TOKENS, Claim, OwnersOnly, TokensHeader, battle_token, hand_over, owned_among
from app.web.shared.services import Wired, services_in
from app.web.shared.streams import event_stream
from app.web.shared.voters import voter_of

router = APIRouter(prefix="/api/arena", tags=["battles"], route_class=DocumentedRoute)

_NOW = answered(BattleSnapshot, "The battle as it is now", READY, ENDED)
_LIST = answered(BattleList, "Your battles", LISTED)
_STREAM = (
    'id: k7q2ab-57\nevent: delta\ndata: {"round":1,"side":"a","text":"Because"}\n\n'
    'id: k7q2ab-58\nevent: ready\ndata: {"round":1}\n\n'
)
_EVENTS = {
    "description": "Server-sent events; docs/events.md and the schema BattleEvents have the data of each",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
}
_BODY_REFUSED: Responses = {**INVALID, **TOO_LARGE, **NOT_JSON}

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class VoteBody(NativeBody):
    """A verdict on a round; ``client_time`` is when it was given by the voter's own clock (RFC 3339)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"round": 1, "verdict": "tie"}]})

    round: StrictInt = Field(ge=1)
    verdict: Verdict
    client_time: AwareDatetime | None = None


class WholeBody(NativeBody):
    """A side of the round on stage."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"round": 1, "side": "a"}]})

    round: StrictInt = Field(ge=1)
    side: Side


@router.post(
    "/battles",
    status_code=201,
    responses={201: answered(OpenedBattle, "The battle", OPENED), **_BODY_REFUSED, **KEY_REUSED, **UNAVAILABLE},
)
async def open_battle(body: OpenBody, request: Request, key: IdempotencyKey = None) -> JsonBytes:
    """Open a battle; its first pair is queued at that moment, and the snapshot comes back at once.

    `token` is what proves that the battle is yours: votes, undo, stop and delete need it, as the cookie that comes with
    it (browsers) or as `X-Battle-Token`. Reading by the battle's address needs nothing.
    """
    services = services_in(request)
    # A repetition is answered whatever has become of the models and queues since.
    again = None if key is None else await services.manager.opened_with(key, open_hash(body))
    snapshot = again or await services.manager.open(await opening_of(body, services, key))
    token = battle_token(services.secret, snapshot.battle_id)
    response = JsonBytes(snapshot.to_dict() | {"token": token}, 201)
    hand_over(response, request, snapshot.battle_id, token)
    return response


@router.get("/battles", name="list_battles", responses={200: _LIST, **INVALID, **NOT_YOURS_403, **UNAVAILABLE})
async def list_battles(
    request: Request,
    services: Wired,
    tokens: TokensHeader = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[BattleId | None, Query()] = None,
) -> dict[str, Any]:
    """Your battles, the newest first: those whose tokens `X-Battle-Tokens` has; wrong ones are left out.

    With the admin key and without that header: all battles, `limit` at a time; `next` is the `before` of the next page.
    """
    archive = services.manager.archive
    if tokens is not None:
        return _listed(await archive.among(owned_among(services, tokens)))
    if not has_admin_key(request, services.settings):
        raise Forbidden(NO_TOKENS, code="not_yours")
    page = await archive.newest(limit, before)
    return _listed(page, page[-1].id if len(page) == limit else None)


def _listed(battles: Sequence[BattleSummary], following: str | None = None) -> dict[str, Any]:
    return {"battles": [_line(battle) for battle in battles], "next": following}


def _line(battle: BattleSummary) -> dict[str, Any]:
    return {
        "battle_id": battle.id,
        "status": battle.status.value,
        "message": battle.message,
        "round": battle.round,
        "created_at": rfc3339(battle.created_at.timestamp()),
        "ended_at": rfc3339(battle.ended_at.timestamp()) if battle.ended_at else None,
        "erased": battle.erased,
    }


@router.head("/battles/{battle_id}", include_in_schema=False)
@router.get("/battles/{battle_id}", responses={200: _NOW, **NO_BATTLE, **UNAVAILABLE})
async def read_battle(battle_id: BattleId, request: Request) -> dict[str, Any]:
    """The battle as it is now; never waits."""
    return (await services_in(request).manager.snapshot(battle_id)).to_dict()


@router.get(
    "/battles/{battle_id}/events",
    response_class=Response,
    responses={
        200: _EVENTS,
        204: {"description": "`after` is the end's: nothing follows"},
        **INVALID,
        **NO_BATTLE,
        **UNAVAILABLE,
    },
)
async def watch_battle(battle_id: BattleId, request: Request, after: Annotated[str | None, Query()] = None) -> Response:
    """The battle as server-sent events, until its end; resume with ``Last-Event-ID`` or ``?after=``."""
    return await event_stream(services_in(request), battle_id, request, after)


@router.delete(
    "/battles/{battle_id}",
    name="erase_battle",
    status_code=204,
    response_class=Response,
    dependencies=[OwnersOnly],
    responses={204: {"description": "Erased"}, **NOT_YOURS_403, **NO_BATTLE, **STILL_RUNNING, **UNAVAILABLE},
)
async def erase_battle(battle_id: BattleId, services: Wired) -> Response:
    """Erase what was asked and answered in an ended battle, and who voted; verdicts and timings stay for the board."""
    await services.manager.archive.erase(battle_id)
    return Response(status_code=204)


@router.post(
    "/battles/{battle_id}/votes",
    dependencies=[OwnersOnly],
    responses={200: _NOW, **_BODY_REFUSED, **NOT_YOURS_403, **NO_BATTLE, **ALREADY_JUDGED, **UNAVAILABLE},
)
async def vote(battle_id: BattleId, body: VoteBody, request: Request, key: IdempotencyKey = None) -> dict[str, Any]:
    """Judge a round; the same verdict again is counted once."""
    services = services_in(request)
    sender = await voter_of(request, Claim(services))
    snapshot = await services.manager.vote(
        battle_id, body.round, body.verdict, key, voter=sender.key, client_at=body.client_time
    )
    return snapshot.to_dict()


@router.delete(
    "/battles/{battle_id}/votes/{round_number}",
    name="undo_vote",
    dependencies=[OwnersOnly],
    responses={200: _NOW, **INVALID, **NOT_YOURS_403, **NO_BATTLE, **TOO_LATE, **UNAVAILABLE},
)
async def undo(
    battle_id: BattleId, round_number: Annotated[int, Path(ge=1, le=1000)], services: Wired
) -> dict[str, Any]:
    """Take the newest verdict back: within a short time, and never after names were revealed."""
    return (await services.manager.undo(battle_id, round_number, services.settings.arena_undo)).to_dict()


@router.post(
    "/battles/{battle_id}/whole",
    name="show_whole",
    dependencies=[OwnersOnly],
    responses={200: _NOW, **_BODY_REFUSED, **NOT_YOURS_403, **NO_BATTLE, **NOT_ON_STAGE, **UNAVAILABLE},
)
async def show_whole(battle_id: BattleId, body: WholeBody, services: Wired) -> dict[str, Any]:
    """Show one side of the round on stage whole: all of it that there is, the rest as it comes, and its end at once.

    That is what `ARENA_PACE=live` does to both: how soon and how fast it comes may tell which model it is. The other
    side goes on as before.
    """
    return (await services.manager.show_whole(battle_id, body.round, body.side)).to_dict()


@router.post(
    "/battles/{battle_id}/stop",
    name="stop_battle",
    dependencies=[OwnersOnly],
    responses={200: _NOW, **NOT_YOURS_403, **NO_BATTLE, **UNAVAILABLE},
)
async def stop(battle_id: BattleId, services: Wired) -> dict[str, Any]:
    """Stop generation on the hosts and end the battle; also when it has ended already."""
    return (await services.manager.stop(battle_id)).to_dict()
