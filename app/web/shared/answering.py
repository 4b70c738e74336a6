"""JSON answers: built by the route, encoded once, validated and copied by nobody on their way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import orjson
from fastapi import Response
from fastapi.routing import APIRoute

Endpoint = Callable[..., Awaitable[Any]]


class JsonBytes(Response):
    """A body that a route has built itself, as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the body."""
        return orjson.dumps(content)


class DocumentedRoute(APIRoute):
    """A route whose models (``responses``) are documentation: the framework neither validates nor copies its answer.

    Only coroutines can be endpoints. ``tests/web/test_schemas_served.py`` holds what is served against the models.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, _encoded(endpoint), **(options | {"response_model": None}))


def _encoded(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def answered(*args: Any, **given: Any) -> Response:
        answer = await endpoint(*args, **given)
        return answer if isinstance(answer, Response) else JsonBytes(answer)

    return answered
