"""Every error leaves as ``{"error": "sentence with the remedy", "code": "snake_case", "field"?: "…"}``.

One table for all: the arena's own errors, FastAPI's validation (never 422, never ``detail``), unknown paths and
wrong methods, a database or Redis that is unavailable. What nobody expected is ``app.web.shared.refusals``', as is the
log.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.arena.lookup import UnknownBattle, UnknownSession
from app.errors import ArenaError, Conflict, Unavailable
from app.store_errors import redis_lost, redis_trouble
from app.web.shared import refusals
from app.web.shared.openai_errors import error_body, is_openai, openai_error
from app.web.shared.validation import invalid_input


def error_response(error: ArenaError, path: str = "") -> JSONResponse:
    """Render an error of the arena as the call at ``path`` does; the log gets what the answer leaves out."""
    refusals.note(error)
    if is_openai(path):
        return openai_error(error)
    body: dict[str, Any] = {"error": _sentence(error), "code": error.code}
    if error.field is not None:
        body["field"] = error.field
    if isinstance(error, Conflict) and error.vote is not None:
        body["vote"] = error.vote
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else None
    return JSONResponse(body, error.status, headers)


def _sentence(error: ArenaError) -> str:
    """The error's own sentence; the remedy of an unknown id is a call of the contract that was asked."""
    if isinstance(error, UnknownBattle):
        return f"{error.sentence}; open one with POST /api/arena/battles"
    if isinstance(error, UnknownSession):
        return "Battle session not found: start one with POST /api/arena/start_progressive"
    return error.sentence


def redis_unavailable(error: RedisError) -> Unavailable:
    """The answer to whoever needed Redis when it could not be used."""
    return redis_lost(redis_trouble(error))


def _status_error(error: HTTPException, path: str) -> JSONResponse:
    sentences = {
        404: ("not_found", "there is nothing at this path; /openapi.json lists what there is"),
        400: ("invalid_json", "the body is not valid JSON in UTF-8"),
        413: ("too_large", str(error.detail)),
        405: ("method_not_allowed", "this path does not take that method; the Allow header names those it takes"),
    }
    code, sentence = sentences.get(error.status_code, ("http_error", str(error.detail)))
    if is_openai(path):
        return JSONResponse(error_body(sentence, code, error.status_code), error.status_code, error.headers)
    return JSONResponse({"error": sentence, "code": code}, error.status_code, error.headers)


def install(app: FastAPI) -> None:
    """Register the handlers."""

    @app.exception_handler(ArenaError)
    async def arena_error(request: Request, error: ArenaError) -> JSONResponse:
        return error_response(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(invalid_input(error), request.url.path)

    @app.exception_handler(HTTPException)
    async def status_error(request: Request, error: HTTPException) -> JSONResponse:
        return _status_error(error, request.url.path)

    @app.exception_handler(ClientDisconnect)
    async def client_left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it, and it is no error of ours

    @app.exception_handler(RedisError)
    async def redis_error(request: Request, error: RedisError) -> JSONResponse:
        return error_response(redis_unavailable(error), request.url.path)
