from __future__ import annotations

import asyncio
import gc
import json
import random
from collections import Counter

import pytest
import sqlalchemy as sa

from app.battle.battle import Status, Verdict
from app.database.database import Database
from app.errors import Conflict
from app.records.ledger import Ledger
from app.records.tables import votes
from tests.helpers import wait_until
from tests.records.builders import new_battle, vote
from tests.records.processes import run_together

VERDICTS = tuple(Verdict)


async def count_votes(database: Database) -> int:
    return await database.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(votes)).scalar_one())


async def test_of_many_votes_at_once_one_counts_and_all_learn_which(database: Database, url: str) -> None:
    other_worker = Database(url)
    ledgers = (Ledger(database), Ledger(other_worker))
    rng = random.Random(7)
    for number in range(5):
        name = f"b{number}"
        await ledgers[0].open_battle(new_battle(name))

        cast = await asyncio.gather(
            *(vote(ledgers[n % 2], rng.choice(VERDICTS), battle=name, key=f"k{n}") for n in range(40))
        )

        (counted,) = [one for one in cast if one.counted]
        assert {one.standing for one in cast} == {counted.standing}
        read = await ledgers[1].battle(name)
        assert read is not None
        assert read.votes == (counted.standing,)
        assert read.round == 2
    assert await count_votes(database) == 5
    await other_worker.aclose()


async def test_of_three_processes_voting_on_the_same_rounds_one_counts_each(
    ledger: Ledger, database: Database, url: str
) -> None:
    battles = 50
    for number in range(battles):
        await ledger.open_battle(new_battle(f"b{number}"))
    commands = [("tests.records.voter", url, verdict, str(battles)) for verdict in ("a", "b", "a")]

    printed = await asyncio.to_thread(run_together, commands)

    results = [json.loads(lines) for lines in printed]
    counted = Counter(name for process in results for name in process[0])
    assert counted == Counter({f"b{number}": 1 for number in range(battles)})
    assert sum(len(group) for process in results for group in process) == 3 * battles
    # Two processes say "a": where one of them counted, the other one is told that its verdict stands.
    assert len(results[0][1]) == len(results[2][0])
    assert len(results[2][1]) == len(results[0][0])
    assert await count_votes(database) == battles


async def test_one_key_opens_one_battle_however_often_it_is_sent_at_once(database: Database, url: str) -> None:
    other_worker = Database(url)
    ledgers = (Ledger(database), Ledger(other_worker))

    opened = await asyncio.gather(
        *(ledgers[n % 2].open_battle(new_battle(f"b{n}", idempotency_key="k", request_hash="h")) for n in range(30))
    )

    assert sum(record.created for record in opened) == 1
    assert len({record.id for record in opened}) == 1
    await other_worker.aclose()


async def test_one_key_for_two_rounds_at_once_counts_once_and_is_refused_once(ledger: Ledger) -> None:
    for number in range(10):
        name = f"b{number}"
        await ledger.open_battle(new_battle(name))
        await vote(ledger, battle=name)

        outcome = await asyncio.gather(
            vote(ledger, Verdict.A, battle=name, round=2, key="k"),
            vote(ledger, Verdict.B, battle=name, round=2, key="k"),
            return_exceptions=True,
        )

        assert sum(isinstance(one, Conflict) for one in outcome) == 1


async def test_a_vote_against_a_stop_ends_as_one_of_the_two(ledger: Ledger) -> None:
    for number in range(20):
        name = f"b{number}"
        await ledger.open_battle(new_battle(name))
        voting = vote(ledger, battle=name, outcome=Status.FINISHED)

        cast, status = await asyncio.gather(voting, ledger.end_battle(name, Status.STOPPED))

        read = await ledger.battle(name)
        assert read is not None
        assert read.status is status is cast.status
        assert cast.counted is (status is Status.FINISHED)
        assert len(read.votes) == cast.counted


async def test_the_vote_of_a_caller_who_went_away_is_counted(ledger: Ledger, database: Database) -> None:
    for number in range(30):
        name = f"b{number}"
        await ledger.open_battle(new_battle(name))
        caller = asyncio.create_task(vote(ledger, battle=name))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    async def all_counted() -> bool:
        return await count_votes(database) == 30

    await wait_until(all_counted)


async def test_callers_who_go_away_leave_no_connection_behind(database: Database) -> None:
    for _ in range(50):
        caller = asyncio.create_task(database.read(lambda c: c.execute(sa.text("SELECT 1")).scalar_one()))
        await asyncio.sleep(0)
        caller.cancel()
    # More than the pool holds, all at once: each waits for no longer than the others work.
    answers = await asyncio.gather(
        *(database.read(lambda c: c.execute(sa.text("SELECT 2")).scalar()) for _ in range(40))
    )
    assert answers == [2] * 40


async def test_a_failure_that_nobody_waits_for_any_more_is_no_complaint_of_the_loop(database: Database) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    no_such_table = sa.text("SELECT 1 FROM nowhere")
    for _ in range(10):
        caller = asyncio.create_task(database.read(lambda c: c.execute(no_such_table).scalar()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    await database.aclose()  # waits for all of it
    gc.collect()
    assert complaints == []


async def test_closing_waits_for_the_writes_at_hand(database: Database, url: str) -> None:
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())
    caller = asyncio.create_task(vote(ledger))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await database.aclose()

    assert (await caller).counted
    reopened = Database(url)
    assert await count_votes(reopened) == 1
    await reopened.aclose()
