"""Errors of /v1 as OpenAI's clients read them: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from app.errors import ArenaError, Unavailable

PREFIX = "/v1"
AT_THE_ROOT = ("/models/load", "/models/unload")
"""Calls of llama-server's router that clients send beside /v1, not below it."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class Unauthorized(ArenaError):
    """No key, or one that is none."""

    status = 401
    code = "invalid_api_key"


class TooManyCalls(Unavailable):
    """The key is at one of its limits."""

    status = 429
    code = "rate_limit_exceeded"


def is_openai(path: str) -> bool:
    """Whether ``path`` is answered in OpenAI's shapes."""
    return path == PREFIX or path.startswith(f"{PREFIX}/") or path in AT_THE_ROOT


def error_body(message: str, code: str | None, status: int, param: str | None = None) -> dict[str, Any]:
    """The body of an error, as an answer or as a frame of a stream."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_error(error: ArenaError) -> JSONResponse:
    """Render an error of the arena. What a client's retry can't heal says so: its library would try twice more."""
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else {}
    if error.status not in (429, 500, 503):
        headers["x-should-retry"] = "false"
    return JSONResponse(error_body(error.sentence, error.code, error.status, error.field), error.status, headers)
