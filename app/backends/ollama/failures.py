"""Which class a failure of Ollama belongs to, by status and text.

Ollama answers an error with a status and ``{"error": "text"}``; after the first token the text comes as one more
line of the stream. On the way from llama-server the text may be that server's own JSON, nested as a string. The
phrases are those of Ollama's sources (servers up to 0.33; "requires more system memory" is of those before 0.30).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from app.backends.base import (
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    PromptTooLong,
    RunnerStopped,
    UpstreamFailed,
)
from app.network.addresses import shown

_LONGEST_TEXT = 500

_PHRASES: tuple[tuple[str, type[BackendError]], ...] = (
    ("runner has unexpectedly stopped", RunnerStopped),
    ("timed out waiting for llama", LoadTimedOut),
    ("server process has terminated", OutOfCapacity),
    ("runner process has terminated", OutOfCapacity),
    ("requires more system memory", OutOfCapacity),
    ("unable to load full model", OutOfCapacity),
    ("out of memory", OutOfCapacity),
    ("maximum pending requests exceeded", BackendOverloaded),
    ("must be of type", BadRequest),
    ("exceeds the available context size", PromptTooLong),
    ("longer than the context length", PromptTooLong),
)

_STATUSES: dict[int, type[BackendError]] = {
    408: BackendUnavailable,
    429: BackendOverloaded,
    502: BackendUnavailable,  # a proxy in front, whose server is unavailable
    503: BackendOverloaded,
    504: LoadTimedOut,  # a proxy that was less patient than we are
}


class _Inner(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: str


class _ErrorReply(BaseModel):
    model_config = ConfigDict(extra="ignore")

    error: str | _Inner


def error_text(body: bytes | str) -> str | None:
    """The sentence in an error body, unwrapped from up to three layers of JSON; None when it is no error body."""
    found: str | None = None
    inside = body
    for _ in range(3):
        try:
            error = _ErrorReply.model_validate_json(inside).error
        except ValidationError:
            break
        found = inside = error.message if isinstance(error, _Inner) else error
    return None if found is None else found[:_LONGEST_TEXT]


def by_text(text: str) -> BackendError:
    """The failure that an error line before any content means."""
    text = error_text(text) or text[:_LONGEST_TEXT]
    lowered = text.lower()
    for phrase, kind in _PHRASES:
        if phrase in lowered:
            return kind(text)
    if lowered.startswith("model ") and lowered.endswith(" not found"):
        return ModelNotFound(text)
    return UpstreamFailed(text)


def by_status(status: int, body: bytes, location: str = "") -> BackendError:
    """The failure that a response other than 200 means."""
    text = error_text(body)
    if 300 <= status < 400:
        return UpstreamFailed(f"HTTP {status}: redirected to {shown(location)[:200]!r}; give that address instead")
    if status in _STATUSES:
        return _STATUSES[status](f"HTTP {status}: {text or 'no reason given'}")
    if text is None:
        return _not_ollama(status, body)
    if status == 404:
        return ModelNotFound(text)
    found = by_text(text)
    return BadRequest(text) if status < 500 and not isinstance(found, BadRequest) else found


def _not_ollama(status: int, body: bytes) -> BackendError:
    if status == 403 and not body:
        return BadRequest("HTTP 403 without a reason: the server takes no requests under this host name")
    kind = BadRequest if status in (400, 401, 403, 413) else UpstreamFailed
    return kind(f"HTTP {status}, but not with Ollama's JSON: is this the address of an Ollama server?")
