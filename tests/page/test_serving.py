"""How browsers get the page: headers, caching, encodings, and what is said where there is no page."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from app.settings.settings import Settings
from app.web import application
from app.web.page import routes
from app.web.page.built_files import read_built
from app.web.shared.services import Services


@asynccontextmanager
async def client_of(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application with nothing behind it but settings: the page needs no more."""
    refused: list[tuple[str, int, str]] = []
    services = cast(
        Services,
        SimpleNamespace(
            settings=Settings(**{"_env_file": None, **settings}), refused=lambda *refusal: refused.append(refusal)
        ),
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        yield services

    app = application.create(opened)
    app.state.services = services
    async with AsyncExitStack() as stack:
        transport = httpx.ASGITransport(app)
        yield await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://arena"))


async def get(path: str, headers: dict[str, str] | None = None, **settings: Any) -> httpx.Response:
    async with client_of(**settings) as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/", "/leaderboard", "/hosts", "/battle/0123abcd"])
async def test_every_view_is_the_same_html_under_a_strict_policy(path: str) -> None:
    response = await get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.text == (await get("/")).text


async def test_the_html_is_asked_for_again_and_costs_nothing_when_it_is_the_same() -> None:
    first = await get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await get("/battle/0123abcd", {"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == routes.POLICY
    changed = await get("/", {"If-None-Match": first.headers["etag"]}, arena_notice="Other words")
    assert changed.status_code == 200


async def test_all_that_the_html_loads_is_there_from_here_and_immutable() -> None:
    html = (await get("/")).text
    names = re.findall(r'(?:src|href)="([^"]+)"', html)
    loaded = [name for name in names if name != "/openapi.json"]
    assert len(loaded) >= 3
    for name in loaded:
        assert name.startswith("/assets/"), "nothing comes from another origin"
        response = await get(name)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip;q=1.0", "gzip"), ("br;q=0, gzip", "gzip"), ("br;q=0.0", None), ("", None)],
)
async def test_an_asset_comes_in_the_smallest_form_that_is_taken(accepted: str, encoding: str | None) -> None:
    page = read_built()
    assert page is not None
    name = next(one for one in page.assets if one.startswith("main-"))
    async with (
        client_of() as client,
        client.stream("GET", f"/assets/{name}", headers={"Accept-Encoding": accepted}) as got,
    ):
        raw = b"".join([part async for part in got.aiter_raw()])
    assert got.headers.get("content-encoding") == encoding
    assert got.headers["vary"] == "Accept-Encoding"
    if encoding == "gzip":
        raw = gzip.decompress(raw)
    if encoding != "br":
        assert raw == page.assets[name].plain
    else:
        assert len(raw) < len(page.assets[name].plain) / 2


async def test_an_unknown_asset_is_never_html() -> None:
    for path in ("/assets/main-GONE.js", "/assets/..%2Findex.html", "/assets/manifest.json"):
        response = await get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/json")


async def test_what_the_service_says_of_itself_stands_in_the_html_and_can_not_end_its_element() -> None:
    notice = 'Kept for </script><script>alert("1")</script> science'
    html = (await get("/", arena_notice=notice, arena_retention="48h")).text
    found = re.search(r'<script type="application/json" id="about">(.*?)</script>', html)
    assert found is not None
    about = json.loads(found[1])
    assert (about["notice"], about["retention_days"]) == (notice, 2)
    assert about == (await get("/api/arena/about", arena_notice=notice, arena_retention="48h")).json()


async def test_without_a_built_page_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "built", lambda: None)
    response = await get("/")
    assert response.status_code == 404
    assert response.json()["code"] == "page_not_built"
    assert "make page" in response.json()["error"]


async def test_the_first_visit_weighs_little() -> None:
    """The budget is 120 KB before the first battle; mathematics and colours come when they are needed."""
    page = read_built()
    assert page is not None
    first = re.findall(r'(?:src|href)="/assets/([^"]+)"', page.html)
    assert sum(len(page.assets[name].encoded["gzip"]) for name in first) < 60_000
    battle = sum(len(a.encoded["gzip"]) for name, a in page.assets.items() if not name.startswith("licences"))
    assert battle < 220_000, "all of the page with everything that it may ever load"
