"""Battles that stopped between two steps (a worker died there, Redis was unavailable), and what sets them going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import structlog
from redis.asyncio import Redis

from app.arena.hub import Hub
from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.sweeper import LOCK_KEY, LOCK_TERM, OPEN_KEY, Sweeper
from app.arena.viewing import Viewing
from app.battle.battle import Pair, Side, Status, Verdict
from app.battle.events import Snapshot
from app.database.database import Database, migrate
from app.errors import Conflict
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, NewBattle, Unended
from app.timing.stopwatch import Timing
from tests.arena.arena_on_redis import MODELS, ArenaOnRedis
from tests.helpers import PATIENCE_S

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

LONG = 11.0
"""Seconds without progress after which a battle is swept."""


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class ArenaWithSql(ArenaOnRedis):
    """The arena with real SQL and a sweeper, each of whose sweeps comes long after the last."""

    def __init__(self, redis: Redis, database: Database) -> None:
        super().__init__(redis)
        self.ledger = Ledger(database)
        self.reconciler = Reconciler(self.store, self.ledger, self.dispatcher)
        self.manager = ArenaManager(self.store, self.ledger, self.reconciler)
        self.clock = Clock()
        self.sweeper = self.another_sweeper(redis)

    def another_sweeper(self, redis: Redis, page_size: int = 1000, lock_term: timedelta = LOCK_TERM) -> Sweeper:
        return Sweeper(redis, self.store, self.ledger, self.reconciler, self.clock, page_size, lock_term)

    async def sweep(self, times: int = 2) -> None:
        for _ in range(times):
            await self.sweeper.sweep()
            self.clock.now += LONG

    async def ready(self, count: int = 3) -> str:
        battle = (await self.open(count)).battle_id
        for answer in range(count):
            await self.answer(battle, answer)
        return battle

    async def committed(self, battle: str, round_number: int, pair: Pair, outcome: Status) -> None:
        """What SQL holds of a vote whose worker died before it was logged."""
        await self.ledger.cast_vote(battle, round_number, Verdict.B, pair, outcome=outcome, key=None)


@pytest.fixture
async def arena(redis: Redis, tmp_path: Path) -> AsyncIterator[ArenaWithSql]:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database = Database(url)
    yield ArenaWithSql(redis, database)
    await database.aclose()


async def test_a_committed_vote_that_was_not_logged_is_logged_by_the_sweeper(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    await arena.committed(battle, 1, Pair(0, 1), Status.RUNNING)

    await arena.sweep()

    now = await arena.manager.snapshot(battle)
    assert (now.round, now.can_vote) == (2, True)


async def test_a_battle_with_other_answers_than_sql_has_is_rebuilt_before_it_can_be_judged(
    arena: ArenaWithSql, redis: Redis
) -> None:
    battle = (await arena.open(2)).battle_id
    for answer in range(2):
        await arena.begin(battle, answer)
        await arena.write(battle, answer, "first", "stop")
    seen = await arena.store.state(battle, "all")
    assert seen is not None
    with patch("app.arena.transitions.OPENING", timedelta(0)):  # it is not so young that its log is on the way
        await redis.flushdb()
        await arena.reconciler.reconcile(battle)  # SQL has no answer yet: it is rebuilt without, and they start again
        for answer in range(2):
            await arena.begin(battle, answer)
            await arena.write(battle, answer, "second, with more to say", "stop")
        # the worker that had read the battle in the Redis that was lost stores its answers only now
        late = [
            AnswerRecord(entry, one.model, "local", "first", "stop", timing=Timing(ttft_s=0.05), side=side)
            for (entry, one), side in zip(enumerate(seen.document.battle.contestants), Side, strict=True)
        ]
        assert await arena.ledger.save_answers(battle, late)
        await arena.reconciler.reconcile(battle)
    now = await arena.manager.snapshot(battle)
    assert now.can_vote
    assert [now.sides[side].text for side in Side] == ["first", "first"]
    assert {answer.text for answer in (await arena.ledger.answers(battle)).values()} == {"first"}


async def test_a_last_vote_that_was_not_logged_ends_the_battle_by_the_sweeper(
    arena: ArenaWithSql, redis: Redis
) -> None:
    battle = await arena.ready(2)
    await arena.sweep(1)
    await arena.committed(battle, 1, Pair(0, 1), Status.FINISHED)

    await arena.sweep(3)

    now = await arena.manager.snapshot(battle)
    assert (now.status, now.reveal is not None) == ("finished", True)
    assert not await redis.exists(OPEN_KEY), "a battle whose end was logged is forgotten"


async def test_a_vote_that_ended_its_battle_early_is_shown_as_its_end_from_redis_and_from_sql(
    arena: ArenaWithSql, redis: Redis
) -> None:
    battle = await arena.ready(3)
    await arena.sweep(1)
    await arena.committed(battle, 1, Pair(0, 1), Status.FINISHED)
    await arena.sweep(3)
    shown = await arena.manager.snapshot(battle)
    assert (shown.status, shown.round, len(shown.votes)) == ("finished", 1, 1)
    assert shown.reveal is not None
    assert [line["place"] for line in shown.reveal["ranking"]] == [1, 2, None]
    await redis.flushdb()
    kept = await arena.manager.snapshot(battle)
    assert (kept.status, kept.round, kept.votes, kept.sides) == (shown.status, shown.round, shown.votes, shown.sides)
    assert kept.reveal is not None
    assert [(line["place"], line["model"]) for line in kept.reveal["ranking"]] == [
        (line["place"], line["model"]) for line in shown.reveal["ranking"]
    ]


async def test_a_stop_that_was_not_logged_is_logged_by_the_sweeper_of_another_worker(
    arena: ArenaWithSql, redis: Redis
) -> None:
    battle = await arena.ready(2)
    await arena.sweep(1)
    await arena.ledger.end_battle(battle, Status.STOPPED)
    arena.sweeper = arena.another_sweeper(redis)  # it has never seen the battle run

    await arena.sweep(2)

    assert (await arena.manager.snapshot(battle)).status == "stopped"


async def test_a_battle_that_only_waits_for_a_verdict_is_left_alone(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    before = await arena.store.state(battle)
    arena.dispatcher.jobs.clear()

    await arena.sweep(3)

    assert await arena.store.state(battle) == before
    assert not arena.dispatcher.jobs


async def test_another_verdict_for_a_round_whose_vote_was_not_told_tells_it(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    await arena.committed(battle, 1, Pair(0, 1), Status.RUNNING)

    with pytest.raises(Conflict, match="already judged as 'b'"):
        await arena.manager.vote(battle, 1, Verdict.A)

    assert (await arena.manager.snapshot(battle)).round == 2


async def test_a_vote_that_was_taken_back_is_not_told_to_stand_because_redis_has_it_still(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    await arena.manager.vote(battle, 1, Verdict.A, "first")
    assert await arena.ledger.retract_vote(battle, 1, timedelta(seconds=30))  # and the caller died

    with pytest.raises(Conflict, match="taken back"):
        await arena.manager.vote(battle, 1, Verdict.A, "first")
    now = await arena.manager.vote(battle, 1, Verdict.A, "second")

    assert [(vote["round"], vote["verdict"]) for vote in now.votes] == [(1, "a")]
    with pytest.raises(Conflict, match="taken back"):
        await arena.manager.vote(battle, 1, Verdict.A, "first")


async def test_taking_back_again_what_was_taken_back_tells_it(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    await arena.manager.vote(battle, 1, Verdict.A)
    assert await arena.ledger.retract_vote(battle, 1, timedelta(seconds=30))

    with pytest.raises(Conflict, match="has no verdict"):
        await arena.manager.undo(battle, 1, timedelta(seconds=30))

    now = await arena.manager.snapshot(battle)
    assert (now.round, now.can_vote, now.votes) == (1, True, ())


async def test_a_vote_on_a_round_that_an_untold_undo_took_off_stage_is_told_to_read_again(arena: ArenaWithSql) -> None:
    battle = await arena.ready()
    await arena.manager.vote(battle, 1, Verdict.A)
    assert await arena.ledger.retract_vote(battle, 1, timedelta(seconds=30))

    with pytest.raises(Conflict, match="not on stage") as refused:
        await arena.manager.vote(battle, 2, Verdict.A)

    assert refused.value.code == "not_this_round"
    assert (await arena.manager.snapshot(battle)).round == 1


async def test_a_verdict_that_was_counted_while_redis_was_read_in_vain_stands_and_the_battle_is_not_just_over(
    arena: ArenaWithSql, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    battle = await arena.ready(2)
    await redis.flushdb()
    reconcile = arena.reconciler.reconcile

    async def counted_meanwhile(battle_id: str) -> None:
        monkeypatch.undo()  # once
        await arena.committed(battle, 1, Pair(0, 1), Status.FINISHED)
        await reconcile(battle_id)

    monkeypatch.setattr(arena.reconciler, "reconcile", counted_meanwhile)
    with pytest.raises(Conflict, match="already judged as 'b'") as refused:
        await arena.manager.vote(battle, 1, Verdict.TIE)
    assert refused.value.code == "already_judged"
    assert (await arena.manager.vote(battle, 1, Verdict.B)).status == "finished", "the same verdict is no conflict"
    with pytest.raises(Conflict, match="battle is over"):
        await arena.manager.vote(battle, 2, Verdict.TIE)


async def test_a_young_battle_that_redis_lost_is_not_over(arena: ArenaWithSql, redis: Redis) -> None:
    battle = await arena.ready(3)
    await redis.flushdb()
    with pytest.raises(Conflict) as early:
        await arena.manager.vote(battle, 1, Verdict.TIE)
    assert early.value.code == "not_ready", "it may be on its way to Redis"


async def test_a_young_battle_that_was_judged_before_redis_lost_it_goes_on_at_once(
    arena: ArenaWithSql, redis: Redis
) -> None:
    battle = await arena.ready(3)
    await arena.manager.vote(battle, 1, Verdict.A)
    await redis.flushdb()
    assert (await arena.manager.vote(battle, 2, Verdict.TIE)).status == "finished"


async def test_an_undo_that_lost_against_the_last_verdict_is_told_that_the_battle_is_over(
    arena: ArenaWithSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    battle = await arena.ready(3)
    await arena.manager.vote(battle, 1, Verdict.A)
    retract = arena.ledger.retract_vote

    async def judged_meanwhile(battle_id: str, round_number: int, within: timedelta) -> bool:
        await arena.committed(battle, 2, Pair(0, 2), Status.FINISHED)
        return bool(await retract(battle_id, round_number, within))

    monkeypatch.setattr(arena.ledger, "retract_vote", judged_meanwhile)
    with pytest.raises(Conflict) as refused:
        await arena.manager.undo(battle, 1, timedelta(seconds=30))
    assert refused.value.code == "battle_over"


async def test_a_battle_that_cannot_be_settled_holds_up_no_other(arena: ArenaWithSql, redis: Redis) -> None:
    broken, foreign, battle = await arena.ready(), await arena.ready(), await arena.ready()
    await redis.delete(f"arena:{{{broken}}}:answer:0")
    await redis.set(f"arena:{{{broken}}}:answer:0", "not a hash", ex=60)
    await redis.hset(f"arena:{{{foreign}}}", "document", "{}")
    await arena.committed(battle, 1, Pair(0, 1), Status.RUNNING)

    await arena.sweep()

    assert (await arena.manager.snapshot(battle)).round == 2


async def test_a_battle_that_fails_is_logged_once_and_forgotten_when_it_no_longer_does(
    arena: ArenaWithSql, redis: Redis
) -> None:
    foreign = await arena.ready()
    document = cast("bytes", await redis.hget(f"arena:{{{foreign}}}", "document"))
    await redis.hset(f"arena:{{{foreign}}}", "document", "{}")
    with structlog.testing.capture_logs() as logs:
        await arena.sweep(4)
    assert [line["battle"] for line in logs if line["event"] == "battle_not_settled"] == [foreign]
    await redis.hset(f"arena:{{{foreign}}}", "document", document)
    await arena.sweep(2)
    await redis.hset(f"arena:{{{foreign}}}", "document", "{}")
    with structlog.testing.capture_logs() as logs:
        await arena.sweep(1)
    assert [line["battle"] for line in logs if line["event"] == "battle_not_settled"] == [foreign], "it was forgotten"


async def test_battles_beyond_what_one_sweep_takes_have_their_turn(arena: ArenaWithSql, redis: Redis) -> None:
    arena.sweeper = arena.another_sweeper(redis, page_size=2)
    battles = [await arena.ready() for _ in range(5)]
    await arena.committed(battles[-1], 1, Pair(0, 1), Status.RUNNING)

    await arena.sweep(6)

    assert (await arena.manager.snapshot(battles[-1])).round == 2


async def test_who_asks_for_a_battle_while_it_is_being_opened_does_not_end_it(arena: ArenaWithSql) -> None:
    await arena.ledger.open_battle(NewBattle("young", "Why?", tuple(MODELS[:3])))

    await arena.reconciler.reconcile("young")
    seen = await arena.manager.snapshot("young")

    assert (seen.status, seen.round, seen.cursor) == ("running", 1, (await arena.manager.snapshot("young")).cursor)
    assert arena.dispatcher.jobs


async def test_waiting_in_vain_gives_the_text_of_the_end_of_the_wait(redis: Redis, arena: ArenaWithSql) -> None:
    battle = (await arena.open()).battle_id
    await arena.begin(battle, 0)
    has_looked, written = asyncio.Event(), asyncio.Event()

    async def snapshot(battle_id: str) -> Snapshot:
        if has_looked.is_set():  # the wait is over
            await asyncio.wait_for(written.wait(), PATIENCE_S)
        seen = await arena.manager.snapshot(battle_id)
        has_looked.set()
        return seen

    viewing = Viewing(Hub(arena.store, redis), snapshot)

    waiting = asyncio.create_task(viewing.wait(battle, timedelta(seconds=0.05), lambda now: now.can_vote))
    await asyncio.wait_for(has_looked.wait(), PATIENCE_S)
    await arena.write(battle, 0, "so far")
    written.set()
    now = await waiting

    assert [side.text for side in now.sides.values()] == ["so far", ""]


async def test_an_answer_that_simply_takes_long_is_no_warning_and_a_battle_that_only_the_sweeper_moved_is(
    arena: ArenaWithSql,
) -> None:
    slow = (await arena.open()).battle_id
    await arena.begin(slow, 0)
    with structlog.testing.capture_logs() as lines:
        await arena.sweep(6)
    assert [line for line in lines if line["event"] == "battle_swept"] == []

    stuck = await arena.ready()
    await arena.committed(stuck, 1, Pair(0, 1), Status.RUNNING)
    with structlog.testing.capture_logs() as lines:
        await arena.sweep(6)
    swept = [(line["battle"], line["log_level"]) for line in lines if line["event"] == "battle_swept"]
    assert swept == [(stuck, "warning")]


async def test_one_worker_sweeps_at_a_time(arena: ArenaWithSql, redis: Redis) -> None:
    swept, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> list[Unended]:
        swept.set()
        await go_on.wait()
        return []

    with patch.object(arena.ledger, "unended", slow):
        sweeping = asyncio.create_task(arena.sweeper.sweep_alone())
        await asyncio.wait_for(swept.wait(), PATIENCE_S)
        swept.clear()
        await arena.another_sweeper(redis).sweep_alone()
        assert not swept.is_set(), "the other one has the lock"
        go_on.set()
        await sweeping
        await arena.another_sweeper(redis).sweep_alone()
        assert swept.is_set(), "it was given back"


async def test_a_sweep_whose_lock_was_lost_is_cut_before_another_worker_sweeps(
    arena: ArenaWithSql, redis: Redis
) -> None:
    sweeper = arena.another_sweeper(redis, lock_term=timedelta(seconds=0.3))
    swept, ended = asyncio.Event(), asyncio.Event()

    async def hangs(*_: object) -> list[Unended]:
        swept.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return []

    with patch.object(arena.ledger, "unended", hangs), structlog.testing.capture_logs() as logs:
        sweeping = asyncio.create_task(sweeper.sweep_alone())
        await asyncio.wait_for(swept.wait(), PATIENCE_S)
        await redis.set(LOCK_KEY, "another's", px=60_000)
        await asyncio.wait_for(sweeping, PATIENCE_S)
    assert ended.is_set()
    assert [entry["event"] for entry in logs] == ["sweep_cut"]
    assert await redis.get(LOCK_KEY) == b"another's"


@dataclass
class Sweeps:
    """How often the ledger was asked for battles, at a version of the database that the test sets."""

    ledger: Ledger
    version: str | None = "v1"
    asked: int = 0

    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Sweeps:
        unended = self.ledger.unended

        async def counted(*given: Any) -> Any:
            self.asked += 1
            return await unended(*given)

        monkeypatch.setattr(self.ledger, "unended", counted)
        monkeypatch.setattr(self.ledger, "version", lambda: self.version)
        return self


async def test_nothing_is_swept_again_before_somebody_commits(
    arena: ArenaWithSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = Sweeps(arena.ledger).watched(monkeypatch)
    for version, asked in (("v1", 1), ("v1", 1), ("v2", 2), (None, 3), (None, 4), ("v2", 5), ("v2", 5)):
        sweeps.version = version
        await arena.sweeper.sweep_alone()
        assert sweeps.asked == asked


async def test_battles_that_run_or_whose_end_is_not_logged_are_swept_whoever_commits(
    arena: ArenaWithSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    battle = await arena.ready(2)
    sweeps = Sweeps(arena.ledger).watched(monkeypatch)
    for asked in (1, 2):
        await arena.sweeper.sweep_alone()
        assert sweeps.asked == asked
    await arena.committed(battle, 1, Pair(0, 1), Status.FINISHED)
    sweeps.version = "v2"
    for asked in (3, 4):
        await arena.sweeper.sweep_alone()
        assert sweeps.asked == asked
    arena.clock.now += LONG
    await arena.sweeper.sweep_alone()  # logs the end
    assert (await arena.manager.snapshot(battle)).status == "finished"
    await arena.sweeper.sweep_alone()  # sees it
    await arena.sweeper.sweep_alone()
    asked_then = sweeps.asked
    await arena.sweeper.sweep_alone()
    assert sweeps.asked == asked_then


async def test_a_sweep_that_another_worker_does_is_not_taken_for_ones_own(
    arena: ArenaWithSql, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps = Sweeps(arena.ledger).watched(monkeypatch)
    await redis.set(LOCK_KEY, "another's", px=60_000)
    await arena.sweeper.sweep_alone()
    assert sweeps.asked == 0
    await redis.delete(LOCK_KEY)
    await arena.sweeper.sweep_alone()
    assert sweeps.asked == 1
