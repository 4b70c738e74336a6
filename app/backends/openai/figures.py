"""What chat-completions servers report of an answer's time and tokens.

``usage`` is everybody's: ``prompt_tokens``, ``completion_tokens``, and ``prompt_tokens_details.cached_tokens`` where
that is switched on. ``timings`` is llama-server's (milliseconds; ``prompt_n`` without the ``cache_n`` that were in its
cache; there is no queue time). ``metrics`` is vLLM's with ``--enable-per-request-metrics``. Figures that nobody gives
stay 0: then our own clock is what there is.
"""

from __future__ import annotations

from dataclasses import replace

from app.backends.base import ServerTiming
from app.backends.values import positive, whole

_MS = 1e-3


def timing_of(usage: object, timings: object, metrics: object) -> ServerTiming:
    """The figures of one answer, in seconds and tokens; each argument as it came, or None."""
    timing = _usage(usage if isinstance(usage, dict) else {})
    if isinstance(timings, dict):
        timing = _timings(timing, timings)
    if isinstance(metrics, dict):
        timing = _metrics(timing, metrics)
    return timing


def _usage(usage: dict[str, object]) -> ServerTiming:
    details = usage.get("prompt_tokens_details")
    cached = whole(details.get("cached_tokens")) if isinstance(details, dict) else None
    return ServerTiming(
        prompt_tokens=whole(usage.get("prompt_tokens")) or 0,
        tokens=whole(usage.get("completion_tokens")) or 0,
        cached_tokens=cached,
    )


def _timings(timing: ServerTiming, timings: dict[str, object]) -> ServerTiming:
    cached, read = whole(timings.get("cache_n")), whole(timings.get("prompt_n")) or 0
    return replace(
        timing,
        prompt_tokens=read + (cached or 0) or timing.prompt_tokens,
        prompt_s=positive(timings.get("prompt_ms")) * _MS,
        tokens=whole(timings.get("predicted_n")) or timing.tokens,
        decode_s=positive(timings.get("predicted_ms")) * _MS,
        cached_tokens=timing.cached_tokens if cached is None else cached,
    )


def _metrics(timing: ServerTiming, metrics: dict[str, object]) -> ServerTiming:
    first_s = positive(metrics.get("time_to_first_token_ms")) * _MS
    queued_s = positive(metrics.get("queue_time_ms")) * _MS
    return replace(
        timing,
        prompt_s=max(first_s - queued_s, 0.0),
        decode_s=positive(metrics.get("generation_time_ms")) * _MS,
    )
