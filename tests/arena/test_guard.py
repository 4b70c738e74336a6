"""The leak guard on a real Redis and in SQL: what viewers see, what is kept, and which votes bear the mark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.arena.document import Document
from app.arena.guard import Guard, GuardedWriter
from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.sink import ArenaSink
from app.arena.writer import BatchWriter
from app.backends.base import GenerationRequest, Message
from app.battle.battle import Side, Verdict
from app.database.database import Database, migrate
from app.leaks.policy import Policy, is_leaked, is_void, mark_of
from app.leaks.scanner import Leak
from app.records.ledger import Ledger
from app.scheduling.job import Job
from app.scheduling.ports import Finish
from app.timing.stopwatch import Timing
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.helpers import known, wait_until
from tests.records.reading import judged_votes

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

QUESTION = "Why is the sky blue?"
STOP = Finish("stop", Timing())


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'arena.db'}"
    await migrate(url)
    opened = Database(url)
    yield opened
    await opened.aclose()


class GuardedArena(ArenaOnRedis):
    """The arena with SQL, a writer and a sink; every contestant is a ``qwen3:8b`` of some tag."""

    def __init__(self, redis: Redis, database: Database, policy: Policy) -> None:
        super().__init__(redis)
        self.database = database
        self.ledger = Ledger(database)
        self.reconciler = Reconciler(self.store, self.ledger, self.dispatcher)
        self.manager = ArenaManager(self.store, self.ledger, self.reconciler)
        self.writer = BatchWriter(self.store, timedelta(milliseconds=1))
        self.sink = ArenaSink(self.store, self.writer, self.request, self.reconciler.reconcile, Guard(policy))
        self.tokens = 0

    def request(self, document: Document, model: str) -> GenerationRequest:
        return GenerationRequest(model, (Message("user", document.battle.message),))

    async def open_battle(self, message: str = QUESTION, count: int = 2) -> str:
        models = [f"qwen3:{size}b" for size in (4, 8, 14)]
        return (await self.manager.open(OpenRequest(message, models, count))).battle_id

    async def writer_of(self, battle: str, answer: int) -> GuardedWriter:
        self.tokens += 1
        model = known(await self.store.state(battle)).document.battle.contestants[answer].model
        writer = await self.sink.begin(Job(battle, answer, model), self.tokens, "local")
        assert isinstance(writer, GuardedWriter)
        return writer

    async def say(self, battle: str, answer: int, pieces: list[str], finish: Finish = STOP) -> None:
        writer = await self.writer_of(battle, answer)
        for piece in pieces:
            writer.write(piece)
        assert await writer.finish(finish)
        await self.reconciler.reconcile(battle)

    async def logged(self, battle: str) -> bytes:
        return b"".join(entry.event + entry.data for entry in await self.store.entries(battle, 0))

    async def marked(self, battle: str, mark: str) -> bool:
        state = await self.store.state(battle)
        return state is not None and state.answers[0].leak == mark

    async def votes(self) -> list[Any]:
        return [vote async for vote in judged_votes(self.database)]


@asynccontextmanager
async def guarded(redis: Redis, database: Database, policy: Policy = "flag") -> AsyncIterator[GuardedArena]:
    built = GuardedArena(redis, database, policy)
    task = asyncio.create_task(built.writer.run(), name="writer")
    try:
        yield built
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_leak_is_flagged_and_its_answer_shown_as_it_is(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        await arena.say(battle, 0, ["I am Qw", "en."])
        await arena.say(battle, 1, ["Light scatters."])
        kept = await arena.ledger.answers(battle)
        assert (kept[0].text, kept[0].leaked, kept[0].leak) == ("I am Qwen.", True, "flag: name Qwen")
        assert (kept[1].leaked, kept[1].leak) == (False, None)
        snapshot = await arena.manager.snapshot(battle)
        assert snapshot.sides[Side.A].text == "I am Qwen."


async def test_viewers_learn_nothing_of_the_flag(redis: Redis, database: Database) -> None:
    async with guarded(redis, database, "void") as arena:
        battle = await arena.open_battle(count=3)
        for answer in (0, 1):
            await arena.say(battle, answer, ["I was made by Alibaba."])
        seen = await arena.logged(battle) + repr((await arena.manager.snapshot(battle)).to_dict()).encode()
        assert b"leak" not in seen
        assert b"void" not in seen
        assert b"maker" not in seen


async def test_a_mark_is_kept_while_the_answer_is_still_written(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        writer = await arena.writer_of(battle, 0)
        writer.write("I am Qwen, and " + "so " * 60)
        await wait_until(lambda: arena.marked(battle, "flag: name Qwen"))
        await arena.manager.stop(battle)
        kept = (await arena.ledger.answers(battle))[0]
        assert (kept.finish_reason, kept.leaked) == ("cancelled", True)


async def test_masking_hides_the_name_from_the_first_byte_and_keeps_the_mark(redis: Redis, database: Database) -> None:
    async with guarded(redis, database, "mask") as arena:
        battle = await arena.open_battle()
        await arena.say(battle, 0, list("I am Qwen, made by Alibaba. Qwen it is, Qwe"))
        await arena.say(battle, 1, ["Light scatters."])
        kept = (await arena.ledger.answers(battle))[0]
        assert kept.text == "I am [model], made by [maker]. [model] it is, Qwe"
        assert (kept.leaked, kept.leak) == (False, "mask: name Qwen")
        assert (await arena.manager.snapshot(battle)).sides[Side.A].text == kept.text
        assert b"Qwen" not in await arena.logged(battle)
        await arena.manager.vote(battle, 1, Verdict.A)
        assert [vote.leaked for vote in await arena.votes()] == [False], "who voted did not know"


@pytest.mark.parametrize("policy", ["flag", "void"])
async def test_the_battle_goes_on_and_a_vote_on_a_leaking_answer_bears_the_mark(
    redis: Redis, database: Database, policy: Policy
) -> None:
    async with guarded(redis, database, policy) as arena:
        battle = await arena.open_battle(count=3)
        await arena.say(battle, 0, ["I am Qwen."])
        await arena.say(battle, 1, ["Light scatters."])
        after = await arena.manager.vote(battle, 1, Verdict.B)
        assert (after.status, after.round) == ("running", 2)
        await arena.say(battle, 2, ["Because of the air."])
        await arena.manager.vote(battle, 2, Verdict.TIE)
        assert [(vote.leaked_a, vote.leaked_b) for vote in await arena.votes()] == [(True, False), (False, False)]


async def test_naming_what_the_prompt_named_is_no_leak(redis: Redis, database: Database) -> None:
    async with guarded(redis, database, "mask") as arena:
        battle = await arena.open_battle("Are you Qwen?")
        await arena.say(battle, 0, ["Yes, I am ", "Qwen."])
        await arena.say(battle, 1, ["No."])
        kept = (await arena.ledger.answers(battle))[0]
        assert (kept.text, kept.leak) == ("Yes, I am Qwen.", None)


async def test_a_new_attempt_begins_without_the_mark_of_the_last(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        first = await arena.writer_of(battle, 0)
        first.write("I am Qwen, " + "and so " * 30)
        await wait_until(lambda: arena.marked(battle, "flag: name Qwen"))
        await arena.say(battle, 0, ["Light scatters."])
        assert known(await arena.store.state(battle, "all")).answers[0].leak == ""


async def test_a_mark_survives_the_loss_of_redis(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        await arena.say(battle, 0, ["I am Qwen."])
        await arena.say(battle, 1, ["Light scatters."])
        await redis.flushall()

        async def is_back() -> bool:
            await arena.reconciler.reconcile(battle)
            return await arena.marked(battle, "flag: name Qwen")

        await wait_until(is_back, interval=0.1)
        left, right = known(await arena.store.state(battle, "all")).answers[:2]
        assert (left.leak, right.leak) == ("flag: name Qwen", "")


async def test_what_a_fenced_off_or_failing_attempt_says_is_harmless(redis: Redis, database: Database) -> None:
    async with guarded(redis, database, "mask") as arena:
        battle = await arena.open_battle()
        await arena.say(battle, 0, ["I am Qw"], Finish("error", Timing(), "cut_off"))
        kept = (await arena.ledger.answers(battle))[0]
        assert (kept.text, kept.finish_reason, kept.leak) == ("I am Qw", "error", None)


def test_a_mark_tells_its_policy() -> None:
    leak = Leak("name", "qwen", "Qwen", 5)
    assert [is_leaked(mark_of(policy, leak)) for policy in ("flag", "mask", "void")] == [True, False, True]
    assert [is_void(mark_of(policy, leak)) for policy in ("flag", "mask", "void")] == [False, False, True]
    assert not is_leaked("")
    assert not is_leaked(None)
    assert not is_void(None)


async def test_what_turned_out_to_be_thinking_is_taken_back_with_its_mark(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        writer = await arena.writer_of(battle, 0)
        writer.write("I am Qwen, " + "and so " * 30)
        await wait_until(lambda: arena.marked(battle, "flag: name Qwen"))
        writer.restart()
        writer.write("Because.")
        assert await writer.finish(STOP)
        answer = known(await arena.store.state(battle, "all")).answers[0]
        assert (answer.text, answer.leak, answer.state) == ("Because.", "", "done")
        events = [entry.event for entry in await arena.store.entries(battle, 0)]
        assert events[-4:] == [b"reset", b"status", b"delta", b"answer"]
        assert (await arena.manager.snapshot(battle)).sides[Side.A].text == "Because."


async def test_what_nobody_was_sent_is_taken_back_without_a_word(redis: Redis, database: Database) -> None:
    async with guarded(redis, database) as arena:
        battle = await arena.open_battle()
        writer = await arena.writer_of(battle, 0)
        writer.write("I am Qwen, " + "and so " * 30)
        writer.restart()
        writer.write("Because.")
        assert await writer.finish(STOP)
        answer = known(await arena.store.state(battle, "all")).answers[0]
        assert (answer.text, answer.leak) == ("Because.", "")
        assert b"reset" not in [entry.event for entry in await arena.store.entries(battle, 0)]
