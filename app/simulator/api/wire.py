"""Ollama's JSON, byte for byte: key order, what is left out, Go's escapes and times.

Durations are integer nanoseconds; a zero is left out. Times are UTC with up to nine digits.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from app.simulator.engine.clock import rfc3339
from app.simulator.engine.machine import Ended
from app.simulator.engine.runner import Runner
from app.simulator.models.catalog import Model

JSON = "application/json; charset=utf-8"
PLAIN_JSON = "application/json"
NDJSON = "application/x-ndjson"


@functools.lru_cache(maxsize=8192)
def go_string(text: str) -> str:
    """A JSON string as Go writes it: <, > and & escaped, other characters as they are."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def go_json(value: Any) -> str:
    """Any value without spaces, with Go's escapes."""
    quoted = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return quoted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def error_body(text: str) -> bytes:
    """``{"error": text}``."""
    return f'{{"error":{go_string(text)}}}'.encode()


class Stamp:
    """Writes ``created_at``; within one moment of the event loop the text is made once."""

    def __init__(self, utc: Callable[[], datetime], skew_s: Callable[[], float]) -> None:
        self._utc = utc
        self._skew_s = skew_s
        self._count = 0

    def __call__(self) -> str:
        """The time of now; the last three digits only make two moments differ."""
        self._count = (self._count + 211) % 1000
        return rfc3339(self._utc() + timedelta(seconds=self._skew_s()), self._count)


def metrics(ended: Ended) -> str:
    """The members of the last chunk after ``done_reason``, each with a comma in front."""
    values = (
        ("total_duration", _nanoseconds(ended.total_s)),
        ("load_duration", _nanoseconds(ended.load_s)),
        ("prompt_eval_count", ended.prompt_tokens),
        ("prompt_eval_duration", _microseconds(ended.prompt_s)),
        ("eval_count", ended.tokens),
        ("eval_duration", _microseconds(ended.decode_s)),
    )
    return "".join(f',"{name}":{value}' for name, value in values if value)


def odd_metrics(ended: Ended) -> str:
    """The same members as some servers write them that are no Ollama: counts as fractions, durations as null."""
    counts = f',"prompt_eval_count":{ended.prompt_tokens}.0,"eval_count":{ended.tokens}.0'
    return counts + "".join(f',"{name}_duration":null' for name in ("total", "load", "prompt_eval", "eval"))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _microseconds(seconds: float) -> int:
    """The model's process reports whole microseconds."""
    return round(seconds * 1e6) * 1000


def details(model: Model) -> dict[str, object]:
    """``details`` of tags, ps and show."""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def tag(model: Model, modified_at: str) -> dict[str, object]:
    """One entry of /api/tags."""
    shape = {"context_length": model.context_length, "embedding_length": model.embedding}
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": modified_at,
        "size": model.file_bytes,
        "digest": model.digest,
        "details": details(model) | shape,
        "capabilities": list(model.capabilities),
    }


def ps_entry(runner: Runner, expires_at: datetime) -> dict[str, object]:
    """One entry of /api/ps; ``size_vram`` 0 means wholly on the CPU."""
    return {
        "name": runner.model.name,
        "model": runner.model.name,
        "size": runner.placement.size_bytes,
        "digest": runner.model.digest,
        "details": details(runner.model),
        "expires_at": rfc3339(expires_at),
        "size_vram": runner.placement.vram_bytes,
        "context_length": runner.num_ctx,
    }


def logprobs(tokens: Iterable[str], top: int) -> str:
    """Made-up log probabilities in the right shape, the same for the same token."""
    return go_json([_logprob(token, top) for token in tokens])


def _logprob(token: str, top: int) -> dict[str, object]:
    value = -(0.05 + (sum(token.encode()) % 300) / 100)
    entry: dict[str, object] = {"token": token, "logprob": value, "bytes": list(token.encode())}
    if top:
        entry["top_logprobs"] = [
            {"token": word, "logprob": value - math.log(2 + place), "bytes": list(word.encode())}
            for place, word in enumerate([token, *(f" {letter}" for letter in "abcdefghijklmnopqrs")][:top])
        ]
    return entry
