"""The page of 30 lines in docs/frontend.md plays a battle."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.page.house import MODELS

DOCUMENT = Path(__file__).parents[2] / "docs" / "frontend.md"


def lines_of_the_document() -> str:
    found = re.search(r"```html\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_lines_in_the_document_play_a_battle(tab: Page) -> None:
    html = lines_of_the_document()
    assert len(html.splitlines()) <= 30
    tab.route("**/own.html", lambda route: route.fulfill(content_type="text/html", body=html))
    tab.goto("/own.html")
    tab.get_by_placeholder("Ask anything").fill("What is a prime number?")
    tab.get_by_role("button", name="Ask").click()
    for number in (1, 2):
        expect(tab.locator("#state")).to_have_text(f"Round {number} of 2")
        expect(tab.locator("#vote")).to_be_visible(timeout=30_000)
        assert len(tab.locator("#a").inner_text()) > 40
        tab.get_by_role("button", name="Tie").click()
    for model in MODELS:
        expect(tab.locator("#state")).to_contain_text(model)
