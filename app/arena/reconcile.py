"""The transitions of a battle, computed from SQL, the document and all answers, and made by one ``advance`` each.

``reconcile`` takes the battle, not the answer. It runs after every answer's end, after every call that changes the
battle, on a repeated vote, when Redis has lost the battle, and by the sweeper; run twice, the second finds nothing to
do. So no crash between two steps leaves a battle stuck. What an event rests on is committed to SQL before the event is
logged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from app.arena.document import Document
from app.arena.requests import history_of
from app.arena.states import BattleState
from app.arena.steps import EndBattle, LogEvent, RestoreAnswer, ShowSide, Step
from app.arena.store import Store, new_name
from app.arena.views import Performance, replay, reveal_of
from app.battle import rules
from app.battle.battle import Battle, Side, Status
from app.battle.events import Event, EventName, ready_event, round_event, vote_data
from app.errors import Unavailable
from app.leaks.policy import is_leaked
from app.metrics.counters import Counters
from app.records.identity import Provenance
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, BattleRecord, RoundRecord
from app.scheduling.job import Job, Priority
from app.timing.stopwatch import Timing

#: A battle younger than this that Redis does not have is being opened by somebody else.
OPENING = timedelta(seconds=1)
#: So many transitions of one battle in a row are a bug.
MAX_TRANSITIONS = 50

log = structlog.get_logger(__name__)


#: What a model on a host is, and what it was asked with: (document, model, host) -> Provenance.
Describe = Callable[[Document, str, str], Provenance | None]


class Dispatcher(Protocol):
    """Takes jobs for the drivers: their router, or a double."""

    async def enqueue(self, jobs: list[Job]) -> None:
        """Add jobs to the queues of the hosts that will write them."""
        ...

    async def cancel(self, jobs: list[Job]) -> None:
        """Take jobs back; what is being written is cut off."""
        ...


@dataclass(frozen=True, slots=True)
class Transition:
    """A change that is due: the battle after it and the steps that log it."""

    battle: Battle
    steps: tuple[Step, ...]


def next_transition(state: BattleState, record: BattleRecord) -> Transition | None:
    """The next change that is due, or None. Pure."""
    battle = state.document.battle
    if state.ended or not battle.running:
        return None
    if battle.votes and battle.votes[-1] not in record.votes:
        after = rules.undo(battle)
        taken_back = Event(EventName.UNVOTE, {"round": after.round})
        return Transition(after, (LogEvent(taken_back), *_stage(after), LogEvent(ready_event(after))))
    judged = next((vote for vote in record.votes if vote.round == battle.round), None)
    if judged is not None:
        ready = battle if battle.ready else rules.mark_ready(battle)
        after = rules.cast_vote(ready, judged.round, judged.verdict, _failed(state), is_last=record.ended_with(judged))
        vote = Event(EventName.VOTE, vote_data(after, judged, state.document.named))
        return Transition(after, (LogEvent(vote), *_stage(after)))
    if record.status is Status.STOPPED:
        return Transition(rules.stop(battle), ())
    if record.status is Status.FAILED:
        return Transition(rules.fail(battle), ())
    if {battle.pair.a, battle.pair.b} & _failed(state):
        after = rules.forfeit(battle, _failed(state))
        return Transition(after, _stage(after))
    if not battle.ready and all(state.answers[battle.pair.on(side)].complete for side in Side):
        return Transition(rules.mark_ready(battle), (LogEvent(ready_event(battle)),))
    return None


def _failed(state: BattleState) -> frozenset[int]:
    return frozenset(entry for entry, answer in enumerate(state.answers) if answer.failed)


def _stage(battle: Battle) -> tuple[Step, ...]:
    """The round on stage: its event, then what each side already has; nothing when the battle has ended."""
    if not battle.running:
        return ()
    shows = (ShowSide(battle.pair.on(side), battle.round, side) for side in Side)
    return (LogEvent(round_event(battle)), *shows)


def is_opening(record: BattleRecord, now: datetime) -> bool:
    """Whether a battle that Redis does not have is so young that its log is on the way there. Judged, it was there."""
    unjudged = record.status is Status.RUNNING and not record.votes
    return unjudged and now - record.created_at < OPENING


def opening_steps(battle: Battle) -> tuple[Step, ...]:
    """The steps that open a battle's log."""
    return _stage(battle)


class Reconciler:
    """Makes the transitions that are due, until none is."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        dispatcher: Dispatcher,
        *,
        prefetch: int = 1,
        named: bool = False,
        battle_ttl: timedelta = timedelta(hours=24),
        describe: Describe = lambda document, model, host: None,  # noqa: ARG005 - nothing is known
        is_fallback: Callable[[str], bool] = lambda host: False,  # noqa: ARG005 - there is none
        counters: Counters | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._prefetch = prefetch
        self._named = named
        self._battle_ttl = battle_ttl
        self._describe = describe
        self._is_fallback = is_fallback
        self._counters = counters or Counters()

    async def reconcile(self, battle_id: str) -> None:
        """Bring one battle to where SQL and its answers say it should be."""
        for _ in range(MAX_TRANSITIONS):
            state = await self._store.state(battle_id, "all")
            record = await self._ledger.battle(battle_id)
            if record is None:
                return
            if state is None:
                if not await self._restored(record):
                    return
                continue
            transition = next_transition(state, record)
            if transition is None:
                finished = [entry for entry, answer in enumerate(state.answers) if answer.finish]
                await self.request_answers(state.document.battle, finished)
                return
            await self._apply(state, transition)
        log.error("settle_does_not_end", battle=battle_id)

    async def request_answers(self, battle: Battle, finished: Collection[int] = ()) -> None:
        """Ask the drivers for the answers that a battle needs now, except those that are ``finished``."""
        wanted = [(battle.pair.on(side), Priority.INTERACTIVE) for side in Side]
        wanted += [(entry, Priority.PREFETCH) for entry in battle.waiting[: self._prefetch]]
        now = self._ledger.clock().timestamp()
        jobs = [_job(battle, e, now, priority) for e, priority in wanted if e not in finished]
        if not jobs or not battle.running:
            return
        if not await self._enqueued(battle, jobs):
            # No viewer waits for what is prefetched: a queue without room for it may have room for the pair.
            await self._enqueued(battle, [job for job in jobs if job.priority is not Priority.PREFETCH])

    async def _enqueued(self, battle: Battle, jobs: list[Job]) -> bool:
        try:
            await self._dispatcher.enqueue(jobs)
        except Unavailable as error:  # a full queue, or a model that is nowhere now: the sweeper asks again
            log.warning("answers_not_asked_for", battle=battle.id, why=error.code, answers=len(jobs))
            return False
        return True

    async def _apply(self, state: BattleState, transition: Transition) -> None:
        battle = transition.battle
        await self._ledger.save_answers(
            battle.id, self._ended_answers(state, battle), _rounds(state.document.battle, battle)
        )
        steps, document = transition.steps, replace(state.document, battle=battle)
        if not battle.running:
            # SQL decides: a stop that came first stands.
            battle = replace(battle, status=await self._ledger.end_battle(battle.id, battle.status))
            document = replace(document, battle=battle)
            reveal = reveal_of(battle, lambda entry: self._performance(state, entry))
            document = replace(document, reveal=reveal)
            steps = (*steps, EndBattle(Event(EventName.END, {"status": battle.status.value, "reveal": reveal})))
        reply = await self._store.advance(state.name, state.version, document, steps)
        if reply == "applied":
            log.info("battle_moved", battle=battle.id, status=battle.status, round=battle.round, ready=battle.ready)
            if not battle.running:
                self._counters.ended(battle.status.value)
                await self.clean_up(battle.id)

    async def clean_up(self, battle_id: str) -> None:
        """After the end: keep what was written of the cancelled answers, and take the jobs back."""
        state = await self._store.state(battle_id, "all")
        if state is not None and state.ended:
            await self._ledger.save_answers(battle_id, self._ended_answers(state, state.document.battle))
            await self._dispatcher.cancel([_job(state.document.battle, e, 0.0) for e in range(len(state.answers))])

    def _ended_answers(self, state: BattleState, after: Battle) -> list[AnswerRecord]:
        """The answers that have ended; ``after`` is the battle after the transition, with its pair."""
        document = state.document
        pairs = (after.pair, document.battle.pair)
        return [
            AnswerRecord(
                entry=entry,
                model=contestant.model,
                host=answer.host or None,
                fallback=self._is_fallback(answer.host or ""),
                text=answer.text,
                finish_reason=answer.finish,  # type: ignore[arg-type]  # the scripts write nothing else
                error_code=None if answer.error is None else answer.error["code"],
                attempts=answer.attempts,
                timing=answer.timing or Timing(),
                side=next((side for pair in pairs if (side := pair.side_of(entry))), None),
                asked=self._described(document, contestant.model, answer.host),
                leaked=is_leaked(answer.leak),
                leak=answer.leak or None,
                story=answer.story,
            )
            for entry, (contestant, answer) in enumerate(zip(document.battle.contestants, state.answers, strict=True))
            if answer.finish
        ]

    def _described(self, document: Document, model: str, host: str) -> Provenance | None:
        """What a model is, for the records; a battle goes on without that."""
        try:
            return self._describe(document, model, host)
        except Exception as error:
            log.exception("model_not_described", battle=document.battle.id, model=model, exc_info=error)
            return None

    def _performance(self, state: BattleState, entry: int) -> Performance:
        answer = state.answers[entry]
        return Performance(answer.host or None, answer.timing, self._is_fallback(answer.host or ""))

    async def _restored(self, record: BattleRecord) -> bool:
        """Redis has no such battle: lost with its Redis it is rebuilt, expired by its TTL it is stopped."""
        if record.status is not Status.RUNNING:
            return False
        if is_opening(record, self._ledger.clock()) and await self._store.name_of(record.id) is None:
            return False
        if self._ledger.clock() - record.created_at > self._battle_ttl:
            await self._ledger.end_battle(record.id, Status.STOPPED)
            log.warning("battle_expired", battle=record.id)
            return False
        return await self._rebuild(record)

    async def _rebuild(self, record: BattleRecord) -> bool:
        """Write all keys anew under a new name, from SQL: finished answers stay, unfinished ones start again."""
        answers = await self._ledger.answers(record.id)
        battle = replay(record, frozenset(e for e, answer in answers.items() if answer.finish_reason == "error"))
        if not battle.running:  # the challengers that were left have failed
            await self._ledger.end_battle(record.id, battle.status)
            return False
        back = [_restore(answer) for answer in answers.values() if answer.finish_reason != "cancelled"]
        document = Document(battle, record.system, self._named, history=history_of(record))
        reply = await self._store.advance(new_name(), 0, document, (*back, *_stage(battle)))
        log.warning("battle_rebuilt", battle=record.id, answers=len(back), reply=reply)
        return True


def _restore(answer: AnswerRecord) -> RestoreAnswer:
    kept = (answer.text, answer.finish_reason, answer.error_code, answer.timing, answer.host or "", answer.leak or "")
    return RestoreAnswer(answer.entry, *kept)


def _job(battle: Battle, entry: int, now: float, priority: Priority = Priority.INTERACTIVE) -> Job:
    return Job(battle.id, entry, battle.contestants[entry].model, priority, now)


def _rounds(before: Battle, after: Battle) -> list[RoundRecord]:
    """The rounds of a transition: the one that was on stage, and the one that comes."""
    same_pair = (after.round, after.pair) == (before.round, before.pair)
    judged = len(after.votes) > len(before.votes)
    shown = RoundRecord(before.round, before.pair, before.ready or judged or (same_pair and after.ready))
    return [shown] if same_pair else [shown, RoundRecord(after.round, after.pair, False)]
