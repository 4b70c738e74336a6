"""The transitions of a battle, computed from SQL, the document and all answers, and made by one ``advance`` each.

``reconcile`` takes the battle, not the answer. It runs after every answer's end, after every call that changes the
battle, on a repeated vote, when Redis has lost the battle, and by the sweeper; run twice, the second finds nothing to
do. So no crash between two steps leaves a battle stuck. What an event rests on is committed to SQL before the event is
logged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import structlog

from app.arena.document import Document
from app.arena.requests import history_of
from app.arena.states import AnswerState, BattleState
from app.arena.steps import EndBattle, RestoreAnswer, Step
from app.arena.store import Store, new_name
from app.arena.transitions import Transition, is_opening, is_stored, next_transition, rounds_of, stage_steps
from app.arena.views import Performance, replay, reveal_of
from app.battle.battle import Battle, Pair, Side, Status
from app.battle.events import Event, EventName
from app.errors import Unavailable
from app.leaks.policy import is_leaked
from app.metrics.counters import Counters
from app.records.identity import Provenance
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, BattleRecord
from app.scheduling.job import Job, Priority
from app.timing.stopwatch import Timing
from app.turns import Turns

#: So many transitions of one battle in a row are a bug.
MAX_TRANSITIONS = 50

log = structlog.get_logger(__name__)


#: Makes a transition in Redis; the battle after it, or None when it has moved: (before, document, steps) -> after.
Advance = Callable[[BattleState, Document, Sequence[Step]], Awaitable[BattleState | None]]

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
        self._turns = Turns()

    async def reconcile(self, battle_id: str) -> None:
        """Bring one battle to where SQL and its answers say it should be."""
        await self._turns.take(battle_id, lambda: self._reconcile(battle_id, self._advance))

    async def after_vote(
        self, battle_id: str, seen: BattleState | None, record: BattleRecord | None
    ) -> BattleState | None:
        """The same for a battle that was judged a moment ago; the battle as the change left it, if this call made it.

        ``seen`` is the battle as the caller had read it, whole, and ``record`` as the vote left it in SQL: what is
        given need not be read again. What has been logged since refuses the transition; an answer that has ended since
        is seen by the call that its end makes.
        """
        left: BattleState | None = None

        async def reconcile() -> None:
            nonlocal left
            left = await self._reconcile(battle_id, self._advance_and_read, seen, record)

        await self._turns.take(battle_id, reconcile)
        return left

    async def _reconcile(
        self, battle_id: str, advance: Advance, seen: BattleState | None = None, voted: BattleRecord | None = None
    ) -> BattleState | None:
        """Make the transitions; the battle as the last of them left it."""
        left: BattleState | None = None
        if self._turns.waiting(battle_id) > 1:
            seen = voted = None  # this run counts for others, too, and what they ask it for may be newer
        for _ in range(MAX_TRANSITIONS):
            state = seen or await self._store.state(battle_id, "all")
            record = voted or await self._ledger.battle(battle_id)
            if record is None:
                return None
            if state is None:
                if not await self._restored(record):
                    return None
                continue
            transition = next_transition(state, record)
            if transition is None:
                finished = [entry for entry, answer in enumerate(state.answers) if answer.finish]
                await self.request_answers(state.document.battle, finished)
                return left
            # Whoever changes it meanwhile asks for it to be reconciled again: what follows needs no second reading.
            seen = left = await self._apply(state, record, transition, advance)
            voted = None if seen is None else record
        log.error("settle_does_not_end", battle=battle_id)
        return None

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

    async def _apply(
        self, state: BattleState, record: BattleRecord, transition: Transition, advance: Advance
    ) -> BattleState | None:
        """Make a transition; returns the battle after it, or None when it has moved since ``state``."""
        battle = transition.battle
        rounds = rounds_of(state.document.battle, battle)
        stored = is_stored(state, record)
        answers = () if stored else self._ended_answers(state, battle)
        if not await self._ledger.save_answers(battle.id, answers, rounds[1:] if stored else rounds):
            await self._replace(record)
            return None
        steps, document = transition.steps, replace(state.document, battle=battle)
        if not battle.running:
            battle = replace(battle, status=await self._ended_as(record, battle.status))
            document = replace(document, battle=battle)
            reveal = reveal_of(battle, lambda entry: self._performance(state, entry))
            document = replace(document, reveal=reveal)
            steps = (*steps, EndBattle(Event(EventName.END, {"status": battle.status.value, "reveal": reveal})))
        after = await advance(state, document, steps)
        if after is None:
            return None
        log.info("battle_moved", battle=battle.id, status=battle.status, round=battle.round, ready=battle.ready)
        if not battle.running:
            await self._ended(battle, state.answers)
        return after

    async def _advance(self, state: BattleState, document: Document, steps: Sequence[Step]) -> BattleState | None:
        if await self._store.advance(state.name, state.version, document, steps) != "applied":
            return None
        return replace(state, version=state.version + 1, document=document, ended=not document.battle.running)

    async def _advance_and_read(
        self, state: BattleState, document: Document, steps: Sequence[Step]
    ) -> BattleState | None:
        return await self._store.advance_and_read(state.name, state.version, document, steps)

    async def _ended(self, battle: Battle, answers: Sequence[AnswerState]) -> None:
        """Count a battle that has ended, and stop what is still being written for it."""
        warm = not any(answer.timing is not None and answer.timing.cold for answer in answers)
        self._counters.ended(battle.status.value, warm=warm)
        if not all(answer.finish for answer in answers):
            await self._clean_up(battle.id)

    async def _ended_as(self, record: BattleRecord, status: Status) -> Status:
        """The status that stands in SQL, which decides: a stop that came first is never taken back."""
        if record.status is not Status.RUNNING:
            return record.status
        return await self._ledger.end_battle(record.id, status)

    async def _clean_up(self, battle_id: str) -> None:
        """After the end: keep what was written of the cancelled answers, and take their jobs back.

        The jobs of answers that had ended go with the driver that wrote them.
        """
        state = await self._store.state(battle_id, "all")
        if state is not None and state.ended:
            await self._ledger.save_answers(battle_id, self._ended_answers(state, state.document.battle))
            await self._dispatcher.cancel([_job(state.document.battle, e, 0.0) for e in range(len(state.answers))])

    def _ended_answers(self, state: BattleState, after: Battle) -> list[AnswerRecord]:
        """The answers that have ended; ``after`` is the battle after the transition, with its pair."""
        pairs = (after.pair, state.document.battle.pair)
        return [
            self._answer_record(state.document, entry, answer, pairs)
            for entry, answer in enumerate(state.answers)
            if answer.finish
        ]

    def _answer_record(
        self, document: Document, entry: int, answer: AnswerState, pairs: tuple[Pair, ...]
    ) -> AnswerRecord:
        model = document.battle.contestants[entry].model
        return AnswerRecord(
            entry=entry,
            model=model,
            host=answer.host or None,
            fallback=self._is_fallback(answer.host or ""),
            text=answer.text,
            finish_reason=answer.finish,  # type: ignore[arg-type]  # the scripts write nothing else
            error_code=None if answer.error is None else answer.error["code"],
            attempts=answer.attempts,
            timing=answer.timing or Timing(),
            side=next((side for pair in pairs if (side := pair.side_of(entry))), None),
            asked=self._described(document, model, answer.host),
            leaked=is_leaked(answer.leak),
            leak=answer.leak or None,
            story=answer.story,
        )

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

    async def _replace(self, record: BattleRecord) -> None:
        """Rebuild a battle in which other answers were written than SQL has, before anybody may judge them.

        It was rebuilt while a worker that had read it in the Redis that was lost was still storing its answers.
        """
        log.warning("battle_has_other_answers", battle=record.id)
        await self._store.drop(record.id)
        await self._rebuild(record)

    async def _rebuild(self, record: BattleRecord) -> bool:
        """Write all keys anew under a new name, from SQL: finished answers stay, unfinished ones start again."""
        answers = await self._ledger.answers(record.id)
        battle = replay(record, frozenset(e for e, answer in answers.items() if answer.finish_reason == "error"))
        if not battle.running:  # the challengers that were left have failed
            await self._ledger.end_battle(record.id, battle.status)
            return False
        back = [_restore(answer) for answer in answers.values() if answer.finish_reason != "cancelled"]
        document = Document(battle, record.system, self._named, history=history_of(record))
        reply = await self._store.advance(new_name(), 0, document, (*back, *stage_steps(battle)))
        log.warning("battle_rebuilt", battle=record.id, answers=len(back), reply=reply)
        return True


def _restore(answer: AnswerRecord) -> RestoreAnswer:
    kept = (answer.text, answer.finish_reason, answer.error_code, answer.timing, answer.host or "", answer.leak or "")
    return RestoreAnswer(answer.entry, *kept)


def _job(battle: Battle, entry: int, now: float, priority: Priority = Priority.INTERACTIVE) -> Job:
    return Job(battle.id, entry, battle.contestants[entry].model, priority, now)
