"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Imported only where traces are configured (extra ``otel``).

The provider is ours alone: a global one would have the framework record every request by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app import __version__
from app.tracing import names
from app.tracing.spans import Kind, OpenSpan, Span, Value

SERVICE = "progressive-arena"

FLUSH_LIMIT_S: Final = 3.0
"""How long the end of a process waits for its last spans to be taken."""

_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
_PROPAGATOR = TraceContextTextMapPropagator()

log = structlog.get_logger(__name__)


class SdkTracer:
    """Records spans with ``processor``; by default in batches by a thread, which drops what it can't send in time."""

    on = True

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line for each failure: ReportedExporter's do
        self._provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor or BatchSpanProcessor(ReportedExporter(OTLPSpanExporter())))
        self._tracer = self._provider.get_tracer(SERVICE, __version__)

    def begin(self, name: str, began: float, *, kind: Kind = "internal", parent: str = "", link: str = "") -> OpenSpan:
        """Begin a span of the trace of ``parent``, or of a new one."""
        linked = get_current_span(_PROPAGATOR.extract({"traceparent": link})).get_span_context() if link else None
        span = self._tracer.start_span(
            name,
            _PROPAGATOR.extract({"traceparent": parent}) if parent else None,
            _KINDS[kind],
            links=[Link(linked)] if linked is not None and linked.is_valid else (),
            start_time=_ns(began),
        )
        return SdkOpenSpan(self._tracer, span)

    async def aclose(self, limit_s: float = FLUSH_LIMIT_S) -> None:
        """Send what is left, for at most ``limit_s``; a collector that is away holds up no process."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            try:
                loop.call_soon_threadsafe(over.set)
            except RuntimeError:  # nobody waits any more
                return

        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(limit_s):
                await over.wait()
        except TimeoutError:
            log.warning("traces_unsent", limit_s=limit_s)


class SdkOpenSpan:
    """A span of the SDK that has begun."""

    def __init__(self, tracer: Tracer, span: SdkSpan) -> None:
        self._tracer = tracer
        self._span = span
        self.recording = span.is_recording()
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span))
        self.context = carrier.get("traceparent", "")

    def add(self, span: Span) -> None:
        """Record a span within this one."""
        if self.recording:
            _record(self._tracer, span, self._span)

    def end(self, at: float, attributes: Mapping[str, Value], *, name: str = "", error: str = "") -> None:
        """End it."""
        if name:
            self._span.update_name(name)
        _finish(self._span, at, attributes, error)


def _record(tracer: Tracer, span: Span, parent: SdkSpan) -> None:
    recorded = tracer.start_span(span.name, set_span_in_context(parent), _KINDS[span.kind], start_time=_ns(span.began))
    for event in span.events:
        recorded.add_event(event.name, dict(event.attributes), _ns(event.at))
    for child in span.children:
        _record(tracer, child, recorded)
    _finish(recorded, max(span.ended, span.began), span.attributes, span.error)


def _finish(span: SdkSpan, at: float, attributes: Mapping[str, Value], error: str) -> None:
    span.set_attributes(dict(attributes))
    if error:
        span.set_attribute(names.ERROR, error)
        span.set_status(Status(StatusCode.ERROR))
    span.end(_ns(at))


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


def resource() -> Resource:
    """What a process is called, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    own = {"service.name": SERVICE, "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
    return Resource(own).merge(OTELResourceDetector().detect())


class ReportedExporter(SpanExporter):
    """``inner``, with a line in the log when spans are lost, and one when they are taken again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; called by the processor's thread."""
        try:
            result = self._inner.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning("traces_lost", remedy="is the collector at OTEL_EXPORTER_OTLP_ENDPOINT up?")
            self._lost += len(spans)
        elif self._lost:
            log.info("traces_back", lost=self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """Give up what is under way."""
        self._inner.shutdown()
