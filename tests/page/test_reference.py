"""The API's reference in a browser: styled under its strict policy, readable by everybody, on any width."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page.conftest import Tabs
from tests.page.served_arena import ServedArena
from tests.page.test_access import violations


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
@pytest.mark.page
def test_the_reference_is_styled_and_axe_finds_nothing(tabs: Tabs, arena: ServedArena, scheme: Any, width: int) -> None:
    with tabs(arena.url, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto("/docs")
        assert page.evaluate("getComputedStyle(document.body).display") == ("grid" if width > 800 else "block")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
        assert violations(page) == []
        page.get_by_role("link", name="OpenedBattle").first.click()
        assert page.url.endswith("#schema-OpenedBattle")
        assert {url.removeprefix(arena.url) for url in asked} <= {"/docs", "/docs/reference.css", "/favicon.ico"}
