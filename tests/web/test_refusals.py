from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from app.errors import NotFound
from app.store_errors import Trouble, database_lost
from app.web.shared import errors
from app.web.shared.refusals import Refusals
from app.web.shared.request_ids import RequestIds


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/{kind}")
    async def failing(kind: str) -> None:
        raise {
            "full": database_lost(Trouble("full", "database or disk is full")),
            "redis": ResponseError("OOM command not allowed"),
            "none": NotFound("there is no such battle"),
        }.get(kind) or ZeroDivisionError("what was asked")

    errors.install(app)
    app.add_middleware(Refusals)
    app.add_middleware(RequestIds)
    return app


async def asked(app: FastAPI, *paths: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://arena") as client:
        return [await client.get(path) for path in paths]


async def test_a_refused_call_has_a_line_with_the_reason_which_is_not_sent(app: FastAPI) -> None:
    with capture_logs() as logs:
        full, redis, none = await asked(app, "/full", "/redis", "/none")
    assert [reply.status_code for reply in (full, redis, none)] == [503, 503, 404]
    assert "disk" not in full.text
    assert "OOM" not in redis.text
    logged = [(line["log_level"], line["path"], line["code"], line.get("reason")) for line in logs]
    assert logged == [
        ("warning", "/full", "database_away", "database or disk is full"),
        ("warning", "/redis", "redis_away", "OOM command not allowed"),
        ("info", "/none", "not_found", None),
    ]


async def test_many_refusals_of_a_kind_are_a_few_lines(app: FastAPI) -> None:
    with capture_logs() as logs:
        await asked(app, *["/full"] * 50, "/none")
    assert [line["path"] for line in logs] == [*["/full"] * 10, "/none"]


async def test_what_nobody_expected_is_a_500_with_an_id_and_one_traceback(app: FastAPI) -> None:
    with capture_logs() as logs:
        first, second = await asked(app, "/bug", "/bug")
    assert (first.status_code, first.json()["code"]) == (500, "internal")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    logged = [(line["event"], line["exc_info"] is not None) for line in logs if line["event"] == "unexpected_error"]
    assert logged == [("unexpected_error", True), ("unexpected_error", False)]
    assert {line["event"] for line in logs} == {"unexpected_error"}
    assert "what was asked" not in str([{**line, "exc_info": None} for line in logs])
