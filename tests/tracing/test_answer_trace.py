"""The spans of an attempt, from what its driver noted."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.hosts.host import Host
from app.scheduling.driver.answer_trace import AnswerTrace
from app.scheduling.job import Job, Priority
from app.scheduling.ports import Finish
from app.timing.stopwatch import Timing
from app.timing.story import Step
from app.timing.time import Time
from app.tracing.sdk import SdkTracer
from app.tracing.spans import NO_TRACER, current

HOST = Host("one", "http://user:secret@gpu.internal:11434")
JOB = Job("battle", 1, "zircon:7b", Priority.BATCH, 100.0)
REQUEST = GenerationRequest(JOB.model, (Message("user", "tourmaline"),), GenerationOptions(seed=7))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def trace(exporter: InMemorySpanExporter) -> AnswerTrace:
    return AnswerTrace(SdkTracer(SimpleSpanProcessor(exporter)), JOB, HOST, Time(now=lambda: 130.0))


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def seconds(span: ReadableSpan) -> tuple[float, float]:
    return (span.start_time or 0) / 1e9, (span.end_time or 0) / 1e9


def test_an_answer_has_its_wait_its_load_its_request_and_the_way_to_its_log(
    exporter: InMemorySpanExporter, trace: AnswerTrace
) -> None:
    with trace.kept():
        assert current.get()
        trace.step(Step(110.0, "waited", "one", since=100.0, load_began=95.0, load_ended=109.0, made_room=("old",)))
        trace.begun(REQUEST, 5)
        trace.step(Step(111.0, "retried", "one", cause="unavailable"))
        trace.finish = Finish("stop", Timing(ttft_s=2.0, total_s=29.0, tokens=40, prompt_tokens=9, decode_s=3.0))
        trace.stored()
    found = spans(exporter)
    assert {name: seconds(span) for name, span in found.items()} == {
        "answer": (100.0, 130.0),
        "queue": (100.0, 110.0),
        "load zircon:7b": (100.0, 109.0),
        "chat zircon:7b": (110.0, 129.0),
        "store": (129.0, 130.0),
    }
    chat = found["chat zircon:7b"]
    assert dict(chat.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ollama",
        "gen_ai.conversation.id": "battle",
        "gen_ai.request.model": "zircon:7b",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.seed": 7,
        "gen_ai.response.time_to_first_chunk": 2.0,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 40,
        "arena.decode_s": 3.0,
        "arena.cold": False,
        "server.address": "gpu.internal",
        "server.port": 11434,
    }
    assert [(event.name, event.timestamp / 1e9) for event in chat.events] == [("retry", 111.0), ("first_token", 112.0)]
    assert dict(found["load zircon:7b"].attributes or {}) == {"arena.made_room": ("old",)}
    assert dict(found["answer"].attributes or {}) == {
        "arena.battle": "battle",
        "arena.answer": 1,
        "arena.host": "one",
        "arena.priority": "batch",
        "arena.outcome": "stop",
        "arena.attempt": 5,
    }


def test_an_attempt_that_moves_says_where_to_and_why(exporter: InMemorySpanExporter, trace: AnswerTrace) -> None:
    with trace.kept():
        trace.step(Step(110.0, "waited", "one", since=100.0))
        trace.begun(REQUEST, 5)
        trace.step(Step(112.0, "moved", "one", cause="unavailable", target="two"))
    found = spans(exporter)
    assert found.keys() == {"answer", "queue", "chat zircon:7b"}
    assert (found["chat zircon:7b"].attributes or {})["error.type"] == "unavailable"
    about = found["answer"].attributes or {}
    assert (about["arena.outcome"], about["arena.target"]) == ("moved", "two")


def test_what_no_request_was_sent_for_has_no_span_of_one(exporter: InMemorySpanExporter, trace: AnswerTrace) -> None:
    with trace.kept():
        trace.step(Step(110.0, "waited", "one", since=100.0))
        trace.begun(None, 5)
        trace.cause = "capacity"
        trace.finish = Finish("error", Timing(total_s=10.0), "unavailable", "capacity")
        trace.stored()
    found = spans(exporter)
    assert found.keys() == {"answer", "queue"}
    assert (found["answer"].attributes or {})["error.type"] == "capacity"
    assert (found["answer"].attributes or {})["arena.outcome"] == "error"


def test_a_crash_is_told_by_its_class_and_never_by_its_message(
    exporter: InMemorySpanExporter, trace: AnswerTrace
) -> None:
    with pytest.raises(ValueError, match="tourmaline"), trace.kept():
        raise ValueError("tourmaline")
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "tourmaline" not in span.to_json()


def test_without_a_tracer_nothing_is_kept() -> None:
    trace = AnswerTrace(NO_TRACER, JOB, HOST, Time())
    before = current.get()
    with trace.kept():
        assert current.get() == before
        trace.step(Step(110.0, "waited", "one", since=100.0))
        trace.stored()
    assert (trace._steps, trace._stored_at) == ([], 0.0)
