"""How routes of the older contract answer what is refused: with the statuses and bodies that its clients know."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from app.errors import ArenaError, Conflict, InvalidInput
from app.web.shared.answering import DocumentedRoute
from app.web.shared.errors import error_response, redis_unavailable
from app.web.shared.validation import invalid_input

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ContractRoute(DocumentedRoute):
    """A route whose clients know no 409: what the battle's state forbids is a 400."""

    def get_route_handler(self) -> Handler:
        """The handler with its conflicts translated."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Conflict as refused:
                raise InvalidInput(refused.sentence, code=refused.code, field=refused.field) from None

        return handled


class SuccessRoute(ContractRoute):
    """A route whose clients look for ``success`` in refusals, too."""

    def get_route_handler(self) -> Handler:
        """The handler with ``success: false`` in every refusal."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except ArenaError as error:
                return _unsuccessful(error)
            except RequestValidationError as error:
                return _unsuccessful(invalid_input(error))
            except RedisError as error:
                return _unsuccessful(redis_unavailable(error))

        return handled


def _unsuccessful(error: ArenaError) -> JSONResponse:
    response = error_response(error)
    body = {"success": False, **json.loads(bytes(response.body))}
    kept = {name: value for name, value in response.headers.items() if name == "retry-after"}
    return JSONResponse(body, response.status_code, kept)
