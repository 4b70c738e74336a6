"""The native API: open, read, watch, judge and stop a battle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StrictInt

from app.arena.requests import NATIVE, OPENED_BY, OpenRequest, body_hash
from app.battle.battle import Verdict
from app.errors import Forbidden, InvalidInput, MessageTooLarge
from app.hosts.catalog import Catalog
from app.hosts.context import fitting
from app.hosts.names import did_you_mean, is_cloud, same_model
from app.records.values import BattleSummary
from app.web.api.host_views import rfc3339
from app.web.api.tags import checked_categories, checked_language
from app.web.schemas.base import Responses, answered
from app.web.schemas.battles import ENDED, LISTED, OPENED, READY, BattleList, BattleSnapshot, OpenedBattle
from app.web.schemas.errors import (
    ALREADY_JUDGED,
    INVALID,
    KEY_REUSED,
    NO_BATTLE,
    NOT_JSON,
    NOT_YOURS_403,
    STILL_RUNNING,
    TOO_LARGE,
    TOO_LATE,
    UNAVAILABLE,
)
from app.web.shared.access import has_admin_key
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.fields import BattleId, NativeBody, OptionalText, Text
from app.web.shared.ownership import NO_TOKENS, OwnersOnly, TokensHeader, battle_token, hand_over, owned_among
from app.web.shared.services import Services, Wired
from app.web.shared.streams import event_stream
from app.web.shared.voters import Sender

router = APIRouter(prefix="/api/arena", tags=["battles"], route_class=DocumentedRoute)

_NOW = answered(BattleSnapshot, "The battle as it is now", READY, ENDED)
_LIST = answered(BattleList, "Your battles", LISTED)
_STREAM = (
    'id: k7q2ab-57\nevent: delta\ndata: {"round":1,"side":"a","text":"Because"}\n\n'
    'id: k7q2ab-58\nevent: ready\ndata: {"round":1}\n\n'
)
_EVENTS = {
    "description": "Server-sent events; docs/events.md and the schema BattleEvents tell the data of each",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
}
_BODY_REFUSED: Responses = {**INVALID, **TOO_LARGE, **NOT_JSON}

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class OpenBody(NativeBody):
    """What a battle is opened with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Why is the sky blue?", "num_models": 3}]})

    message: Text
    num_models: StrictInt | None = None
    models: list[Text] | None = Field(default=None, max_length=100)
    system: OptionalText = None
    session_id: OptionalText = Field(default=None, max_length=200)
    language: OptionalText = Field(default=None, max_length=64, description="Of the message; else it is found.")
    categories: list[Text] | None = Field(default=None, max_length=20, description="Of the message; else by rules.")


class VoteBody(NativeBody):
    """A verdict on a round; ``client_time`` is when it was given by the voter's own clock (RFC 3339)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"round": 1, "verdict": "tie"}]})

    round: StrictInt = Field(ge=1)
    verdict: Verdict
    client_time: AwareDatetime | None = None


def check_length(settings_limit: int, **texts: str | None) -> None:
    """Refuse texts over the configured number of characters.

    Raises:
        MessageTooLarge: one is; it is named.
    """
    for name, text in texts.items():
        if text is not None and len(text) > settings_limit:
            raise MessageTooLarge(
                f"{name} has {len(text):,} characters; at most {settings_limit:,} are taken", field=name
            )


def chosen_models(
    asked: Sequence[str] | None,
    at_hand: Sequence[str],
    drawn_for: Callable[[str], str | None] = lambda name: None,  # noqa: ARG005 - there are no twins
) -> Sequence[str]:
    """The models to draw from, as they are listed: those asked for (``qwen3`` is ``qwen3:latest``), else all at hand.

    Raises:
        InvalidInput: a double, an unknown or a cloud name, or one for which another is drawn (``drawn_for``).
    """
    if asked is None:
        return at_hand
    for name in asked:
        if (first := drawn_for(name)) is not None:
            raise InvalidInput(f"{name[:100]!r} is {first} under another name; name that one", field="models")
    chosen = [_listed_name(name, at_hand) for name in asked]
    if len(set(chosen)) != len(chosen):
        raise InvalidInput("models has a name twice; name each model once", field="models")
    return chosen


def _listed_name(asked: str, at_hand: Sequence[str]) -> str:
    if is_cloud(asked):
        raise InvalidInput(f"{asked!r} runs in somebody's cloud; name local models only", field="models")
    found = next((name for name in at_hand if same_model(name, asked)), None)
    if found is None:
        meant = did_you_mean(asked, at_hand)
        remedy = f"did you mean {meant}?" if meant else f"there are {', '.join(at_hand)}"
        raise InvalidInput(f"{asked[:100]!r} is not among the models at hand; {remedy}", field="models")
    return found


def count_of(asked: int | None, configured: int, models: Sequence[str]) -> int:
    """How many models meet: as asked, else as configured, never more than there are.

    Raises:
        InvalidInput: below 2, or above the models there are.
    """
    if asked is None:
        return min(configured, len(models))
    if asked < 2:
        raise InvalidInput("num_models must be at least 2", field="num_models")
    if asked > len(models):
        raise InvalidInput(f"num_models is {asked}, but {len(models)} models are at hand", field="num_models")
    return asked


async def opening_of(body: OpenBody, services: Services, key: str | None) -> OpenRequest:
    """The request for a battle, checked against the settings and what is at hand."""
    check_length(services.settings.arena_max_message, message=body.message, system=body.system)
    catalog = Catalog() if services.fleet is None else services.fleet.roster.catalog
    models = chosen_models(body.models, await services.contestants.at_hand(), catalog.drawn_for)
    if len(models) < 2:
        raise InvalidInput("models must name at least two models", field="models")
    models = fitting(services.settings, models, body.message, body.system, all_of_them=body.models is not None)
    asked = body.num_models if body.num_models is not None or body.models is None else len(models)
    count = count_of(asked, services.settings.arena_num_models, models)
    await services.contestants.room_for(models[:count])
    return OpenRequest(
        message=body.message,
        models=models,
        count=count,
        system=body.system,
        session_id=body.session_id,
        idempotency_key=key,
        body_hash=body_hash(body.model_dump()),
        options={OPENED_BY: NATIVE},
        language=checked_language(body.language),
        categories=checked_categories(body.categories, [table.name for table in services.settings.categories]),
    )


@router.post(
    "/battles",
    status_code=201,
    responses={201: answered(OpenedBattle, "The battle", OPENED), **_BODY_REFUSED, **KEY_REUSED, **UNAVAILABLE},
)
async def open_battle(body: OpenBody, request: Request, services: Wired, key: IdempotencyKey = None) -> JsonBytes:
    """Open a battle; its first pair is queued at that moment, and the snapshot comes back at once.

    `token` is what proves that the battle is yours: votes, undo, stop and delete need it, as the cookie that comes with
    it (browsers) or as `X-Battle-Token`. Reading by the battle's address needs nothing.
    """
    # A repetition is answered whatever has become of the models and queues since.
    again = None if key is None else await services.manager.opened_with(key, body_hash(body.model_dump()))
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
async def read_battle(battle_id: BattleId, services: Wired) -> dict[str, Any]:
    """The battle as it is now; never waits."""
    return (await services.manager.snapshot(battle_id)).to_dict()


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
async def watch_battle(
    battle_id: BattleId, request: Request, services: Wired, after: Annotated[str | None, Query()] = None
) -> Response:
    """The battle as server-sent events, until its end; resume with ``Last-Event-ID`` or ``?after=``."""
    return await event_stream(services, battle_id, request, after)


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
async def vote(
    battle_id: BattleId, body: VoteBody, services: Wired, sender: Sender, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Judge a round; the same verdict again is counted once."""
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
    "/battles/{battle_id}/stop",
    name="stop_battle",
    dependencies=[OwnersOnly],
    responses={200: _NOW, **NOT_YOURS_403, **NO_BATTLE, **UNAVAILABLE},
)
async def stop(battle_id: BattleId, services: Wired) -> dict[str, Any]:
    """Stop generation on the hosts and end the battle; also when it has ended already."""
    return (await services.manager.stop(battle_id)).to_dict()
