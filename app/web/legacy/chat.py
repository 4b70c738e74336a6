"""The way into the arena that front-ends take: the chat's own calls, outside ``/api/arena``."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Response

from app.errors import InvalidInput
from app.web.legacy import answers, documented, examples, schemas, status_schemas
from app.web.legacy.battles import RESPONSES_WAIT
from app.web.legacy.bodies import ChatBody, SessionHeader, session_of
from app.web.legacy.encoder import Reader
from app.web.legacy.history import TWO_STEP
from app.web.legacy.opening import open_battle, playable
from app.web.legacy.routes import ContractRoute
from app.web.legacy.streams import round_stream, single_event
from app.web.legacy.waiting import waited_for
from app.web.shared.services import Wired

router = APIRouter(route_class=ContractRoute)


@router.post("/send_message_streaming", response_class=Response, responses=documented.stream(examples.CHAT_STREAM))
async def send_message_streaming(body: ChatBody, services: Wired, session: SessionHeader = None) -> Response:
    """Open a battle and stream its first round as unnamed events: init, deltas as they are written, final."""
    if body.message is None:
        return single_event(examples.NO_MESSAGE)
    snapshot = await open_battle(services, body.message, session_of(body.session_id, session))
    return await round_stream(services, snapshot, Reader.CHAT)


@router.post("/send_message", responses=documented.answers(schemas.LegacySent, examples.SENT))
async def send_message(body: ChatBody, services: Wired, session: SessionHeader = None) -> dict[str, Any]:
    """Open a battle and return its first pair; after 25 s the texts so far with ``responses_ready: false``.

    Raises:
        InvalidInput: the message is missing or empty.
        Unavailable: the battle failed.
    """
    if body.message is None:
        raise InvalidInput("message is required", code="missing_field", field="message")
    snapshot = await open_battle(services, body.message, session_of(body.session_id, session), options=TWO_STEP)
    limit = min(RESPONSES_WAIT, services.settings.arena_wait)
    return answers.sent(playable(await waited_for(services, snapshot.battle_id, limit)))


@router.get("/ping", responses=documented.answers(status_schemas.LegacyPong, examples.PONG))
async def ping() -> dict[str, str]:
    """The process answers."""
    return examples.PONG


@router.get("/session_info", responses=documented.answers(status_schemas.LegacySession, examples.SESSION))
async def session_info(session: SessionHeader = None) -> dict[str, str]:
    """The caller's session: that of ``X-Session-ID``, else a new one."""
    return {"status": "success", "session_id": session_of(None, session) or secrets.token_hex(16)}
