"""The three progressive calls: start, get the pair, choose."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.web.legacy import answers, documented, examples, schemas, verdict_answers
from app.web.legacy.bodies import BattleBody, ChoiceBody, SessionHeader, StartBody, session_of
from app.web.legacy.judging import judge
from app.web.legacy.opening import opened_history
from app.web.legacy.routes import ContractRoute
from app.web.legacy.waiting import waited_for
from app.web.shared.services import Services, Wired
from app.web.shared.streams import event_stream, patient_json
from app.web.shared.voters import Sender

router = APIRouter(prefix="/api/arena", route_class=ContractRoute)


@router.post("/start_progressive", responses=documented.answers(schemas.LegacyStarted, examples.STARTED))
async def start_progressive(body: StartBody, services: Wired, session: SessionHeader = None) -> dict[str, Any]:
    """Open a battle and return at once; its first pair is being written."""
    session = session_of(body.session_id, session)
    return answers.started(await opened_history(services, body.message, session, body.num_models))


@router.post(
    "/get_progressive_responses", responses=documented.answers(schemas.LegacyProgressivePair, examples.PROGRESSIVE_PAIR)
)
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
    return answers.progressive_pair(await waited_for(services, battle_id, services.settings.arena_wait))


@router.post("/submit_progressive_choice", responses=documented.answers(schemas.LegacyChoiceMade, examples.CHOICE_MADE))
async def submit_progressive_choice(body: ChoiceBody, services: Wired, sender: Sender) -> dict[str, Any]:
    """Judge the round on stage and return the next pair or the final ranking, within 9 seconds."""
    judged = await judge(services, body, sender)
    return verdict_answers.choice_made(await judged.next_pair())
