"""What people do in a battle, and what the page says of it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

QUESTION = "Explain photosynthesis to a child."


def ask(page: Page, question: str = QUESTION) -> str:
    """Open a battle from the start; answers its id."""
    page.goto("/")
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Start the battle").click()
    page.wait_for_url(re.compile(r"/battle/\w+$"))
    return page.url.rsplit("/", 1)[1]


def pane(page: Page, side: str) -> Locator:
    """A side."""
    return page.locator(f"#pane-{side}")


def answer(page: Page, side: str) -> str:
    """The text that a side shows."""
    return pane(page, side).locator(".answer").inner_text()


def until_ready(page: Page) -> None:
    """Wait until a verdict can be given."""
    expect(page.locator(".verdicts[data-ready]")).to_be_visible(timeout=30_000)


def until_written(page: Page, characters: int = 30) -> None:
    """Wait until the left side shows some text but is not complete."""
    page.wait_for_function(
        "n => document.querySelector('#pane-a .answer')?.textContent.length > n", arg=characters, timeout=30_000
    )


def votes(house_call: Any, battle: str) -> list[str]:
    """The verdicts that the service has of a battle."""
    return [vote["verdict"] for vote in house_call("GET", f"battles/{battle}")["votes"]]
