"""Which class a failure of a chat-completions server belongs to, by status, code and text.

The shapes of an error, all read here: ``{"error": {"message", "type", "code", "param"}}`` (vLLM, llama-server, LM
Studio, OpenAI); ``{"error": "text", "error_type": "overloaded"}`` (TGI) and ``{"error": "Unauthorized"}`` (vLLM);
flat ``{"object": "error", "message", "type", "code"}`` (SGLang); ``{"detail": …}`` (FastAPI); and text or HTML of
proxies. In a stream the same objects come as a frame, with status 200.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.backends.base import (
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    PromptTooLong,
    UpstreamFailed,
)
from app.backends.values import decoded
from app.network.addresses import shown

_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """What an error says of itself; empty and 0 where it says nothing."""

    text: str = ""
    type: str = ""
    code: str = ""
    status: int = 0


_TYPES: dict[str, type[BackendError]] = {
    "exceed_context_size_error": PromptTooLong,
    "context_length_exceeded": PromptTooLong,
    "model_not_found": ModelNotFound,
    "notfounderror": ModelNotFound,
    "not_found_error": ModelNotFound,
    "overloaded": BackendOverloaded,
    "overloaded_error": BackendOverloaded,
    "concurrency_limit": BackendOverloaded,
    "rate_limit_exceeded": BackendOverloaded,
    "unavailable_error": BackendUnavailable,
    "service_unavailable": BackendOverloaded,
}

_PHRASES: tuple[tuple[str, type[BackendError]], ...] = (
    ("exceeds the available context size", PromptTooLong),
    ("maximum context length", PromptTooLong),
    ("longer than the model's context length", PromptTooLong),
    ("longer than the maximum model length", PromptTooLong),
    ("context length exceeded", PromptTooLong),
    ("max_num_batched_tokens", PromptTooLong),
    ("inputs tokens + max_new_tokens", PromptTooLong),
    ("no such model", ModelNotFound),
    ("model not found", ModelNotFound),
    ("could not find suitable", ModelNotFound),
    ("out of memory", OutOfCapacity),
    ("failed to load model", OutOfCapacity),
    ("loading model", BackendUnavailable),
    ("model is overloaded", BackendOverloaded),
    ("too many requests", BackendOverloaded),
    ("queue is full", BackendOverloaded),
    ("proxy error", BackendUnavailable),
)

_STATUSES: dict[int, type[BackendError]] = {
    408: BackendUnavailable,
    429: BackendOverloaded,
    502: BackendUnavailable,  # a proxy in front whose server is unavailable
    503: BackendOverloaded,
    504: LoadTimedOut,  # a proxy that was less patient than we are
}

_REFUSALS: dict[int, str] = {
    401: "it wants a login: set api_key_env of the host to the variable that holds its key",
    403: "it refuses this login: see api_key_env and headers of the host",
    404: "it has no such path: is the url of the host right, and its prefix?",
    405: "it takes no such request: is the url of the host right, and its prefix?",
}


def error_object(value: object) -> ErrorObject | None:
    """The error in a JSON value, whatever its shape; None when it is none."""
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    if isinstance(inner, dict):
        return _read(inner)
    if isinstance(inner, str):
        return ErrorObject(_cut(inner), _word(value.get("error_type")), _word(value.get("code")))
    if inner not in (None, False):
        return ErrorObject("an error without words")
    if value.get("object") == "error":
        return _read(value)
    if "detail" in value and "choices" not in value:
        return ErrorObject(_cut(str(value["detail"])))
    return None


def by_error(error: ErrorObject, status: int = 0) -> BackendError:
    """The failure that an error before any text means; ``status`` is the response's, 0 inside a stream."""
    text = error.text or error.type or error.code or "no reason given"
    known = _by_words(error)
    if known is not None:
        return known(text)
    status = status if status not in (0, 200) else error.status
    if status in _STATUSES:
        return _STATUSES[status](f"HTTP {status}: {text}")
    if status in _REFUSALS:
        return BadRequest(f"HTTP {status}: {text}; {_REFUSALS[status]}")
    return (BadRequest if 400 <= status < 500 else UpstreamFailed)(text)


def by_status(status: int, body: bytes, location: str = "") -> BackendError:
    """The failure that a response other than 200 means."""
    if 300 <= status < 400:
        return UpstreamFailed(f"HTTP {status}: redirected to {shown(location)[:200]!r}; give that address instead")
    try:
        error = error_object(decoded(body))
    except ValueError:
        error = None
    if error is not None:
        return by_error(error, status)
    if status in _STATUSES:
        return _STATUSES[status](f"HTTP {status}, without a reason that can be read")
    kind = BadRequest if status in (400, 401, 403, 404, 405, 413, 422) else UpstreamFailed
    hint = _REFUSALS.get(status, "is this the address of an OpenAI-compatible server?")
    return kind(f"HTTP {status}, but not with the JSON of an error: {hint}")


def _by_words(error: ErrorObject) -> type[BackendError] | None:
    for word in (error.type, error.code):
        if word.lower() in _TYPES:
            return _TYPES[word.lower()]
    lowered = error.text.lower()
    if "model" in lowered and ("does not exist" in lowered or "not found" in lowered):
        return ModelNotFound
    return next((kind for phrase, kind in _PHRASES if phrase in lowered), None)


def _read(error: dict[str, object]) -> ErrorObject:
    code = error.get("code")
    status = int(code) if isinstance(code, int | str) and str(code).isdigit() and len(str(code)) == 3 else 0
    return ErrorObject(_cut(_word(error.get("message"))), _word(error.get("type")), _word(code), status)


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:_LONGEST_TEXT]
