"""What a driver may rely on at its sink holds for the one over Redis and for its double in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from app.arena.sink import ArenaSink
from app.arena.writer import BatchWriter
from app.backends.base import GenerationRequest
from app.redis.client import commands_client
from app.scheduling.job import Job
from app.scheduling.ports import MOST_SILENT, AnswerSink, Attempt, Finish
from app.scheduling.testing.in_memory import MemorySink
from app.timing.stopwatch import Timing
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.helpers import known, wait_until

Seen = tuple[str, str, str | None]
"""An answer's text, how it finished, and its error."""

STOP = Finish("stop", Timing(ttft_s=0.1))
FAILED = Finish("error", Timing(), "unavailable")


@dataclass
class Sinks:
    """A sink with one answer, ``job``: ``seen`` reads it, ``stop`` ends its battle."""

    sink: AnswerSink
    job: Job
    seen: Callable[[], Awaitable[Seen]]
    stop: Callable[[], Awaitable[None]]

    async def begun(self, token: int) -> Attempt:
        return known(await self.sink.begin(self.job, token, "gpu"))

    async def shows(self, *wanted: object) -> None:
        """Wait until the answer is seen as ``wanted``: the one over Redis writes in ticks."""

        async def as_wanted() -> bool:
            assert await self.seen() == wanted
            return True

        await wait_until(as_wanted)


def in_memory() -> Sinks:
    sink, job = MemorySink(), Job("b", 0, "a:1")

    async def seen() -> Seen:
        answer = sink.answer(job)
        finish = answer.finish
        return answer.text, finish.reason if finish else "", finish.error if finish else None

    async def stop() -> None:
        sink.stop(job)

    return Sinks(sink, job, seen, stop)


async def over_redis(arena: ArenaOnRedis, writer: BatchWriter) -> Sinks:
    battle = (await arena.open(3)).battle_id
    sink = ArenaSink(arena.store, writer, lambda _, model: GenerationRequest(model, ()), arena.reconciler.reconcile)

    async def seen() -> Seen:
        answer = known(await arena.store.state(battle, "all")).answers[0]
        return answer.text, answer.finish or "", answer.error["code"] if answer.error else None

    async def stop() -> None:
        await arena.manager.stop(battle)

    return Sinks(sink, Job(battle, 0, "a:1"), seen, stop)


@pytest.fixture(params=["memory", "redis"])
async def sinks(request: pytest.FixtureRequest) -> AsyncIterator[Sinks]:
    if request.param == "memory":
        yield in_memory()
        return
    request.getfixturevalue("no_key_without_ttl")
    client = commands_client(request.getfixturevalue("redis_url"))
    arena = ArenaOnRedis(client)
    writer = BatchWriter(arena.store, timedelta(milliseconds=1))
    writing = asyncio.create_task(writer.run(), name="writer")
    yield await over_redis(arena, writer)
    writing.cancel()
    await asyncio.wait({writing})
    await client.aclose()


async def test_what_is_written_is_seen_and_ends_once(sinks: Sinks) -> None:
    attempt = await sinks.begun(1)
    assert attempt.request.model == "a:1"
    attempt.write("Ri")
    await sinks.shows("Ri", "", None)
    attempt.write("vers")
    assert await attempt.finish(STOP)
    await sinks.shows("Rivers", "stop", None)
    assert await sinks.sink.begin(sinks.job, 2, "gpu") is None, "it is finished"
    await sinks.sink.fail(sinks.job, 3, "gpu", FAILED)
    await sinks.shows("Rivers", "stop", None)


async def test_what_was_written_before_a_restart_is_no_part_of_the_answer(sinks: Sinks) -> None:
    attempt = await sinks.begun(1)
    attempt.write("thoughts")
    await sinks.shows("thoughts", "", None)
    attempt.restart()
    attempt.write("Rivers")
    assert await attempt.finish(STOP)
    await sinks.shows("Rivers", "stop", None)


async def test_a_newer_attempt_begins_anew_and_the_older_one_is_refused(sinks: Sinks) -> None:
    old = await sinks.begun(1)
    old.write("half")
    await sinks.shows("half", "", None)
    new = await sinks.begun(2)
    await sinks.shows("", "", None)
    old.write("more")
    await wait_until(old.over.is_set)
    assert not await old.finish(STOP)
    new.write("whole")
    assert await new.finish(STOP)
    await sinks.shows("whole", "stop", None)


async def test_an_attempt_with_a_lower_token_is_over_from_the_start_and_the_answer_is_anothers(sinks: Sinks) -> None:
    new = await sinks.begun(7)
    late = await sinks.begun(6)
    assert late.over.is_set(), "not None: the job is the other one's, and must stay in the queue"
    late.write("old")
    assert not await late.finish(STOP)
    await sinks.sink.fail(sinks.job, 5, "gpu", FAILED)
    new.write("new")
    assert await new.finish(STOP)
    await sinks.shows("new", "stop", None)


async def test_a_begin_that_is_sent_twice_is_one_attempt(sinks: Sinks) -> None:
    for _ in range(5):
        attempt = await sinks.begun(1)
    assert not attempt.over.is_set()


async def test_after_five_attempts_that_fell_silent_the_answer_ends_as_interrupted(sinks: Sinks) -> None:
    for token in range(1, MOST_SILENT + 1):
        await sinks.begun(token)
    assert await sinks.sink.begin(sinks.job, MOST_SILENT + 1, "gpu") is None
    await sinks.shows("", "error", "interrupted")


async def test_an_attempt_that_was_left_is_not_held_against_its_answer(sinks: Sinks) -> None:
    for token in range(1, 3 * MOST_SILENT):
        await sinks.begun(token)
        await sinks.sink.leave(sinks.job, token)
        await sinks.sink.leave(sinks.job, token)
    attempt = await sinks.begun(100)
    attempt.write("So.")
    assert await attempt.finish(STOP)
    await sinks.shows("So.", "stop", None)


async def test_who_was_fenced_off_and_lives_takes_the_silence_back(sinks: Sinks) -> None:
    """As many silent attempts as are allowed, and one more that turned out to be alive after the next had begun."""
    for token in range(1, MOST_SILENT + 1):
        await sinks.begun(token)
        await sinks.sink.leave(sinks.job, token - 1)  # the first of these is no attempt's
    for token in range(MOST_SILENT + 1, 2 * MOST_SILENT):
        await sinks.begun(token)
    assert await sinks.sink.begin(sinks.job, 2 * MOST_SILENT, "gpu") is None
    await sinks.shows("", "error", "interrupted")


async def test_leaving_what_was_never_begun_or_is_finished_changes_nothing(sinks: Sinks) -> None:
    await sinks.sink.leave(sinks.job, 7)
    attempt = await sinks.begun(8)
    attempt.write("So.")
    assert await attempt.finish(STOP)
    await sinks.sink.leave(sinks.job, 8)
    await sinks.shows("So.", "stop", None)


async def test_an_answer_that_can_not_be_begun_fails(sinks: Sinks) -> None:
    old = await sinks.begun(1)
    await sinks.sink.fail(sinks.job, 2, "gpu", FAILED)
    await sinks.shows("", "error", "unavailable")
    assert not await old.finish(STOP)
    await sinks.shows("", "error", "unavailable")


async def test_a_stopped_battle_takes_nothing_more(sinks: Sinks) -> None:
    attempt = await sinks.begun(1)
    attempt.write("half")
    await sinks.shows("half", "", None)
    await sinks.stop()
    attempt.write("more")
    await wait_until(attempt.over.is_set)
    assert not await attempt.finish(STOP)
    assert await sinks.sink.begin(sinks.job, 2, "gpu") is None
    assert (await sinks.seen())[0] == "half"
