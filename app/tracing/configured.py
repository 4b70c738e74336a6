"""Whether traces are wanted, by OpenTelemetry's own variables, and the tracer that they ask for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from app.tracing.spans import NO_TRACER, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

NOT_INSTALLED = "pip install 'progressive-arena[otel]', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
WRONG_PROTOCOL = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the endpoint to the collector's port 4318"

log = structlog.get_logger(__name__)


def wanted(variables: Mapping[str, str]) -> bool:
    """Whether there is somewhere to send traces to, and nothing says not to."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if variables.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("", "otlp"):
        return False
    return any(variables.get(name, "").strip() for name in ENDPOINTS)


def protocol(variables: Mapping[str, str]) -> str:
    """How spans are to be sent."""
    return next((said for name in PROTOCOLS if (said := variables.get(name, "").strip())), "http/protobuf")


@asynccontextmanager
async def tracer_of(written: Mapping[str, str]) -> AsyncIterator[Tracer]:
    """The tracer of this process; its last spans are sent at the end of the block.

    ``written`` are variables of ``.env``. The SDK reads the environment only, so they are put there, behind what the
    environment has itself.
    """
    for name, value in written.items():
        if name.startswith("OTEL_"):
            os.environ.setdefault(name, value)
    if not wanted(os.environ):
        yield NO_TRACER
        return
    if protocol(os.environ) != "http/protobuf":
        log.warning("traces_off", why=f"{protocol(os.environ)} is not supported", remedy=WRONG_PROTOCOL)
        yield NO_TRACER
        return
    try:
        from app.tracing.sdk import SdkTracer
    except ImportError:
        log.warning("traces_off", why="the extra otel is not installed", remedy=NOT_INSTALLED)
        yield NO_TRACER
        return
    tracer = SdkTracer()
    log.info("traces_on", endpoint_by=next(name for name in ENDPOINTS if os.environ.get(name, "").strip()))
    try:
        yield tracer
    finally:
        await tracer.aclose()
