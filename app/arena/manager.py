"""The calls on a battle: open it, read it, judge it, stop it.

Every change is committed to SQL first and logged by ``reconcile`` afterwards, so what a caller was answered stays true
whatever dies next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app.arena.archive import Archive
from app.arena.document import Document
from app.arena.head_starts import HeadStarts
from app.arena.lookup import Lookup
from app.arena.reconcile import Reconciler
from app.arena.replies import Replies
from app.arena.requests import OpenRequest, VoteRequest, first_document, history_of, new_battle_id
from app.arena.rounds import RoundToJudge, opened, refused, round_of_record, round_of_state
from app.arena.store import Store, new_name
from app.arena.transitions import is_opening, stage_steps
from app.arena.views import ended_for_viewers, opened_snapshot, snapshot_from_records, snapshot_of
from app.battle.battle import Side, Status, Verdict, Vote
from app.battle.events import Snapshot
from app.draw.drawer import ContestantDraw, UniformDraw
from app.errors import Conflict
from app.metrics.counters import Counters
from app.records.ledger import Ledger
from app.records.values import BattleCounts, BattleRecord, LastVote
from app.records.votes import NAMED

log = structlog.get_logger(__name__)


class ArenaManager(Lookup):
    """Every call on every battle; safe from any worker. ``events_path`` gives the path of a battle's event stream."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        reconciler: Reconciler,
        *,
        named: bool = False,
        draw: ContestantDraw | None = None,
        new_id: Callable[[], str] = new_battle_id,
        counters: Counters | None = None,
        events_path: Callable[[str], str] = lambda battle_id: "",  # noqa: ARG005 - where nobody reads events
        head_starts: HeadStarts | None = None,
    ) -> None:
        super().__init__(store, ledger)
        self.archive = Archive(store, ledger)
        self._events_path = events_path
        self._reconciler = reconciler
        self._named = named
        self._draw = draw or UniformDraw()
        self._new_id = new_id
        self._counters = counters or Counters()
        self._head_starts = head_starts or HeadStarts()

    async def open(self, request: OpenRequest) -> Snapshot:
        """Open a battle and queue its first pair; the same idempotency key and body give the same battle.

        Raises:
            Conflict: the key was used with another body.
        """
        drawn = await self._draw.draw(request.models, request.count, named=NAMED in request.options)
        new = request.battle(request.battle_id or self._new_id(), drawn, named=self._named)
        with self._head_starts.of(first_document(new, named=self._named)) as asked:
            record = await self._ledger.open_battle(new)
            if record.created:
                await self._draw.count(drawn)
            elif not await self._never_opened(record):
                return await self.snapshot(record.id)
            snapshot = await self._begin(first_document(record, named=self._named))
            asked.keep(True)
            return snapshot

    async def _begin(self, document: Document) -> Snapshot:
        """Write the log's first events and queue the first answers; the snapshot is made without reading them back."""
        battle, name, steps = document.battle, new_name(), stage_steps(document.battle)
        if await self._store.advance(name, 0, document, steps) != "applied":
            return await self.snapshot(battle.id)
        log.info("battle_opened", battle=battle.id, contestants=len(battle.contestants))
        self._counters.opened()
        await self._reconciler.request_answers(battle)
        return self._addressed(opened_snapshot(document, f"{name}-{len(steps)}"))

    async def opened_with(self, key: str, body_hash: str) -> Snapshot | None:
        """The battle that the same request has opened under this idempotency key before; else None.

        Raises:
            Conflict: the key was used with another body.
        """
        record = await self._ledger.opened_with(key, body_hash)
        return None if record is None else await self.snapshot(record.id)

    async def _never_opened(self, record: BattleRecord) -> bool:
        """True between the commit and the log's first event, where a worker may have died."""
        running = record.status is Status.RUNNING and not record.votes
        return running and await self._store.name_of(record.id) is None

    async def snapshot(self, battle_id: str) -> Snapshot:
        """The battle as it is now; after the TTL, as SQL holds it.

        Raises:
            NotFound: there is no such battle.
        """
        state = await self._store.state(battle_id)
        if state is not None:
            return self._addressed(snapshot_of(state))
        record = await self.record(battle_id)
        if is_opening(record, self._ledger.clock()) and await self._never_opened(record):
            # Whichever worker reaches Redis first opens it; the other finds it open.
            return await self._begin(Document(opened(record), record.system, self._named, history=history_of(record)))
        if record.status is Status.RUNNING:
            await self._reconciler.reconcile(battle_id)
            if (state := await self._store.state(battle_id)) is not None:
                return self._addressed(snapshot_of(state))
            record = await self.record(battle_id)
        return self._addressed(snapshot_from_records(record, await self._ledger.answers(battle_id), self._named))

    def _addressed(self, snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, events=self._events_path(snapshot.battle_id))

    async def counts(self) -> BattleCounts:
        """How many battles there are, and how many were judged to their end."""
        return await self._ledger.counts()

    async def answered(self, battle_id: str) -> Mapping[int, bool]:
        """The entries whose answers have ended as far as viewers may know (on stage), and whether each is complete.

        Raises:
            NotFound: there is no such battle.
        """
        state = await self._store.state(battle_id, "all")
        if state is not None:
            return ended_for_viewers(state)
        await self.record(battle_id)
        stored = await self._ledger.answers(battle_id)
        return {entry: answer.finish_reason in ("stop", "length") for entry, answer in stored.items()}

    @property
    def replies(self) -> Replies:
        """Which verdicts wait for their reply."""
        return self._store.replies

    async def last_vote(self, battle_id: str) -> LastVote | None:
        """The battle's newest vote that stands, with the request that it came by; None when there is none."""
        return await self._ledger.last_vote(battle_id)

    async def vote(
        self,
        battle_id: str,
        round_number: int,
        verdict: Verdict,
        key: str | None = None,
        request_hash: str | None = None,
        voter: str | None = None,
        client_at: datetime | None = None,
        is_last: bool = False,
    ) -> Snapshot:
        """Judge a round. The same verdict again is counted once and answered with the snapshot of now.

        ``is_last``: the battle ends with this verdict, whoever is left to challenge.
        ``request_hash`` is kept with the vote, for ``last_vote``; ``voter`` is a keyed hash of the voter (never an
        address or an id as it is) and ``client_at`` the time on the client's clock.

        Raises:
            NotFound: there is no such battle.
            Conflict: another verdict stands, the round is not ready or not on stage, the battle is over, or the key
                was used for another vote or for one that was taken back.
        """
        judged = await self._round_to_judge(battle_id, round_number)
        request = VoteRequest(verdict, key, request_hash, voter, client_at, is_last)
        standing, record = await self._standing(judged, request)
        # Whoever took an earlier one may have died before it was logged.
        seen = judged.state if judged.vote is None else None
        left = await self._reconciler.after_vote(battle_id, seen, record)
        if standing.verdict is not verdict:
            raise judged.already_judged(standing, named=self._named)
        return await self.snapshot(battle_id) if left is None else self._addressed(snapshot_of(left))

    async def _round_to_judge(self, battle_id: str, round_number: int) -> RoundToJudge:
        judged = await self._round(battle_id, round_number)
        if judged.vote is None:
            return judged
        # Redis has a vote, but SQL decides: a worker that took it back may have died before that was logged.
        await self._reconciler.reconcile(battle_id)
        return await self._round(battle_id, round_number)

    async def _standing(self, judged: RoundToJudge, request: VoteRequest) -> tuple[Vote, BattleRecord | None]:
        """The vote that stands for the round: the one that it has, or else this one and the battle after it."""
        if judged.vote is None:
            return await self._cast(judged, request)
        await self._ledger.check_key(judged.battle.id, judged.number, request.verdict, request.key)
        return judged.vote, None

    async def _round(self, battle_id: str, round_number: int) -> RoundToJudge:
        """A round that is to be judged.

        Raises:
            NotFound: there is no such battle.
            Conflict: the round was not judged, and the battle is over or not in Redis yet.
        """
        state = await self._store.state(battle_id, "all")
        if state is None:
            await self._reconciler.reconcile(battle_id)
            state = await self._store.state(battle_id, "all")
        if state is None:
            # Read last: it may have been judged meanwhile.
            return round_of_record(await self.record(battle_id), round_number)
        return round_of_state(state, round_number)

    async def _cast(self, judged: RoundToJudge, request: VoteRequest) -> tuple[Vote, BattleRecord | None]:
        """Commit the vote; returns the one that stands for the round, and the battle that it left."""
        battle, after = judged.battle, judged.after(request.verdict, is_last=request.is_last)
        with self._head_starts.of_next(judged, after) as asked:
            cast = await self._ledger.cast_vote(
                battle.id,
                judged.number,
                request.verdict,
                battle.pair,
                outcome=after.status,
                key=request.key,
                request_hash=request.request_hash,
                voter=request.voter,
                client_at=request.client_at,
            )
            asked.keep(cast.counted)
        if cast.counted or cast.repeated:
            self._note_cast(judged, request.verdict, counted=cast.counted)
            return after.votes[-1], cast.record
        if cast.standing is not None:
            return cast.standing, None
        await self._reconciler.reconcile(battle.id)
        raise refused(cast.status, judged.number)

    def _note_cast(self, judged: RoundToJudge, verdict: Verdict, *, counted: bool) -> None:
        log.info("vote_cast", battle=judged.battle.id, round=judged.number, verdict=verdict, counted=counted)
        if counted:
            self._counters.voted(verdict.value)

    async def undo(self, battle_id: str, round_number: int, within: timedelta) -> Snapshot:
        """Take back the newest verdict, given not longer ago than ``within``, before the next round is judged.

        Raises:
            NotFound: there is no such battle.
            Conflict: the battle is over, names were revealed, it is not the newest verdict, or it is too late.
        """
        await self._check_undo(battle_id, round_number)
        if self._named:
            raise Conflict("names were revealed with the verdict, so it stands", code="names_revealed")
        if not await self._ledger.retract_vote(battle_id, round_number, within):
            await self._check_undo(battle_id, round_number)  # it may have ended or been taken back meanwhile
            limit = f"{within.total_seconds():g} s"
            raise Conflict(f"only the newest verdict can be taken back, within {limit}", code="too_late")
        log.info("vote_taken_back", battle=battle_id, round=round_number)
        await self._reconciler.reconcile(battle_id)
        return await self.snapshot(battle_id)

    async def _check_undo(self, battle_id: str, round_number: int) -> None:
        record = await self.record(battle_id)
        if record.status is not Status.RUNNING:
            raise Conflict("the battle is over and its names were revealed; verdicts stand now", code="battle_over")
        if round_number not in {vote.round for vote in record.votes}:
            # The worker that took it back may have died before that was logged.
            await self._reconciler.reconcile(battle_id)
            why = "is not the newest that was judged" if record.votes else "has no verdict"
            raise Conflict(f"round {round_number} {why}; only the newest can be taken back", code="not_judged")

    async def show_whole(self, battle_id: str, round_number: int, side: Side) -> Snapshot:
        """Show a side of the round on stage as it comes from now on, whatever the pace; nothing changes after the end.

        Raises:
            NotFound: there is no such battle.
            Conflict: that round is not on stage.
        """
        shown = await self.snapshot(battle_id)
        if (state := await self._store.state(battle_id)) is None or state.ended:
            return shown
        entry = state.document.battle.pair.on(side)
        if await self._store.show_whole(battle_id, state.name, entry, round_number, side) == "stale":
            raise Conflict(f"round {round_number} is not on stage; read the battle again", code="not_this_round")
        return await self.snapshot(battle_id)

    async def stop(self, battle_id: str) -> Snapshot:
        """Stop generation and end the battle; also when it has ended already.

        Raises:
            NotFound: there is no such battle.
        """
        await self.record(battle_id)
        status = await self._ledger.end_battle(battle_id, Status.STOPPED)
        log.info("battle_stopped", battle=battle_id, status=status)
        await self._reconciler.reconcile(battle_id)
        return await self.snapshot(battle_id)
