"""When traces are on, by OpenTelemetry's own variables."""

from __future__ import annotations

import asyncio
import builtins
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from app.tracing.configured import tracer_of, wanted
from app.tracing.sdk import SdkTracer, resource
from app.tracing.spans import NO_SPAN, NO_TRACER, Span

COLLECTOR = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _own_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    for name in before:
        del os.environ[name]
    yield
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_SERVICE_NAME": "arena"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_traces_are_off_until_there_is_somewhere_to_send_them(variables: dict[str, str], on: bool) -> None:
    assert wanted(variables) is on


async def test_without_the_extra_or_with_another_protocol_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}) as tracer:
        assert tracer.on
    with capture_logs() as lines:
        os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
        async with tracer_of({}) as tracer:
            assert tracer is NO_TRACER
        del os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]
        imported = builtins.__import__

        def without_the_extra(name: str, *more: Any, **named: Any) -> Any:
            if name == "app.tracing.sdk":
                raise ImportError(name)
            return imported(name, *more, **named)

        monkeypatch.setattr(builtins, "__import__", without_the_extra)
        async with tracer_of({}) as tracer:
            assert tracer is NO_TRACER
    assert [line["event"] for line in lines] == ["traces_off", "traces_off"]
    assert [line["remedy"].split()[0] for line in lines] == ["set", "pip"]


def test_without_a_collector_nothing_that_records_or_sends_is_imported() -> None:
    # The framework imports the API, and the SDK where it is installed, by itself.
    ours = "('app.tracing.sdk', 'opentelemetry.exporter', 'google.protobuf')"
    code = f"import sys, app.process.app; print([name for name in sys.modules if name.startswith({ours})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_tracer_that_is_none_makes_nothing() -> None:
    span = NO_TRACER.begin("answer", 1.0)
    assert span is NO_SPAN
    assert (span.context, span.recording) == ("", False)


def test_a_process_has_the_arenas_name_unless_a_variable_says_otherwise() -> None:
    assert resource().attributes["service.name"] == "progressive-arena"
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=ours,deployment.environment=test"
    assert resource().attributes["service.name"] == "ours"
    assert resource().attributes["deployment.environment"] == "test"
    os.environ["OTEL_SERVICE_NAME"] = "mine"
    assert resource().attributes["service.name"] == "mine"


def test_what_is_not_sampled_is_carried_on_and_records_nothing() -> None:
    os.environ |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    exporter = InMemorySpanExporter()
    tracer = SdkTracer(SimpleSpanProcessor(exporter))
    root = tracer.begin("POST", 1.0)
    child = tracer.begin("answer", 1.0, parent=root.context)
    child.add(Span("queue", 1.0, 2.0))
    child.end(2.0, {})
    root.end(2.0, {})
    assert (root.recording, child.recording) == (False, False)
    assert int(root.context[-2:], 16) & 1 == 0
    assert child.context[:35] == root.context[:35]
    assert exporter.get_finished_spans() == ()
    asyncio.run(tracer.aclose())


@pytest.mark.parametrize("parent", ["", "nonsense", "00-00000000000000000000000000000000-0000000000000000-01"])
def test_what_is_no_trace_begins_a_new_one(parent: str) -> None:
    exporter = InMemorySpanExporter()
    tracer = SdkTracer(SimpleSpanProcessor(exporter))
    tracer.begin("answer", 1.0, parent=parent).end(2.5, {"arena.host": "one"}, error="timeout")
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert (span.start_time, span.end_time) == (1_000_000_000, 2_500_000_000)
    assert dict(span.attributes or {}) == {"arena.host": "one", "error.type": "timeout"}
    assert not span.status.is_ok
    assert span.status.description is None
    asyncio.run(tracer.aclose())
