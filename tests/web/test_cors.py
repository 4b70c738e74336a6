"""Pages of other origins: refused by default, let in by ARENA_CORS_ORIGINS, and never with anybody's cookies."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.errors import ConfigurationError
from app.settings.settings import load_settings
from app.tracing.spans import NO_TRACER
from app.web import application
from app.web.shared.services import uncounted

PAGE = "https://page.example"
ASKED = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}


def browser(origins: Sequence[str]) -> httpx.AsyncClient:
    """A client of an application without services, which fails unexpectedly when it needs them."""
    app = application.create(_nothing, cors_origins=origins)
    app.state.services = SimpleNamespace(tracer=NO_TRACER, refused=uncounted)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://arena")


def _nothing() -> Any:
    raise AssertionError("never opened")


async def test_no_other_origin_is_let_in_by_default() -> None:
    async with browser(()) as http:
        replies = [await http.get("/healthz", headers={"Origin": PAGE})]
        replies.append(await http.options("/api/arena/battles", headers=ASKED))
    assert [reply.status_code for reply in replies] == [200, 405]
    assert not [name for reply in replies for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origins", [(PAGE,), ("https://other.example", PAGE), ("*",)])
async def test_a_page_that_is_let_in_calls_with_the_headers_of_ours_and_without_cookies(origins: Sequence[str]) -> None:
    sent = "content-type, idempotency-key, last-event-id, x-battle-token, x-battle-tokens, x-session-id"
    async with browser(origins) as http:
        asked = await http.options("/api/arena/battles", headers=ASKED | {"Access-Control-Request-Headers": sent})
        reply = await http.get("/healthz", headers={"Origin": PAGE})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in (PAGE, "*")
    assert {"GET", "POST", "PUT", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in asked.headers
    assert reply.headers["access-control-allow-origin"] in (PAGE, "*")
    assert set(reply.headers["access-control-expose-headers"].split(", ")) == {
        "Location",
        "Retry-After",
        "X-Request-ID",
    }


async def test_refusals_and_the_unexpected_can_be_read_by_the_page() -> None:
    async with browser((PAGE,)) as http:
        replies = [
            await http.get("/nowhere", headers={"Origin": PAGE}),
            await http.post("/api/arena/battles", headers={"Origin": PAGE}, content=b"x"),
            await http.get("/readyz", headers={"Origin": PAGE}),
        ]
    assert [reply.status_code for reply in replies] == [404, 415, 500]
    assert {reply.headers.get("access-control-allow-origin") for reply in replies} == {PAGE}


async def test_a_page_that_is_not_let_in_is_told_by_which_setting_it_would_be() -> None:
    async with browser((PAGE,)) as http:
        asked = await http.options("/api/arena/battles", headers=ASKED | {"Origin": "https://evil.example"})
        reply = await http.get("/healthz", headers={"Origin": "https://evil.example"})
    assert (asked.status_code, asked.json()["code"]) == (400, "cors_refused")
    assert "ARENA_CORS_ORIGINS" in asked.json()["error"]
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in reply.headers


async def test_the_admin_key_is_no_header_for_other_origins() -> None:
    async with browser((PAGE,)) as http:
        asked = await http.options(
            "/api/arena/hosts", headers=ASKED | {"Access-Control-Request-Headers": "x-admin-key"}
        )
    assert asked.status_code == 400


def test_origins_are_taken_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_CORS_ORIGINS", "https://Page.example, http://localhost:3000,http://[::1]:8080")
    assert load_settings().arena_cors_origins == ("https://page.example", "http://localhost:3000", "http://[::1]:8080")


@pytest.mark.parametrize(
    "origin", ["page.example", "https://page.example/", "https://page.example/app", "null", "ftp://x"]
)
def test_what_is_no_origin_is_refused_with_how_to_write_it(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("ARENA_CORS_ORIGINS", origin)
    with pytest.raises(ConfigurationError, match=r"ARENA_CORS_ORIGINS.*https://example\.org"):
        load_settings()
