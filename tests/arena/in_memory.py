"""A ledger and a dispatcher in memory, for tests that are about Redis and not about SQL or drivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.battle.battle import Pair, Status, Verdict, Vote
from app.errors import NotFound
from app.records.values import AnswerRecord, BattleRecord, CastVote, NewBattle, RoundRecord
from app.scheduling.job import Job


class MemoryLedger:
    """The part of ``Ledger`` that a reconciler needs."""

    def __init__(self) -> None:
        self.battles: dict[str, BattleRecord] = {}
        self.saved: dict[str, dict[int, AnswerRecord]] = {}

    def clock(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    async def open_battle(self, new: NewBattle) -> BattleRecord:
        if new.id in self.battles:
            return replace(self.battles[new.id], created=False)
        record = BattleRecord(
            **{name: getattr(new, name) for name in NewBattle.__slots__},
            status=Status.RUNNING,
            round=1,
            created_at=self.clock(),
            created=True,
        )
        self.battles[new.id] = record
        return record

    async def battle(self, battle_id: str) -> BattleRecord | None:
        return self.battles.get(battle_id)

    async def save_answers(
        self, battle_id: str, answers: list[AnswerRecord], rounds: Sequence[RoundRecord] = ()
    ) -> bool:
        self._of(battle_id)
        kept = self.saved.setdefault(battle_id, {})
        for answer in answers:
            kept.setdefault(answer.entry, answer)
        return all(kept[answer.entry].timing == answer.timing for answer in answers)

    async def answers(self, battle_id: str) -> dict[int, AnswerRecord]:
        return self.saved.get(battle_id, {})

    async def cast_vote(
        self,
        battle_id: str,
        round: int,
        verdict: Verdict,
        pair: Pair,
        *,
        outcome: Status,
        key: str | None = None,
        request_hash: str | None = None,
        voter: str | None = None,
        client_at: datetime | None = None,
    ) -> CastVote:
        record = self._of(battle_id)
        if record.status is not Status.RUNNING or record.round != round:
            standing = next((vote for vote in record.votes if vote.round == round), None)
            return CastVote(False, standing is not None and standing.verdict is verdict, standing, record.status)
        vote = Vote(round, verdict, pair)
        after = round + 1 if outcome is Status.RUNNING else round
        self.battles[battle_id] = replace(record, votes=(*record.votes, vote), round=after, status=outcome)
        return CastVote(True, False, vote, outcome)

    async def check_key(self, battle_id: str, round: int, verdict: Verdict, key: str | None) -> None:
        assert key is None, "votes with keys are tested on the real ledger"

    async def retract_vote(self, battle_id: str, round: int, within: timedelta) -> bool:
        record = self.battles[battle_id]
        if record.status is not Status.RUNNING or record.round != round + 1:
            return False
        self.battles[battle_id] = replace(record, votes=record.votes[:-1], round=round)
        return True

    async def end_battle(self, battle_id: str, status: Status) -> Status:
        record = self._of(battle_id)
        if record.status is Status.RUNNING:
            self.battles[battle_id] = replace(record, status=status)
        return self.battles[battle_id].status

    def _of(self, battle_id: str) -> BattleRecord:
        if battle_id not in self.battles:
            raise NotFound("There is no such battle.")
        return self.battles[battle_id]


class MemoryDispatcher:
    """Remembers which jobs are asked for."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}

    async def enqueue(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.jobs.setdefault(job.id, job)

    async def cancel(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.jobs.pop(job.id, None)
