"""A verdict of an existing client: without a round of its own, with clicks too many, and given before its time.

Such a verdict means the round that its sender had seen. Until the reply to a verdict was sent that is the round which
was judged, whatever is on stage by now: nobody has seen another one. The same body again within ``KEEP_FOR`` of that
reply is a click that was on its way; it gets the first one's answer and counts nothing. Scripts never click twice:
what they send after a reply is about the round that came with it.

A verdict waits until both answers are complete, and its reply for the next pair, as long as its sender waits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from app.arena.replies import ReplyState
from app.arena.requests import body_hash
from app.battle.battle import Side, Status, Verdict
from app.battle.events import Snapshot
from app.errors import Conflict, InvalidInput
from app.records.values import LastVote
from app.web.legacy.bodies import ChoiceBody
from app.web.legacy.history import BattleHistory
from app.web.legacy.vocabulary import verdict_of
from app.web.legacy.waiting import can_be_judged, history_now, seen_when
from app.web.shared.services import Services
from app.web.shared.voters import Voter

NOT_READY = "Both answers must be complete before you vote; try again in a moment."


@dataclass(frozen=True, slots=True)
class VerdictWaits:
    """How long a verdict waits for its ``pair``, and until when its ``answer`` is there, both from when it came."""

    pair: timedelta
    answer: timedelta


#: Front-ends give up on a vote after 30 s, as does the CDN before them.
PAGES = VerdictWaits(timedelta(seconds=25), timedelta(seconds=27))
#: Scripts give up after 10 s.
SCRIPTS = VerdictWaits(timedelta(seconds=8), timedelta(seconds=9))


@dataclass(frozen=True, slots=True)
class Meant:
    """The round that a verdict is about; ``request`` judged it, or is about to.

    ``reply`` is the state of the reply to the request that judged it before, None where there is none.
    """

    round: int
    request: str
    reply: ReplyState | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that stands; ``counted`` is false for the same one once more, just after the reply."""

    services: Services
    battle_id: str
    meant: Meant
    deadline: float
    counted: bool

    async def next_pair(self) -> BattleHistory:
        """The next pair, complete if that takes no longer than the client waits, or the end; to be sent at once."""
        left = timedelta(seconds=max(self.deadline - _now(), 0.0))
        after = await history_now(
            self.services, self.battle_id, await seen_when(self.services, self.battle_id, left, can_be_judged)
        )
        if self.meant.reply != "sent":
            await self.services.manager.replies.mark_sent(self.battle_id, self.meant.round, self.meant.request)
        return after


async def judge(services: Services, body: ChoiceBody, sender: Voter) -> Judged:
    """Cast the verdict. Who names a session instead of a battle is known by that session.

    Raises:
        NotFound: there is no such battle.
        Forbidden: it was opened by the native API and is somebody else's.
        InvalidInput: it is no verdict, the answers are not complete, another verdict stands, or the battle is over.
    """
    patience = SCRIPTS if body.is_of_script else PAGES
    deadline = _now() + patience.answer.total_seconds()
    battle_id = await services.manager.resolve(body.battle_id)
    if battle_id == body.battle_id:
        await sender.claim.check_legacy(battle_id)
    voter = (sender if battle_id == body.battle_id else sender.in_session(body.battle_id)).key
    before = await history_now(services, battle_id)
    verdict = verdict_of(body.word, before, body.key)
    meant = await _meant(services, before, body)
    if meant.reply is None:
        await _await_pair(services, before, meant.round, patience.pair)
        await services.manager.replies.mark_pending(battle_id, meant.round, meant.request)
    await _cast(services, before, meant, verdict, voter, is_last=body.knows_one_round and before.is_two_step)
    return Judged(services, battle_id, meant, deadline, counted=meant.reply != "sent")


async def _meant(services: Services, before: BattleHistory, body: ChoiceBody) -> Meant:
    """The round that the sender had seen when he judged.

    Raises:
        InvalidInput: the battle is over.
    """
    request = body_hash(body.model_dump())
    if body.round is not None:
        return Meant(body.round, request)
    battle_id, on_stage = before.snapshot.battle_id, before.snapshot.round
    # The snapshot was read before: a round that it shows was opened by a vote that SQL holds by now.
    last = await services.manager.last_vote(battle_id)
    if last is not None and last.request_hash is not None and last.vote.round <= on_stage:
        reply = await services.manager.replies.state(battle_id, last.vote.round, last.request_hash)
        if reply == "owed" or (reply == "sent" and _is_click_too_many(last, request, body, before)):
            return Meant(last.vote.round, last.request_hash, reply)
    if not before.running:
        raise InvalidInput("The battle is over; start a new one.", code="battle_over")
    return Meant(on_stage, request)


def _is_click_too_many(last: LastVote, request: str, body: ChoiceBody, before: BattleHistory) -> bool:
    return last.request_hash == request and not (body.is_of_script and before.running)


async def _await_pair(services: Services, before: BattleHistory, round_number: int, limit: timedelta) -> None:
    """Wait until the pair that the voter saw is complete.

    Raises:
        InvalidInput: it is not in time, or somebody else has stepped in: nobody has seen that answer.
    """
    seen = before.snapshot
    if not before.running or seen.can_vote or seen.round != round_number:
        return

    def settled(now: Snapshot) -> bool:
        return now.can_vote or now.round != seen.round or _aliases(now) != _aliases(seen)

    now = await seen_when(services, seen.battle_id, limit, settled)
    if now.round == seen.round and now.status == Status.RUNNING and _aliases(now) != _aliases(seen):
        raise InvalidInput(NOT_READY, code="not_ready")


def _aliases(snapshot: Snapshot) -> list[str]:
    return [snapshot.sides[side].alias for side in Side]


async def _cast(
    services: Services, before: BattleHistory, meant: Meant, verdict: Verdict, voter: str | None, *, is_last: bool
) -> None:
    """Cast the verdict; again for a click too many, since the first one may be in SQL and not yet shown to anybody."""
    battle_id = before.snapshot.battle_id
    try:
        await services.manager.vote(
            battle_id, meant.round, verdict, request_hash=meant.request, voter=voter, is_last=is_last
        )
    except Conflict as refused:
        raise _as_invalid(refused) from None


def _as_invalid(refused: Conflict) -> InvalidInput:
    """Existing clients know no 409."""
    if refused.code == "not_ready":
        return InvalidInput(NOT_READY, code="not_ready")
    return InvalidInput(refused.sentence[:1].upper() + refused.sentence[1:] + ".", code=refused.code)


def _now() -> float:
    return asyncio.get_running_loop().time()
