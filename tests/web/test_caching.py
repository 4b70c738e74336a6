"""What caches may keep of the arena: nothing but the board, for a few seconds."""

from __future__ import annotations

import pytest
from fastapi import Response
from httpx import ASGITransport, AsyncClient
from structlog.testing import capture_logs

from app.errors import Unavailable
from tests.services import app_with, services_with


class Board:
    """A board that is there, or not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def board(self, query: object) -> bytes:
        if self.error is not None:
            raise self.error
        return b"{}"


def client(boards: Board | None = None) -> AsyncClient:
    app = app_with(services_with(boards=boards))

    @app.get("/kept/app.0123.js")
    async def asset() -> Response:
        return Response("", headers={"Cache-Control": "public, max-age=31536000, immutable"})

    @app.get("/broken")
    async def broken() -> Response:
        raise ZeroDivisionError

    transport = ASGITransport(app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/session_info", 200),
        ("GET", "/ping", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs", 200),
        ("GET", "/nothing/here", 404),
        ("POST", "/healthz", 405),
        ("POST", "/api/arena/battles", 400),
    ],
)
async def test_nothing_is_kept_that_does_not_say_so(method: str, path: str, status: int) -> None:
    async with client() as http:
        reply = await http.request(method, path)
    assert reply.status_code == status
    assert reply.headers.get_list("cache-control") == ["no-store"]


async def test_an_unexpected_error_is_not_kept_and_has_the_id_of_its_log_line() -> None:
    with capture_logs():
        async with client() as http:
            reply = await http.get("/broken")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert reply.headers.get_list("cache-control") == ["no-store"]
    assert reply.headers["x-request-id"]


async def test_the_board_is_kept_for_seconds_but_not_its_errors() -> None:
    async with client(Board()) as http:
        assert (await http.get("/api/arena/leaderboard")).headers["cache-control"] == "public, max-age=5"
        refused = await http.get("/api/arena/leaderboard?ties=nonsense")
    async with client(Board(ConnectionError())) as http:
        broken = await http.get("/api/arena/leaderboard")
    async with client(Board(Unavailable("the database is away"))) as http:
        unavailable = await http.get("/api/arena/leaderboard")
    assert (unavailable.status_code, unavailable.headers["cache-control"]) == (503, "no-store")
    assert (refused.status_code, refused.headers["cache-control"]) == (400, "no-store")
    assert (broken.status_code, broken.headers["cache-control"]) == (500, "no-store")


async def test_what_a_response_says_of_itself_stands() -> None:
    async with client() as http:
        reply = await http.get("/kept/app.0123.js")
    assert reply.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
