from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.backends.base import (
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    LoadedModel,
    OutOfCapacity,
    PromptTooLong,
    ServerTiming,
    Stalled,
)
from app.backends.retrying import RetryingManagedBackend
from app.backends.scripted import Script, ScriptedBackend
from app.metrics.counters import Counters
from app.scheduling.job import Job, Priority
from app.scheduling.ports import MOST_SILENT
from tests.helpers import known, wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, SharedHost, job

LONG = Script.of("so", timedelta(seconds=30), "on")
SHORT = Script.of("one", timedelta(milliseconds=60), " two")


async def test_an_answer_is_written_handed_in_settled_and_its_job_deleted(shared: SharedHost) -> None:
    one = job(1)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one))
    answer = shared.sink.answer(one)
    assert answer.text == "Hello from a script."
    assert answer.finish is not None
    assert (answer.finish.reason, answer.finish.error) == ("stop", None)
    await wait_until(lambda: shared.queue._jobs == {})  # type: ignore[attr-defined]


async def test_a_model_that_is_not_in_memory_is_loaded_first_with_the_battles_options(shared: SharedHost) -> None:
    backend = ScriptedBackend(load_time=timedelta(milliseconds=80))
    one = job(1)
    shared.open(backend)
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert backend.called("load") == ["a"]
    assert backend.calls[0].options == GenerationOptions(num_ctx=4096)
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert finish.timing.cold
    assert finish.timing.load_s is not None
    assert finish.timing.load_s >= 0.07
    assert finish.timing.queue_s is not None
    assert finish.timing.queue_s < finish.timing.load_s + 0.5


async def test_both_sides_run_at_once_where_both_models_fit(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [LONG], "b": [LONG]}, resident=["a"])
    shared.open(backend)
    both = [job(1, "a"), job(2, "b")]
    await shared.put(*both)
    await wait_until(lambda: sorted(backend.writing) == ["a", "b"])
    await wait_until(lambda: all(map(shared.text, both)))
    assert [shared.text(one) for one in both] == ["so", "so"]
    assert [shared.sink.answer(one).finish for one in both] == [None, None]
    assert backend.called("load") == ["b"]
    assert backend.called("unload") == []


async def test_one_after_the_other_where_they_do_not_fit(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [SHORT], "b": [SHORT]}, resident=["a"])
    first, second = job(1, "a"), job(2, "b")
    shared.open(backend, max_loaded=1)
    await shared.put(first, second)
    await wait_until(shared.ended(second))
    order = [(call.kind, call.model) for call in backend.calls]
    assert order == [
        ("stream", "a"),
        ("closed", "a"),
        ("unload", "a"),
        ("load", "b"),
        ("stream", "b"),
        ("closed", "b"),
    ]


async def test_viewers_of_a_waiting_answer_are_told_their_place(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [LONG]}, resident=["a"])
    jobs = [job(1), job(2), job(3)]
    shared.open(backend)
    await shared.put(*jobs)
    await wait_until(lambda: shared.sink.answer(jobs[2]).shown)
    (state, place, eta_s), *_ = shared.sink.answer(jobs[2]).shown
    assert (state, place) == ("queued", 2)
    assert eta_s is not None
    assert eta_s > 0
    assert shared.sink.answer(jobs[0]).shown == []


async def test_viewers_are_told_while_the_model_is_being_loaded_and_not_over_and_over(shared: SharedHost) -> None:
    one = job(1)
    shared.open(ScriptedBackend(load_time=timedelta(milliseconds=600)))
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert [state for state, _, _ in shared.sink.answer(one).shown] == ["loading"]


async def test_viewers_are_not_sent_back_to_the_queue_by_a_load_that_ends_while_the_driver_plans(
    shared: SharedHost,
) -> None:
    class Held(ScriptedBackend):
        loads = 0
        release = asyncio.Event()

        async def load(self, model: str, options: GenerationOptions) -> float:
            self.loads += 1
            return await super().load(model, options)

        async def loaded(self) -> tuple[LoadedModel, ...]:
            seen = await super().loaded()
            if self.loads:
                await self.release.wait()
            return seen

    read, one = shared.queue.read, job(1)
    backend = Held()

    async def ends_the_load() -> tuple[Job, ...]:
        if shared.sink.answer(one).shown:
            backend.release.set()
        return await read()

    shared.queue.read = ends_the_load  # type: ignore[method-assign]
    shared.open(backend)
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert [state for state, _, _ in shared.sink.answer(one).shown] == ["loading"]


@pytest.mark.parametrize("pieces", [(" \n", "\t"), ("\u200b",), ("\ufffd", " \ufffd")])
async def test_an_answer_that_shows_nothing_is_failed(shared: SharedHost, pieces: tuple[str, ...]) -> None:
    one = job(1)
    shared.open(ScriptedBackend({"a": [Script.of(*pieces)]}, resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert (finish.reason, finish.error) == ("error", "empty")


async def test_a_backends_failure_ends_the_answer_with_its_public_code(shared: SharedHost) -> None:
    one = job(1)
    shared.open(ScriptedBackend({"a": [Script.of("half", Stalled("silent for 20 s"))]}, resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert (finish.reason, finish.error) == ("error", "timeout")


async def test_a_crash_in_a_backend_is_an_end_and_not_a_hang(shared: SharedHost) -> None:
    class Crashing(ScriptedBackend):
        async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
            raise ValueError("a bug")
            yield Chunk()

    one = job(1)
    shared.open(Crashing(resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert (finish.reason, finish.error) == ("error", "unavailable")


async def test_a_crash_in_a_backends_loads_is_an_end_and_not_a_loop(shared: SharedHost) -> None:
    class Crashing(ScriptedBackend):
        async def load(self, model: str, options: GenerationOptions) -> float:
            await super().unload(model)
            raise ValueError("a bug")

    one, backend = job(1), Crashing(models=("a",))
    shared.open(backend)
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert (finish.reason, finish.error) == ("error", "unavailable")
    assert len(backend.calls) == 1


async def test_a_stream_without_its_last_chunk_is_cut_off(shared: SharedHost) -> None:
    class Endless(ScriptedBackend):
        async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
            async with aclosing(super().stream(request)) as chunks:
                async for chunk in chunks:
                    if chunk.finish_reason is None:
                        yield chunk

    one = job(1)
    shared.open(Endless(resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert finish.error == "cut_off"


async def test_a_load_that_fails_ends_all_who_wait_for_it_and_nobody_else(shared: SharedHost) -> None:
    backend = ScriptedBackend(load_failures={"b": [OutOfCapacity("too large")]}, resident=["a"])
    fine, first, second = job(1, "a"), job(2, "b"), job(3, "b")
    shared.open(backend)
    await shared.put(fine, first, second)
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in (fine, first, second)))
    assert shared.text(fine) == "Hello from a script."
    for one in (first, second):
        finish = shared.sink.answer(one).finish
        assert finish is not None
        assert (finish.reason, finish.error) == ("error", "unavailable")
    assert backend.called("load") == ["b"]


async def test_a_load_that_can_heal_is_tried_again(shared: SharedHost) -> None:
    failing = ScriptedBackend(load_failures={"a": [BackendUnavailable("refused"), BackendUnavailable("refused")]})
    one = job(1)
    shared.open(RetryingManagedBackend(failing, first_wait=timedelta(milliseconds=10)))
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert failing.called("load") == ["a", "a", "a"]
    assert shared.text(one) == "Hello from a script."


async def test_a_load_goes_on_when_everybody_left(shared: SharedHost) -> None:
    backend = ScriptedBackend(load_time=timedelta(milliseconds=200))
    one = job(1)
    shared.open(backend)
    await shared.put(one)
    await wait_until(lambda: backend.called("load"))
    await shared.queue.remove([one.id])
    await wait_until(lambda: backend.resident == ["a"])
    assert backend.called("stream") == []


async def test_a_cancelled_job_closes_its_socket(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [LONG]}, resident=["a"])
    one, next_one = job(1), job(2)
    shared.open(backend)
    await shared.put(one)
    await wait_until(lambda: shared.text(one) == "so")
    await shared.queue.remove([one.id])
    await wait_until(lambda: backend.writing == [])
    assert shared.sink.answer(one).finish is None
    await shared.put(next_one)
    await wait_until(lambda: backend.writing == ["a"])


async def test_a_refused_attempt_closes_its_socket_while_the_model_still_reads_the_prompt(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [Script.of(timedelta(seconds=30), "late")]}, resident=["a"])
    one = job(1)
    shared.open(backend)
    await shared.put(one)
    await wait_until(lambda: backend.writing == ["a"])
    shared.sink.stop(one)
    await wait_until(lambda: backend.writing == [])
    # The job is still there: the next attempt is refused, so it is settled and deleted.
    await wait_until(shared.ended(one))
    assert backend.called("stream") == ["a"]


async def test_the_slot_is_free_before_the_battle_is_settled(shared: SharedHost) -> None:
    settled = asyncio.Event()

    async def slow(one: object) -> None:
        await settled.wait()

    shared.sink.ended = slow  # type: ignore[method-assign, assignment]
    shared.open(ScriptedBackend(resident=["a"]))
    first, second = job(1), job(2)
    await shared.put(first, second)
    await wait_until(lambda: shared.sink.answer(second).finish)
    assert await shared.queue.length() == 2
    settled.set()


async def test_a_job_whose_settling_failed_is_settled_again(shared: SharedHost) -> None:
    tries = []

    async def failing_once(one: object) -> None:
        tries.append(one)
        if len(tries) == 1:
            raise OSError("the database is unavailable")

    shared.sink.ended = failing_once  # type: ignore[method-assign, assignment]
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(job(1))
    await wait_until(lambda: len(tries) == 2)
    await wait_until(lambda: shared.queue._jobs == {})  # type: ignore[attr-defined]
    answer = shared.sink.answer(job(1))
    assert (answer.text, known(answer.finish).reason) == ("Hello from a script.", "stop")
    assert len(answer.attempts) == 1, "what is written is not written again"


async def test_a_complete_answer_waits_for_the_desk_to_come_back(shared: SharedHost) -> None:
    one = job(1)
    shared.open(ScriptedBackend({"a": [Script.of("text", timedelta(milliseconds=50))]}, resident=["a"]))
    await shared.put(one)
    await wait_until(lambda: shared.text(one))
    attempt = shared.sink.answer(one).attempts[0]
    finish, calls = attempt.finish, []

    async def away_twice(end):  # type: ignore[no-untyped-def]
        calls.append(end)
        if len(calls) < 3:
            raise ConnectionError("Redis is unavailable")
        return await finish(end)

    attempt.finish = away_twice  # type: ignore[method-assign]
    await wait_until(shared.ended(one))
    assert len(calls) == 3
    assert len(shared.sink.answer(one).attempts) == 1


async def test_a_load_that_verifies_wrong_is_tried_once_more_then_taken_as_it_is(shared: SharedHost) -> None:
    class Shrinking(ScriptedBackend):
        async def loaded(self) -> tuple[LoadedModel, ...]:
            return tuple(LoadedModel(name, 10, 10, 2048) for name in self.resident)

    backend = Shrinking()
    one, two = job(1), job(2)
    with capture_logs() as logs:
        shared.open(backend)
        await shared.put(one)
        await wait_until(shared.ended(one))
        await shared.put(two)
        await wait_until(shared.ended(two))
    assert backend.called("load") == ["a", "a"]
    assert [line["flags"] for line in logs if line["event"] == "model_loaded"] == [["context_shrunk"]]


async def test_a_model_that_others_loaded_with_another_context_is_loaded_again(shared: SharedHost) -> None:
    class Foreign(ScriptedBackend):
        async def loaded(self) -> tuple[LoadedModel, ...]:
            context = 4096 if self.called("load") else 32768
            return tuple(LoadedModel(name, 10, 10, context) for name in self.resident)

    backend = Foreign(resident=["a"])
    one = job(1)
    with capture_logs() as logs:
        shared.open(backend)
        await shared.put(one)
        await wait_until(shared.ended(one))
    assert [call.kind for call in backend.calls] == ["load", "stream", "closed"]
    assert not [line for line in logs if line["log_level"] == "warning"]


async def test_what_did_not_fit_once_is_not_tried_again(shared: SharedHost) -> None:
    backend = ScriptedBackend(resident=["a", "b"], max_loaded=2)
    shared.open(backend)
    jobs = [job(1, "c"), job(2, "a")]
    for one in jobs:
        await shared.put(one)
        await wait_until(shared.ended(one))
    assert backend.called("load") == ["c", "a"]
    assert backend.called("unload") == ["b"], "the first time the server chose; now the driver does"


async def test_names_are_compared_as_ollama_does(shared: SharedHost) -> None:
    backend = ScriptedBackend(resident=["Mistral:latest"])
    one = job(1, "mistral")
    shared.open(backend)
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert backend.called("load") == []


async def test_only_the_owner_of_the_lease_works(shared: SharedHost) -> None:
    first, second = ScriptedBackend(resident=["a"]), ScriptedBackend(resident=["a"])
    shared.open(first)
    await wait_until(lambda: shared.drivers[0][0].driving)
    shared.open(second)
    jobs = [job(n) for n in range(5)]
    await shared.put(*jobs)
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in jobs))
    assert len(first.called("stream")) == 5
    assert second.called("stream") == []


async def test_another_driver_writes_anew_what_a_dead_owner_left(shared: SharedHost) -> None:
    dead = shared.open(ScriptedBackend({"a": [LONG]}, resident=["a"]))
    one, waiting = job(1), job(2)
    await shared.put(one, waiting)
    await wait_until(lambda: shared.text(one) == "so")
    shared.open(ScriptedBackend({"a": [Script.of("whole")]}, resident=["a"]))
    shared.kill(dead)
    await wait_until(lambda: shared.sink.answer(waiting).reconciled)
    answer = shared.sink.answer(one)
    assert answer.text == "whole"
    assert [attempt.over.is_set() for attempt in answer.attempts] == [True, False]


async def test_a_driver_that_hung_and_lost_its_lease_is_fenced_off(shared: SharedHost) -> None:
    slow = ScriptedBackend({"a": [Script.of("old", timedelta(seconds=0.8), " old", timedelta(seconds=30))]})
    slow.resident = ["a"]
    hung = shared.open(slow)
    one = job(1)
    await shared.put(one)
    await wait_until(lambda: shared.text(one) == "old")
    shared.leases.owner, shared.leases.until = None, 0.0
    new = shared.open(ScriptedBackend({"a": [Script.of("new")]}, resident=["a"]))
    assert await new._ports.lease.acquire()
    await wait_until(shared.ended(one))
    await wait_until(lambda: slow.writing == [])
    assert shared.text(one) == "new"
    assert not hung.driving


async def test_an_expired_lease_that_nobody_took_is_taken_again_and_the_answer_goes_on(shared: SharedHost) -> None:
    script = Script.of("one", timedelta(seconds=0.5), " two")
    shared.open(ScriptedBackend({"a": [script]}, resident=["a"]))
    one = job(1)
    await shared.put(one)
    await wait_until(lambda: shared.text(one))
    shared.leases.owner = None
    await wait_until(shared.ended(one))
    assert shared.text(one) == "one two"
    assert len(shared.sink.answer(one).attempts) == 1


async def test_a_stopped_driver_lets_answers_end_and_starts_nothing_more(shared: SharedHost) -> None:
    driver = shared.open(ScriptedBackend({"a": [Script.of("one", timedelta(seconds=0.4), " two")]}, resident=["a"]))
    one, waiting = job(1), job(2)
    await shared.put(one, waiting)
    await wait_until(lambda: shared.text(one))
    await driver.stop(timedelta(seconds=5))
    assert shared.text(one) == "one two"
    assert shared.sink.answer(one).reconciled
    assert shared.sink.answer(waiting).attempts == []
    assert shared.leases.owner is None, "the lease is released at once"


async def test_what_is_cut_at_the_end_of_the_drain_gets_no_end_and_another_driver_writes_it(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [LONG]}, resident=["a"])
    driver = shared.open(backend)
    one = job(1)
    await shared.put(one)
    await wait_until(lambda: shared.text(one))
    await driver.stop(timedelta(milliseconds=100))
    assert backend.writing == []
    assert shared.sink.answer(one).finish is None
    shared.open(ScriptedBackend(resident=["a"]))
    await wait_until(shared.ended(one))
    assert shared.text(one) == "Hello from a script."


async def test_a_job_that_is_written_whenever_its_process_dies_ends_interrupted(shared: SharedHost) -> None:
    one = job(1)
    await shared.put(one)
    for _ in range(MOST_SILENT):
        driver = shared.open(ScriptedBackend({"a": [LONG]}, resident=["a"]))
        await wait_until(lambda: shared.text(one))
        shared.kill(driver)
        shared.sink.answer(one).text = ""
    shared.open(ScriptedBackend(resident=["a"]))
    await wait_until(shared.ended(one))
    finish = known(shared.sink.answer(one).finish)
    assert (finish.reason, finish.error) == ("error", "interrupted")


async def test_an_answer_that_is_cut_by_each_of_many_restarts_is_written_at_last(shared: SharedHost) -> None:
    one = job(1)
    await shared.put(one)
    for _ in range(MOST_SILENT + 1):
        driver = shared.open(ScriptedBackend({"a": [LONG]}, resident=["a"]))
        await wait_until(lambda: shared.text(one))
        await driver.stop(timedelta(0))
        shared.sink.answer(one).text = ""
    shared.open(ScriptedBackend(resident=["a"]))
    await wait_until(shared.ended(one))
    assert known(shared.sink.answer(one).finish).reason == "stop"
    assert shared.text(one) == "Hello from a script."


async def test_prefetch_waits_behind_what_a_viewer_waits_for(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [SHORT]}, resident=["a"])
    order: list[str] = []
    begin = shared.sink.begin

    async def noted(one, token, host):  # type: ignore[no-untyped-def]
        order.append(one.id)
        return await begin(one, token, host)

    shared.sink.begin = noted  # type: ignore[method-assign]
    now = job(0).enqueued_at
    jobs = [job(1, priority=Priority.PREFETCH, at=now - 2), job(2, at=now - 1)]
    await shared.put(*jobs)
    shared.open(backend)
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in jobs))
    assert order == [jobs[1].id, jobs[0].id]


async def test_one_line_is_logged_for_a_finished_answer_and_never_a_text(shared: SharedHost) -> None:
    one = job(1)
    with capture_logs() as logs:
        shared.open(ScriptedBackend({"a": [Script.of("secret words")]}))
        await shared.put(one)
        await wait_until(shared.ended(one))
    (line,) = [line for line in logs if line["event"] == "answer_finished"]
    assert (line["battle"], line["answer"], line["host"], line["model"]) == ("battle1", 1, "gpu", "a")
    assert (line["class"], line["reason"], line["attempt"]) == ("", "stop", 1), "there is no class of error"
    assert {"queue_s", "load_s", "ttft_s", "total_s", "tokens", "tokens_per_s", "cold"} <= set(line)
    assert "secret" not in repr(logs)
    assert [entry["event"] for entry in logs if entry["event"].startswith(("lease", "model"))] == [
        "lease_taken",
        "model_loading",
        "model_loaded",
    ]


async def test_an_answer_that_the_server_refuses_is_an_event_in_its_words_and_nothing_for_the_voter(
    shared: SharedHost,
) -> None:
    jobs = [job(1), job(2), job(3)]
    refusals = [Script.of(BadRequest('"m" does not support thinking'))] * 2 + [Script.of(PromptTooLong("too long"))]
    counters = Counters()
    shared.open(ScriptedBackend({"a": refusals}, resident=["a"]), counters=counters)
    for one in jobs:
        await shared.put(one)
        await wait_until(shared.ended(one))
    events = [series for series in counters.counted if series[0] == "arena_host_events_total"]
    assert [series[2] for series in events] == ["answer_refused"]
    assert counters.counted[events[0]] == 1, (
        "the same refusal again says nothing new, and a long prompt is its author's"
    )
    assert all(known(shared.sink.answer(one).finish).error == "unavailable" for one in jobs[:2])


async def test_only_an_answer_that_failed_is_counted_with_a_cause(shared: SharedHost) -> None:
    good, bad, counters = job(1, "a"), job(2, "b"), Counters()
    scripts = {"a": [Script.of("So.")], "b": [Script.of(BadRequest("no"))]}
    shared.open(ScriptedBackend(scripts, resident=["a", "b"]), counters=counters)
    await shared.put(good, bad)
    await wait_until(shared.ended(good))
    await wait_until(shared.ended(bad))
    ended = [series[2:] for series in counters.counted if series[0] == "arena_answers_total"]
    assert sorted(ended) == [("a", "stop", ""), ("b", "error", "bad_request")]


async def test_from_the_nudge_to_the_request_nothing_polls(shared: SharedHost) -> None:
    backend = ScriptedBackend(resident=["a"])
    slow = replace(SHORT_INTERVALS, read_every=timedelta(seconds=30))
    shared.open(backend, intervals=slow)
    await wait_until(lambda: shared.drivers[0][0].driving)
    await asyncio.sleep(0.05)
    one = job(1)
    await shared.put(one)
    await wait_until(shared.ended(one), timeout=1.0)  # virtual: what polled would wait for 30
    assert shared.text(one) == "Hello from a script."


async def test_a_host_that_is_away_fails_its_answers_and_the_driver_goes_on(shared: SharedHost) -> None:
    backend = ScriptedBackend(down=BackendUnavailable("refused"))
    first = job(1)
    shared.open(backend)
    await shared.put(first)
    await wait_until(shared.ended(first))
    finish = shared.sink.answer(first).finish
    assert finish is not None
    assert finish.error == "unavailable"
    backend.down = None
    second = job(2)
    await shared.put(second)
    await wait_until(shared.ended(second))
    assert shared.text(second) == "Hello from a script."


async def test_a_model_that_others_pushed_out_is_noticed_by_an_answer_that_took_a_load(shared: SharedHost) -> None:
    cold = Script(("late",), timing=ServerTiming(load_s=7.0, tokens=1))
    backend = ScriptedBackend({"a": [cold]}, resident=["a", "b"])
    one = job(1)
    with capture_logs() as logs:
        shared.open(backend)
        await wait_until(lambda: any(line["event"] == "lease_taken" for line in logs))
        await shared.put(one)
        await wait_until(shared.ended(one))
        backend.resident.remove("b")
        two = job(2)
        await shared.put(two)
        await wait_until(lambda: [line["model"] for line in logs if line["event"] == "unloaded_by_others"] == ["b"])
        await wait_until(shared.ended(two))
    answers = [shared.sink.answer(each) for each in (one, two)]
    assert [known(answer.finish).reason for answer in answers] == ["stop", "stop"]
    assert known(answers[0].finish).timing.cold
    assert [line["model"] for line in logs if line["event"] == "unloaded_by_others"] == ["b"], "once"


async def test_the_run_ends_cleanly_when_it_is_cancelled(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [LONG]}, resident=["a"])
    shared.open(backend)
    one = job(1)
    await shared.put(one)
    await wait_until(lambda: shared.text(one))
    task = shared.drivers[0][1]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.writing == []
    assert shared.leases.owner is None
    assert not [other for other in asyncio.all_tasks() if other.get_name().startswith(("driver gpu", "gpu:", "stream"))]


async def test_a_job_that_is_added_while_the_queue_is_being_read_is_not_taken_for_cancelled(shared: SharedHost) -> None:
    read = shared.queue.read
    slow_reads = asyncio.Event()

    async def old_news():  # type: ignore[no-untyped-def]
        jobs = await read()
        if slow_reads.is_set():
            await asyncio.sleep(0.15)
        return jobs

    shared.queue.read = old_news  # type: ignore[method-assign]
    script = Script.of("one", timedelta(seconds=0.4), " two")
    shared.open(ScriptedBackend({"a": [script]}, resident=["a"]), slots=4)
    await wait_until(lambda: shared.drivers[0][0].driving)
    slow_reads.set()
    jobs = [job(n) for n in range(4)]
    for one in jobs:
        await shared.put(one)
        await shared.queue.remove(["unknown"])
        await asyncio.sleep(0.07)
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in jobs))
    assert [shared.text(one) for one in jobs] == ["one two"] * 4
    assert {len(shared.sink.answer(one).attempts) for one in jobs} == {1}


class Unwanted:
    """The share of a process that has too many hosts as soon as it has one."""

    def __init__(self) -> None:
        self.driven = 0

    def may_ask(self, host: str) -> bool:
        return self.driven == 0

    def should_give_up(self, host: str) -> bool:
        return True

    def taken(self, host: str) -> None:
        self.driven += 1

    def lost(self, host: str) -> None:
        """Nothing to note."""


async def test_a_driver_that_gave_its_idle_host_up_lets_others_work(shared: SharedHost) -> None:
    share = Unwanted()
    driver = shared.open(ScriptedBackend(resident=["a"]), share=share)
    await wait_until(lambda: share.driven == 1 and not driver.driving)
    async with asyncio.timeout(2):
        await asyncio.sleep(0.05)
    assert not driver.driving
    assert shared.leases.owner is None


@pytest.mark.parametrize(("read", "cut"), [(100, True), (500, False)])
async def test_an_answer_is_marked_when_the_server_cut_its_prompt(shared: SharedHost, read: int, cut: bool) -> None:
    asked = replace(job(1), battle="Why is the sky blue? " * 100)  # the sink asks what the battle is called
    cut_answer = Script(("It is not.",), timing=ServerTiming(prompt_tokens=read, tokens=3))
    shared.open(ScriptedBackend({"a": [cut_answer]}, resident=["a"]))
    await shared.put(asked)
    await wait_until(shared.ended(asked))
    finish = shared.sink.answer(asked).finish
    assert finish is not None
    assert finish.timing.cut_prompt is cut
