"""/docs: the whole API on one page that loads nothing but its own style, and runs no script."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from app.web import application
from app.web.reference.page import reference
from tests.documented import document

DOCUMENT = document()
VOID = {"meta", "link"}


class Page(HTMLParser):
    """What a page has: elements, attributes, ids and links; fails where an element is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(reference(DOCUMENT))


def test_it_runs_no_script_and_loads_its_own_style_only(page: Page) -> None:
    assert not page.elements & {"script", "style", "img", "iframe", "object", "form", "base", "svg"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("style", "src")]
    links = [link for link in page.named("href") if not link.startswith("#")]
    assert set(links) == {"/docs/reference.css", "/openapi.json"}


def test_every_link_has_its_target(page: Page) -> None:
    ids = page.named("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in page.named("href") if link.startswith("#")} <= set(ids)


def test_every_call_and_every_schema_is_there(page: Page) -> None:
    ids = set(page.named("id"))
    operations = [one for verbs in DOCUMENT["paths"].values() for one in verbs.values()]
    assert {one["operationId"] for one in operations} <= ids
    assert {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]} <= ids


def test_a_call_is_shown_with_its_token_its_body_and_its_answers(page: Page) -> None:
    assert (
        "curl -X POST http://localhost:8000/api/arena/battles/BATTLE_ID/votes -H 'X-Battle-Token: TOKEN'" in page.text
    )
    assert '\'{"round": 1, "verdict": "tie"}\'' in page.text
    assert "already_judged" in page.text


def test_what_stands_in_the_document_is_text_and_never_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> `<script>` & \"'"
    shown = {"schema": {"enum": [hostile]}, "example": hostile}
    operation: dict[str, Any] = {
        "tags": ["<b>"],
        "description": hostile,
        "operationId": 'x" onclick="y',
        "parameters": [{"name": hostile, "in": "query", "schema": {"type": "string"}, "description": hostile}],
        "responses": {"200": {"description": hostile, "content": {hostile: shown}}},
    }
    schemas = {"S": {"description": hostile, "properties": {hostile: {"const": hostile, "description": hostile}}}}
    specification = {"info": {"title": hostile, "version": "1"}, "paths": {"/<p>": {"get": operation}}}
    page = Page(reference({**specification, "components": {"schemas": schemas}}))
    assert not page.elements & {"script", "img", "b>"}
    assert "onclick" not in [name for name, _ in page.attributes]
    assert "<img src=x onerror=alert(1)>" in page.text


@pytest.fixture
async def http() -> Any:
    app = application.create(_nothing)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://arena") as client:
        yield client


def _nothing() -> Any:
    raise AssertionError("never opened")


@pytest.mark.parametrize(("path", "kind"), [("/docs", "text/html"), ("/docs/reference.css", "text/css")])
async def test_it_is_served_with_a_policy_that_allows_its_style_alone(
    http: httpx.AsyncClient, path: str, kind: str
) -> None:
    reply = await http.get(path)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == f"{kind}; charset=utf-8"
    policy = reply.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "style-src 'self'"} <= set(policy)
    assert not any(word in reply.headers["content-security-policy"] for word in ("unsafe", "script-src", "http"))


async def test_the_frameworks_pages_are_gone(http: httpx.AsyncClient) -> None:
    assert (await http.get("/redoc")).status_code == 404
    assert "cdn" not in (await http.get("/docs")).text
    assert (await http.get("/openapi.json")).json() == DOCUMENT
