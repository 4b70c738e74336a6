"""A span for each call that begins or changes something; reading, viewers' streams and probes have none.

What the call asks drivers for belongs to its trace. A caller's ``traceparent`` is a link and not the parent: whoever
sends requests from outside must not decide what is sampled. Nothing of a trace is in any response: it says which model
wrote what.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, get_contextvars

from app.tracing import names
from app.tracing.spans import OpenSpan, Value, current, trace_id
from app.web.shared.services import Services

READING = frozenset(("GET", "HEAD", "OPTIONS"))
KNOWN = frozenset(("POST", "PUT", "PATCH", "DELETE"))
STREAM = b"text/event-stream"


class RequestSpans:
    """Pure ASGI. The span of a call whose answer is a stream ends where the stream begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, within a span if it gets one."""
        if scope["type"] != "http" or scope["method"] in READING:
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        if not services.tracer.on:
            await self._app(scope, receive, send)
            return
        link = Headers(scope=scope).get("traceparent", "")
        span = services.tracer.begin(method_of(scope), services.now(), kind="server", link=link)
        watch = _Watch(services, scope, span, send)
        token = current.set(span.context)
        try:
            with bound_contextvars(trace_id=trace_id(span.context)):
                await self._app(scope, receive, watch.send)
        finally:
            current.reset(token)
            watch.end()


class _Watch:
    """Ends a request's span once."""

    def __init__(self, services: Services, scope: Scope, span: OpenSpan, send: Send) -> None:
        self._services = services
        self._scope = scope
        self._span = span
        self._send = send
        self._status = 0
        self._ended = False

    async def send(self, message: Message) -> None:
        """Pass on a part of the response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if any(name.lower() == b"content-type" and value.startswith(STREAM) for name, value in message["headers"]):
                self.end()
        await self._send(message)

    def end(self) -> None:
        """End the span, if it has not ended."""
        if self._ended:
            return
        self._ended = True
        route = getattr(self._scope.get("route"), "path", "")
        name = f"{method_of(self._scope)} {route}".rstrip()
        error = str(self._status) if self._status >= 500 else "" if self._status else "disconnected"
        self._span.end(self._services.now(), self._attributes(route), name=name, error=error)

    def _attributes(self, route: str) -> Mapping[str, Value]:
        if not self._span.recording:
            return {}
        return {
            names.METHOD: method_of(self._scope),
            **({names.ROUTE: route} if route else {}),
            **({names.STATUS: self._status} if self._status else {}),
            names.REQUEST_ID: str(get_contextvars().get("request_id", "")),
        }


def method_of(scope: Scope) -> str:
    """The request's method; those that are none are not told apart, as they may be anything."""
    return scope["method"] if scope["method"] in KNOWN else "HTTP"
