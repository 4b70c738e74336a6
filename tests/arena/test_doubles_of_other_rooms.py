"""What the arena may rely on at its ledger and its dispatcher holds for the real ones and for their doubles."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from app.arena.requests import OpenRequest
from app.arena.sink import ArenaSink
from app.arena.writer import BatchWriter
from app.backends.base import GenerationRequest
from app.battle.battle import Pair, Status, Verdict
from app.database.database import Database
from app.errors import NotFound
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, NewBattle
from app.scheduling.dispatch.router import Router
from app.scheduling.job import Job
from app.scheduling.ports import Finish
from app.scheduling.testing.in_memory import MemoryQueue, MemoryReports
from app.timing.stopwatch import Timing
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.arena.in_memory import MemoryDispatcher, MemoryLedger
from tests.helpers import known
from tests.records.conftest import _migrated_file
from tests.scheduling.conftest import a_host
from tests.scheduling.several_hosts import OneBattleSink

__all__ = ["_migrated_file"]

BOTH_SIDES, HOUR = Pair(0, 1), timedelta(hours=1)


@pytest.fixture(params=["memory", "sql"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield cast(Any, MemoryLedger())
        return
    shutil.copy(request.getfixturevalue("_migrated_file"), tmp_path / "arena.db")
    database = Database(f"sqlite:///{tmp_path}/arena.db")
    yield Ledger(database)
    await database.aclose()


def answer(entry: int, text: str) -> AnswerRecord:
    return AnswerRecord(entry, f"m{entry}", "gpu", text, "stop")


async def opened(ledger: Ledger, models: int = 3) -> str:
    await ledger.open_battle(NewBattle("b", "Why?", tuple(f"m{n}" for n in range(models))))
    return "b"


async def vote(ledger: Ledger, round: int, verdict: Verdict, outcome: Status = Status.RUNNING) -> tuple[bool, ...]:
    """Whether it was counted, whether it was repeated, and whether a verdict stands."""
    cast = await ledger.cast_vote("b", round, verdict, BOTH_SIDES, outcome=outcome, key=None)
    return cast.counted, cast.repeated, cast.standing is not None


async def test_a_battle_is_opened_once_and_then_the_same(ledger: Ledger) -> None:
    new = NewBattle("b", "Why?", ("x", "y"), session_id="mine")
    first, again = await ledger.open_battle(new), await ledger.open_battle(new)
    assert (first.created, again.created) == (True, False)
    for record in (first, again, known(await ledger.battle("b"))):
        found = (record.message, record.contestants, record.status, record.round, record.votes, record.session_id)
        assert found == ("Why?", ("x", "y"), Status.RUNNING, 1, (), "mine")
    assert await ledger.battle("another") is None


async def test_an_answer_that_is_stored_stays_as_it_is(ledger: Ledger) -> None:
    battle = await opened(ledger)
    assert await ledger.answers(battle) == {}
    await ledger.save_answers(battle, [answer(0, "first")])
    await ledger.save_answers(battle, [answer(0, "second"), answer(2, "third")])
    assert {entry: kept.text for entry, kept in (await ledger.answers(battle)).items()} == {0: "first", 2: "third"}
    with pytest.raises(NotFound):
        await ledger.save_answers("another", [answer(0, "lost")])


async def test_the_first_vote_of_a_round_counts_and_others_learn_what_stands(ledger: Ledger) -> None:
    battle = await opened(ledger)
    assert await vote(ledger, 2, Verdict.A) == (False, False, False), "it is not that round's turn"
    assert await vote(ledger, 1, Verdict.A) == (True, False, True)
    assert await vote(ledger, 1, Verdict.A) == (False, True, True)
    assert await vote(ledger, 1, Verdict.B) == (False, False, True)
    now = known(await ledger.battle(battle))
    assert (now.round, now.status, [(one.round, one.verdict) for one in now.votes]) == (
        2,
        Status.RUNNING,
        [(1, Verdict.A)],
    )
    assert await vote(ledger, 2, Verdict.TIE, Status.FINISHED) == (True, False, True)
    now = known(await ledger.battle(battle))
    assert (now.round, now.status, len(now.votes)) == (2, Status.FINISHED, 2)
    assert await vote(ledger, 3, Verdict.A) == (False, False, False), "it is over"


async def test_only_the_newest_vote_of_a_running_battle_can_be_taken_back(ledger: Ledger) -> None:
    battle = await opened(ledger, 4)
    assert not await ledger.retract_vote(battle, 1, HOUR)
    await vote(ledger, 1, Verdict.A)
    await vote(ledger, 2, Verdict.B)
    assert not await ledger.retract_vote(battle, 1, HOUR)
    assert await ledger.retract_vote(battle, 2, HOUR)
    assert not await ledger.retract_vote(battle, 2, HOUR)
    now = known(await ledger.battle(battle))
    assert (now.round, [one.verdict for one in now.votes]) == (2, [Verdict.A])
    assert await vote(ledger, 2, Verdict.TIE, Status.FINISHED) == (True, False, True)
    assert not await ledger.retract_vote(battle, 2, HOUR), "it is over"


async def test_the_first_end_of_a_battle_stands(ledger: Ledger) -> None:
    battle = await opened(ledger)
    assert await ledger.end_battle(battle, Status.STOPPED) is Status.STOPPED
    assert await ledger.end_battle(battle, Status.FAILED) is Status.STOPPED
    assert known(await ledger.battle(battle)).status is Status.STOPPED
    with pytest.raises(NotFound):
        await ledger.end_battle("another", Status.FAILED)


@pytest.mark.parametrize("kind", ["memory", "router"])
async def test_jobs_are_taken_once_and_given_back(kind: str) -> None:
    queue, double = MemoryQueue(), MemoryDispatcher()
    router = Router([a_host("gpu")], {"gpu": queue}, {"gpu": ["a", "b"]}, 10, MemoryReports())
    dispatcher = double if kind == "memory" else router
    jobs = [Job("battle", 0, "a"), Job("battle", 1, "b")]

    async def there() -> set[str]:
        return set(double.jobs) if kind == "memory" else {job.id for job in await queue.read()}

    for _ in range(2):
        await dispatcher.enqueue(jobs)
        assert await there() == {jobs[0].id, jobs[1].id}
    for _ in range(2):
        await dispatcher.cancel(jobs[:1])
        assert await there() == {jobs[1].id}


@pytest.mark.usefixtures("no_key_without_ttl")
@pytest.mark.parametrize("count", [2, 3, 4])
async def test_a_double_with_one_battle_needs_the_answers_that_the_arena_needs(redis: Redis, count: int) -> None:
    arena = ArenaOnRedis(redis)
    writer = BatchWriter(arena.store, timedelta(milliseconds=1))
    real = ArenaSink(arena.store, writer, lambda _, model: GenerationRequest(model, ()), arena.reconciler.reconcile)
    models = [f"{letter}:1" for letter in "abcd"]
    battle = (await arena.manager.open(OpenRequest("Why?", models, count))).battle_id
    jobs = [Job(battle, entry, "a:1") for entry in range(count)]
    double = OneBattleSink(jobs, standing=2)
    for failed in (None, count - 1):
        if failed is not None:
            await arena.begin(battle, failed)
            await arena.write(battle, failed, "half", finish="error", error="cut_off")
            double.answer(jobs[failed]).finish = Finish("error", Timing(), "cut_off")
        for job in jobs[: count - 1]:
            others = [one.answer for one in jobs if one is not job]
            for condemned in (frozenset(some) for size in range(count) for some in combinations(others, size)):
                assert await double.is_needed(job, condemned) is await real.is_needed(job, condemned)
