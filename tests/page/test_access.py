"""For everybody: axe on every view, and what a screen reader hears of a battle."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import AXE, Tabs
from tests.page.pretended import pretend, send_event, snapshot
from tests.page.served_arena import ServedArena
from tests.page.steps import ask, until_ready

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RICH = """# Title

Text with `code` and [a link](https://example.org).

- [ ] todo
- done

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1  # comment
```

> quote

$$x^2$$
"""
VIEWS = ("/", "/leaderboard", "/hosts")
TIMING = {"ttft_s": 0.3, "tokens_per_s": 50.0, "cold": True}
LINE = {"place": 1, "alias": "Model A", "model": "llama3.1:8b", "host": "gpu", "timing": TIMING, "fallback": False}
REVEAL = {
    "champion": "llama3.1:8b",
    "ranking": [
        LINE | {"failed": False},
        LINE | {"place": 2, "alias": "Model B", "failed": False},
        LINE | {"place": None, "alias": "Model C", "failed": True, "timing": None},
    ],
}
VOTE = {"round": 1, "verdict": "a", "aliases": {"a": "Model A", "b": "Model B"}}
#: What a battle looks like in its states.
STATES: dict[str, dict[str, Any]] = {
    "waiting": snapshot(state="queued"),
    "writing": snapshot("Some text", "Some **more**", state="writing"),
    "ready": snapshot(RICH, RICH),
    "ended": snapshot(RICH, RICH, status="finished", can_vote=False, votes=[VOTE], reveal=REVEAL),
}


def violations(page: Page) -> list[str]:
    """What axe finds."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("tags => axe.run({ runOnly: tags })", TAGS)
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


def examine(tabs: Tabs, arena: ServedArena, **options: Any) -> None:
    """Every view and every state of a battle, in one tab each."""
    with tabs(arena.url, reduced_motion="reduce", **options) as page:
        for path in VIEWS:
            page.goto(path)
            page.wait_for_selector("h1")
            page.wait_for_load_state("networkidle")
            assert violations(page) == [], path
        page.get_by_role("button", name="Preferences").click()
        assert violations(page) == [], "preferences"
    for name, body in STATES.items():
        with tabs(arena.url, reduced_motion="reduce", **options) as page:
            pretend(page, body)
            page.wait_for_load_state("networkidle")
            assert violations(page) == [], name


@pytest.mark.page
def test_axe_finds_nothing_in_any_view_in_light_colours(tabs: Tabs, arena: ServedArena) -> None:
    examine(tabs, arena, color_scheme="light")


@pytest.mark.page
@pytest.mark.parametrize("width", [320, 640])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_width_in_any_colours(tabs: Tabs, arena: ServedArena, scheme: Any, width: int) -> None:
    examine(tabs, arena, color_scheme=scheme, viewport={"width": width, "height": 800})


@pytest.mark.page
def test_axe_finds_nothing_in_dark_colours(tabs: Tabs, arena: ServedArena) -> None:
    examine(tabs, arena, color_scheme="dark")


#: Keeps what the status region said.
LISTEN = """() => {
  window.heard = [];
  const status = document.querySelector('#announcer [role=status]');
  const heed = () => heard.push(status.textContent);
  new MutationObserver(heed).observe(status, { childList: true, characterData: true, subtree: true });
}"""


@pytest.mark.page
def test_a_screen_reader_hears_who_speaks_and_what_to_do_and_no_tokens(tab: Page) -> None:
    pretend(tab, snapshot(state="queued"))
    tab.evaluate(LISTEN)
    for side in ("a", "b"):
        send_event(tab, "status", round=1, side=side, state="writing")
        tab.wait_for_timeout(1100)
    tab.evaluate("pretend.flow({ a: 'word '.repeat(500), b: 'word '.repeat(500) }, 1500)")
    for side in ("a", "b"):
        send_event(tab, "answer", round=1, side=side, finish_reason="stop")
        tab.wait_for_timeout(1100)
    send_event(tab, "ready", round=1)
    tab.wait_for_timeout(1100)
    heard = tab.evaluate("heard")
    assert heard == [
        "Model A is writing.",
        "Model B is writing.",
        "Model A is complete, 500 words.",
        "Model B is complete, 500 words.",
        "Both answers are complete. Vote.",
    ]
    live = tab.evaluate(
        "[...document.querySelectorAll('[aria-live], [role=log], [role=status], [role=alert]')]"
        ".filter(one => one.closest('.pane')).length"
    )
    assert live == 0, "the answers are no live regions"


@pytest.mark.page
def test_the_accessibility_tree_of_a_battle(tab: Page, arena: ServedArena) -> None:
    ask(tab, "What is a prime number?")
    until_ready(tab)
    tree = tab.locator("main").aria_snapshot()
    expected = [
        r'heading "What is a prime number\?" \[level=1\]',
        r'region "Rounds"',
        r'region "Model A, left answer"|region "Model A"',
        r'heading "Model A" \[level=2\]',
        r'heading "Model B" \[level=2\]',
        r'group "Which answer is better\?"',
        r'button "Model A is better"',
        r'button "Tie"',
        r'button "Both are bad"',
        r'button "Model B is better"',
        r'button "Stop"',
    ]
    places = [re.search(one, tree) for one in expected]
    assert all(places), tree
    order = [found.start() for found in places if found]
    assert order == sorted(order), tree


@pytest.mark.page
def test_motion_and_colours_follow_the_system_and_the_preferences(tabs: Tabs, arena: ServedArena) -> None:
    with tabs(arena.url, color_scheme="dark", reduced_motion="reduce", locale="de-DE") as page:
        page.goto("/")
        expect(page.locator("html")).to_have_attribute("lang", "de")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Einstellungen").click()
        page.get_by_label("Farben").select_option("light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        page.get_by_label("Sprache").select_option("en")
        expect(page.get_by_role("heading", level=1)).to_have_text("Which model answers better?")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        pretend(page, snapshot("half", "half", state="writing"))
        assert page.locator("#pane-a .answer").inner_text() == "", "with reduced motion, answers show when complete"
        expect(page.locator("#pane-a .state")).to_contain_text("1 word")
        send_event(page, "answer", round=1, side="a", finish_reason="stop")
        expect(page.locator("#pane-a .answer")).to_have_text("half")


@pytest.mark.page
def test_keys_can_be_switched_off(tab: Page) -> None:
    sent: list[str] = []
    pretend(tab, snapshot("x", "y"))
    tab.on("request", lambda request: sent.append(request.url) if request.url.endswith("/votes") else None)
    tab.get_by_role("button", name="Preferences").click()
    tab.get_by_label(re.compile("Keys for verdicts")).uncheck()
    tab.get_by_role("button", name="Close").click()
    tab.keyboard.press("1")
    tab.keyboard.press("a")
    tab.wait_for_timeout(200)
    assert sent == []
