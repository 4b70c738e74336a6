"""Calls of plain endpoints, made past the framework's way to them, with the same outcome.

For each request the framework tries the routes one after the other, twice, and opens two scopes for dependencies that
need to be closed. Here a request's path is looked up in one expression for all routes of its method, and its endpoint
called by a plan (``app.web.shared.arguments``). The framework's router gets every request for which there is no such
plan or that does not fit it: unknown paths, other methods, invalid arguments, forms, files. So whatever is refused is
refused by it, and what it has read of the body is read again. Its handlers of errors are round both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.shared.answering import DocumentedRoute
from app.web.shared.arguments import UNREAD, NotPlanned, Plan

_NAMED_GROUP = re.compile(r"\(\?P<\w+>")


@dataclass(frozen=True, slots=True)
class _Planned:
    """A route whose endpoint is called by a plan."""

    route: APIRoute
    context: RouteContext
    plan: Plan

    def path_params(self, path: str) -> dict[str, Any]:
        """The parameters of a path that is this route's."""
        found = self.context.path_regex.match(path).groupdict()
        return {name: self.context.param_convertors[name].convert(value) for name, value in found.items()}


class _Table:
    """The routes of one method, in their order; a route without a plan is None."""

    def __init__(self, contexts: list[RouteContext]) -> None:
        self._routes = [_planned(context) for context in contexts]
        patterns = (_NAMED_GROUP.sub("(?:", context.path_regex.pattern) for context in contexts)
        self._which = re.compile("|".join(f"({pattern})" for pattern in patterns))

    def find(self, path: str) -> _Planned | None:
        """The first route of the path, if it has a plan."""
        found = self._which.match(path)
        return None if found is None or found.lastindex is None else self._routes[found.lastindex - 1]


class DirectRoutes:
    """Pure ASGI, in the place of ``router``: answers what it has a plan for, and passes on the rest."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._framework: ASGIApp = router.middleware_stack
        self._tables: dict[str, _Table] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        found = self._find(scope) if _is_plain(scope) else None
        if found is None:
            await self._framework(scope, receive, send)
            return
        scope["router"], scope["route"], scope["endpoint"] = self._router, found.route, found.context.endpoint
        scope["path_params"] = found.path_params(scope["path"])
        request = Request(scope, receive, send)
        read = await _arguments(found.plan, request)
        if read is None:
            await self._framework(scope, _again(request, receive), send)
            return
        response = await found.plan.run(read)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> _Planned | None:
        method = scope["method"]
        table = self._tables.get(method)
        if table is None:
            if self._tables:  # a method without a route
                return None
            self._tables = _tables(self._router)  # with the first request: all routes are there
            return self._find(scope)
        return table.find(scope["path"])


def _is_plain(scope: Scope) -> bool:
    """Whether a request is none of those that the framework treats in ways of its own."""
    return (
        scope["type"] == "http"
        and not scope.get("root_path")
        and "fastapi.telemetry" not in scope
        and not scope["app"].dependency_overrides
    )


def _tables(router: APIRouter) -> dict[str, _Table]:
    contexts = list(iter_route_contexts(router.routes))
    methods = {method for context in contexts for method in _methods(context)}
    return {
        method: _Table([each for each in contexts if not _methods(each) or method in _methods(each)])
        for method in methods
    }


def _methods(context: RouteContext) -> frozenset[str]:
    """The methods of a route; none where it takes any."""
    return frozenset(context.methods or ())


def _planned(context: RouteContext) -> _Planned | None:
    route = context.original_route
    ours = isinstance(route, DocumentedRoute) and type(route).get_route_handler is APIRoute.get_route_handler
    if not ours or getattr(context, "max_body_size", None) is not None:
        return None
    assert isinstance(route, APIRoute)
    try:
        return _Planned(route, context, Plan(context.dependant))
    except NotPlanned:
        return None


async def _arguments(plan: Plan, request: Request) -> list[dict[str, Any]] | None:
    """What the request has for the calls of the plan; None where it does not fit."""
    body: Any = UNREAD
    if plan.takes_body:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        try:
            body = await request.json()
        except HTTPException:
            raise
        except Exception:
            return None  # the framework meets the same, and has the words for it
    return plan.read(request, body)


def _again(request: Request, receive: Receive) -> Receive:
    """``receive``, which first returns once more what was read of the body."""
    messages = _read_again(request)

    async def again() -> Message:
        for message in messages:
            return message
        return await receive()

    return again


def _read_again(request: Request) -> Iterator[Message]:
    if hasattr(request, "_body"):
        yield {"type": "http.request", "body": request._body, "more_body": False}
