"""Pages of other origins, where the operator lets them in: ``ARENA_CORS_ORIGINS``, closed by default.

No credentials: a battle's cookie is SameSite=Strict, so such a page sends ``X-Battle-Token``, and no page can act with
what somebody's browser has of another.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
#: What pages may send beside what every page may, and what they may read of an answer.
SENT = (
    *("Content-Type", "Idempotency-Key", "Last-Event-ID"),
    *("X-Battle-Token", "X-Battle-Tokens", "X-Request-ID", "X-Session-ID"),
)
READ = ("Location", "Retry-After", "X-Request-ID")
PREFLIGHT_KEPT_S = 600


class Cors(CORSMiddleware):
    """The framework's, whose refusals of a preflight have the shape of all our errors."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        sentence = f"{bytes(answer.body).decode()}; the operator names the origins in ARENA_CORS_ORIGINS"
        body = {"error": sentence, "code": "cors_refused"}
        return JSONResponse(body, answer.status_code, {"Vary": "Origin"})


def letting_in(origins: Sequence[str], app: ASGIApp) -> ASGIApp:
    """``app`` for pages of ``origins``, too; without any it is as it was."""
    if not origins:
        return app
    return Cors(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=READ,
        max_age=PREFLIGHT_KEPT_S,
    )
