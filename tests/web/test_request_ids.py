"""Every request has an id that the answer and the log lines bear."""

from __future__ import annotations

import structlog
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.web.shared.request_ids import RequestIds


async def echo(_: Request) -> JSONResponse:
    return JSONResponse(structlog.contextvars.get_contextvars())


def client() -> AsyncClient:
    app = RequestIds(Starlette(routes=[Route("/", echo)]), new_id=lambda: "minted")
    return AsyncClient(transport=ASGITransport(app), base_url="http://test")


async def test_the_callers_id_is_kept_and_bound_for_the_log() -> None:
    async with client() as http:
        answer = await http.get("/", headers={"X-Request-ID": "abc-1.2"})
    assert answer.headers["X-Request-ID"] == "abc-1.2"
    assert answer.json()["request_id"] == "abc-1.2"


async def test_without_a_sane_id_one_is_minted() -> None:
    async with client() as http:
        for bad in ({}, {"X-Request-ID": "with space"}, {"X-Request-ID": "x" * 101}):
            answer = await http.get("/", headers=bad)
            assert answer.headers["X-Request-ID"] == "minted"
