"""A browser and an arena for each test process, and tabs that fail on any complaint of the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.page.chromium import HELP, chromium
from tests.page.served_arena import ServedArena

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 30_000
AXE = Path(__file__).parents[2] / "page" / "node_modules" / "axe-core" / "axe.min.js"

#: A violation of the policy is an error also where Chromium only notes it.
WATCH_POLICY = """
addEventListener("securitypolicyviolation", event =>
  console.error("policy: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample));
"""

Tabs = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. It ends with its module: while Playwright's loop runs, no test can have one of its own."""
    path = chromium()
    assert path is not None, HELP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedArena]:
    """An arena with nothing wrong."""
    arena = ServedArena(tmp_path_factory.mktemp("arena"))
    yield arena
    arena.close()


@pytest.fixture
def own_arena(tmp_path: Path) -> Iterator[ServedArena]:
    """An arena of the test's own, to be broken."""
    arena = ServedArena(tmp_path)
    yield arena
    arena.close()


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page and what the browser complained about; a refused call is told by the page itself."""
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.add_init_script(WATCH_POLICY)

    def on_console(message: Any) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


@pytest.fixture
def tabs(browser: Browser) -> Tabs:
    """Open a tab in a profile of its own; the test fails if the browser complains of anything in it."""

    @contextmanager
    def tab(base: str, **options: Any) -> Iterator[Page]:
        context = browser.new_context(base_url=base, **({"viewport": {"width": 1280, "height": 860}} | options))
        page, complaints = watched(context)
        try:
            yield page
            assert complaints == []
        finally:
            context.close()

    return tab


@pytest.fixture
def tab(tabs: Tabs, arena: ServedArena) -> Iterator[Page]:
    """A tab on the arena of this process."""
    with tabs(arena.url) as page:
        yield page
