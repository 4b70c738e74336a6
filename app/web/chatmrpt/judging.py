"""A verdict of an existing client: without a round of its own, with double clicks, and given before its time.

Such a verdict means the round that was on stage when it came. It waits up to ``WAIT_FOR_PAIR`` until both answers
are complete. The same body again within ``REPEAT_WITHIN`` of the battle's last verdict is a double click: it gets the
first one's answer and must not judge the next round, which nobody has seen by then.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.arena.requests import body_hash
from app.battle.battle import Side, Status, Verdict
from app.battle.events import Snapshot
from app.errors import Conflict, InvalidInput
from app.web.chatmrpt.bodies import ChoiceBody
from app.web.chatmrpt.course import Course, course_of
from app.web.chatmrpt.words import verdict_of
from app.web.services import Services
from app.web.voters import Voter

WAIT_FOR_PAIR = timedelta(seconds=8)
#: Existing clients give up on a vote after 10 s; the answer is there before.
ANSWER_WITHIN = timedelta(seconds=9)
REPEAT_WITHIN = timedelta(seconds=2)

NOT_READY = "Both answers must be complete before you vote; try again in a moment."


async def course_now(services: Services, battle_id: str, snapshot: Snapshot | None = None) -> Course:
    """The battle's course at ``snapshot``, by default now.

    Raises:
        NotFound: there is no such battle.
    """
    snapshot = snapshot or await services.manager.snapshot(battle_id)
    return course_of(snapshot, await services.manager.entered(battle_id), services.settings.arena_reveal)


async def judge(services: Services, body: ChoiceBody, sender: Voter) -> Course:
    """Cast the verdict; gives the next pair, complete if that takes no longer than clients wait, or the end.

    Who names a session instead of a battle is known by that session.

    Raises:
        NotFound: there is no such battle.
        InvalidInput: it is no verdict, the answers are not complete, or the battle is over.
        Conflict: the body names its round, and that one can't be judged so.
    """
    deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN.total_seconds()
    battle_id = await services.manager.resolve(body.battle_id)
    voter = (sender if battle_id == body.battle_id else sender.in_session(body.battle_id)).key
    before = await course_now(services, battle_id)
    verdict = verdict_of(body.word, before, body.key)
    if body.round is None:
        await _judge_what_is_on_stage(services, before, verdict, body, voter)
    else:
        await _judge_round(services, before, verdict, body.round, voter)
    after = await services.viewing.wait(battle_id, _left(deadline), _can_be_judged)
    return await course_now(services, battle_id, after)


async def _judge_what_is_on_stage(
    services: Services, before: Course, verdict: Verdict, body: ChoiceBody, voter: str | None
) -> None:
    """Cast the verdict on the round that ``before`` shows, unless it is a double click."""
    request = body_hash(body.model_dump())
    battle_id, round_number = before.snapshot.battle_id, before.snapshot.round
    # The snapshot was read before: a round that it shows was opened by a vote that SQL holds by now.
    repeated = await services.manager.repeated_vote(battle_id, request, REPEAT_WITHIN)
    if repeated is not None:
        # Cast again, which counts nothing: the first one may be in SQL and not yet told to anybody.
        round_number, verdict = repeated.round, repeated.verdict
    elif before.running:
        await _await_pair(services, before, round_number)
    else:
        raise InvalidInput("The battle is over; start a new one.", code="battle_over")
    await _cast(services, battle_id, round_number, verdict, request, voter)


async def _judge_round(
    services: Services, before: Course, verdict: Verdict, round_number: int, voter: str | None
) -> None:
    """Cast the verdict on the round that the caller names."""
    await _await_pair(services, before, round_number)
    try:
        await services.manager.vote(before.snapshot.battle_id, round_number, verdict, voter=voter)
    except Conflict as refused:
        if refused.code == "not_ready":
            raise _told(refused) from None
        raise


async def _await_pair(services: Services, before: Course, round_number: int) -> None:
    """Wait until the pair that the voter saw is complete.

    Raises:
        InvalidInput: it is not in time, or somebody else has stepped in: nobody has seen that answer.
    """
    seen = before.snapshot
    if not before.running or seen.can_vote or seen.round != round_number:
        return

    def settled(now: Snapshot) -> bool:
        return now.can_vote or now.round != seen.round or _aliases(now) != _aliases(seen)

    now = await services.viewing.wait(seen.battle_id, WAIT_FOR_PAIR, settled)
    if now.round == seen.round and now.status == Status.RUNNING and _aliases(now) != _aliases(seen):
        raise InvalidInput(NOT_READY, code="not_ready")


def _aliases(snapshot: Snapshot) -> list[str]:
    return [snapshot.sides[side].alias for side in Side]


async def _cast(
    services: Services, battle_id: str, round_number: int, verdict: Verdict, request: str, voter: str | None
) -> None:
    try:
        await services.manager.vote(battle_id, round_number, verdict, request_hash=request, voter=voter)
    except Conflict as refused:
        raise _told(refused) from None


def _told(refused: Conflict) -> InvalidInput:
    """Existing clients know no 409."""
    if refused.code == "not_ready":
        return InvalidInput(NOT_READY, code="not_ready")
    return InvalidInput(refused.sentence[:1].upper() + refused.sentence[1:] + ".", code=refused.code)


def _can_be_judged(snapshot: Snapshot) -> bool:
    return snapshot.can_vote


def _left(deadline: float) -> timedelta:
    return timedelta(seconds=max(deadline - asyncio.get_running_loop().time(), 0.0))
