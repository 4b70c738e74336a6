"""How much of a request, and how long, a connection waits for; and what a client that takes more is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.web.shared.bodies import MAX_BODY_BYTES
from app.web.shared.caching import HEADER, NO_STORE


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may take for a request.

    ``head_bytes``: request line and headers, as much as the load balancers before it pass on (64 KiB at AWS).
    ``head_s``: from their first byte to their last. ``body_s``: between two pieces of the body, and for all of it
    together with a second for each ``body_rate`` bytes, at most ``body_bytes`` of them. ``linger_s``: how long the
    client is listened to after a refusal, so that it can read it before the connection ends.
    """

    head_bytes: int = 64 * 1024
    head_s: float = 15.0
    body_s: float = 20.0
    body_rate: float = 8 * 1024
    body_bytes: int = MAX_BODY_BYTES
    linger_s: float = 2.0

    def head_until(self, began: float) -> float:
        """When a head that began at ``began`` must be complete."""
        return began + self.head_s

    def body_until(self, began: float, now: float, size: int, *, streamed: bool = False) -> float:
        """When the next piece of a body must come, of which ``size`` bytes have come by ``now``.

        ``streamed``: a route reads it piece by piece and ends it by itself when it is too long.
        """
        credit = (size if streamed else min(size, self.body_bytes)) / self.body_rate
        return min(now, began + credit) + self.body_s


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client gets instead of an answer."""

    status: int
    code: str
    sentence: str

    def response(self) -> bytes:
        """All of it, as it goes over the wire."""
        body = orjson.dumps({"error": self.sentence, "code": self.code})
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            HEADER.lower(): NO_STORE,
            "connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return STATUS_LINE[self.status] + lines.encode() + b"\r\n" + body


INVALID: Final = Refusal(400, "invalid_http", "this is not HTTP/1.1; check the request line and the headers")
HEAD_TOO_LARGE: Final = Refusal(
    431, "headers_too_large", "the address and the headers are too long together; send fewer or smaller cookies"
)
HEAD_TOO_SLOW: Final = Refusal(408, "request_timeout", "the headers did not come in time; send the request again")
BODY_TOO_SLOW: Final = Refusal(408, "request_timeout", "the body did not come in time; send the request again")
NO_TUNNELS: Final = Refusal(405, "method_not_allowed", "this is no proxy; it opens no tunnels")
