"""A collector that takes OTLP over HTTP, for tests: a real server on loopback that decodes what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Plain = str | int | float | bool | list[object] | None


@dataclass(frozen=True)
class Received:
    """A span as it came."""

    trace: str
    id: str
    parent: str
    name: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, Plain]
    events: tuple[str, ...]
    service: str
    failed: bool


@dataclass
class Collector:
    """What came; ``raw`` are the bodies. ``hang``: take connections and answer none."""

    url: str = ""
    hang: bool = False
    status: int = 200
    spans: list[Received] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def named(self, prefix: str) -> list[Received]:
        return [span for span in self.spans if span.name.startswith(prefix)]


def plain(value: AnyValue) -> Plain:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def decoded(body: bytes) -> Iterator[Received]:
    """The spans of a request."""
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = str(attributes(of_resource.resource.attributes)["service.name"])
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield received(span, service)


def received(span: Span, service: str) -> Received:
    return Received(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes(span.attributes),
        tuple(event.name for event in span.events),
        service,
        span.status.code == Status.StatusCode.STATUS_CODE_ERROR,
    )


def attributes(given: Iterable[KeyValue]) -> dict[str, Plain]:
    return {one.key: plain(one.value) for one in given}


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """A collector on a free port."""
    collector = Collector()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        collector.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                body = await reader.readexactly(length)
                if collector.hang:
                    await collector.over.wait()
                    return
                assert head.startswith("post /v1/traces "), head
                collector.raw.append(body)
                if collector.status == 200:
                    collector.spans += decoded(body)
                writer.write(f"HTTP/1.1 {collector.status} Is\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    collector.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield collector
    finally:
        collector.over.set()
        server.close()
