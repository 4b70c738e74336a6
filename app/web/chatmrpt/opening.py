"""Opening a battle for an existing client, and waiting for its pair: neither ever generates anything twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.arena.requests import Opening, body_hash
from app.battle.battle import Status
from app.battle.events import Snapshot
from app.errors import InvalidInput, Unavailable
from app.web.battles import check_length
from app.web.chatmrpt.answers import FAILED
from app.web.chatmrpt.course import Course, course_of
from app.web.chatmrpt.judging import course_now
from app.web.services import Services


async def open_battle(services: Services, message: str, session: str | None, asked: int | None = None) -> Snapshot:
    """Open a battle and return at once; ``asked`` models meet, by default as many as configured, at most all.

    Raises:
        MessageTooLarge: the message is over its limit.
        InvalidInput: fewer than two models were asked for.
        Unavailable: fewer than two are at hand, or a queue is full.
    """
    check_length(services.settings.arena_max_message, message=message)
    models = await services.contestants.at_hand()
    wanted = services.settings.arena_num_models if asked is None else asked
    if wanted < 2:
        raise InvalidInput("num_models must be at least 2", field="num_models")
    count = min(wanted, len(models))
    await services.contestants.room_for(models[:count])
    request = body_hash({"message": message, "session_id": session, "num_models": asked})
    return await services.manager.open(Opening(message, models, count, session_id=session, body_hash=request))


async def opened_course(services: Services, message: str, session: str | None, asked: int | None = None) -> Course:
    """``open_battle`` with who entered it."""
    snapshot = await open_battle(services, message, session, asked)
    record = await services.manager.record(snapshot.battle_id)
    return course_of(snapshot, record, services.settings.arena_reveal)


async def waited_for(services: Services, battle_id: str, limit: timedelta) -> Course:
    """The battle once its pair can be judged, it has ended or ``limit`` is over.

    A process that is about to end answers with what there is, to be asked again.
    """
    ready = asyncio.ensure_future(services.viewing.wait(battle_id, limit, lambda now: now.can_vote))
    ending = asyncio.ensure_future(services.ending.wait())
    try:
        await asyncio.wait({ready, ending}, return_when=asyncio.FIRST_COMPLETED)
        return await course_now(services, battle_id, ready.result() if ready.done() else None)
    finally:
        ready.cancel()
        ending.cancel()


def playable(course: Course) -> Course:
    """The course of a battle that did not fail.

    Raises:
        Unavailable: it did.
    """
    if course.snapshot.status == Status.FAILED:
        raise Unavailable(FAILED, code="battle_failed")
    return course
