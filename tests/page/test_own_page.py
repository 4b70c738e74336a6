"""The lines of docs/frontend.md and of the README that a page needs: they play battles and survive what breaks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.page.pretended import BATTLE, SOURCE, send_event, side, snapshot
from tests.page.served_arena import MODELS, ServedArena

ROOT = Path(__file__).parents[2]


def lines_of(document: str, language: str) -> str:
    """The first lines of a language in a document."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


OURS = lines_of("docs/frontend.md", "html")
#: What the README leaves to the page: it shows texts as they are, and notes what can be judged and who it was.
README = f"""<!doctype html><meta charset="utf-8"><p id="a"></p><p id="b"></p><script type="module">
window.shown = [];
const show = (side, text) => {{ shown.push([side, text]); document.getElementById(side).textContent = text; }};
const ask = round => window.round = round, reveal = names => window.names = names;
{lines_of("README.md", "js")}
window.vote = vote;
</script>"""


def open_page(page: Page, html: str) -> None:
    """Open ``html`` as a page of the arena's own origin."""
    page.route("**/own.html", lambda route: route.fulfill(content_type="text/html", body=html))
    page.goto("/own.html")


def no_other_stream_at_first(page: Page) -> list[str]:
    """Refuse the first stream; the streams that were asked for."""
    asked: list[str] = []

    def refused(route: Route, request: Request) -> None:
        asked.append(request.url)
        if len(asked) == 1:
            route.fulfill(status=503, json={"error": "try again", "code": "away"})
        else:
            route.continue_()

    page.route("**/events?*", refused)
    return asked


@pytest.mark.page
def test_the_lines_in_the_document_play_a_battle_over_a_stream_that_was_refused(tab: Page) -> None:
    assert len(OURS.splitlines()) <= 30
    asked = no_other_stream_at_first(tab)
    open_page(tab, OURS)
    tab.get_by_placeholder("Ask anything").fill("What is a prime number?")
    tab.get_by_role("button", name="Ask").click()
    for number in (1, 2):
        expect(tab.locator("#state")).to_have_text(f"Round {number} of 2")
        expect(tab.locator("#vote")).to_be_visible(timeout=30_000)
        assert len(tab.locator("#a").inner_text()) > 40
        tab.get_by_role("button", name="Tie").click()
    for model in MODELS:
        expect(tab.locator("#state")).to_contain_text(model)
    assert len(asked) == 2


@pytest.mark.page
def test_the_lines_of_the_readme_play_a_battle_over_a_stream_that_was_refused(tab: Page, arena: ServedArena) -> None:
    asked = no_other_stream_at_first(tab)
    with tab.expect_response("**/api/arena/battles") as opened:
        open_page(tab, README)
    battle = opened.value.json()["battle_id"]
    for number in (1, 2):
        tab.wait_for_function("number => window.round === number", arg=number)
        sides = arena.call("GET", f"battles/{battle}")["sides"]
        shown = {one: tab.locator(f"#{one}").text_content() for one in ("a", "b")}
        assert shown == {one: sides[one]["text"] for one in ("a", "b")}, "nothing is missing, nothing is there twice"
        wrong = tab.evaluate("vote(99, 'a').catch(error => error.message)")
        assert "round" in wrong, "a refusal is the sentence of the service"
        tab.evaluate("number => vote(number, 'a')", number)
    tab.wait_for_function("() => window.names?.ranking.length === 3")
    assert len(asked) == 2


#: A stream as a browser has it: it knows its state, and says nothing once it is closed.
BREAKABLE = """
EventSource.CLOSED = 2;
pretend.opened = [];
window.EventSource = class extends EventSource {
  constructor(url) { super(url); pretend.opened.push(url); }
  get readyState() { return pretend.sources.includes(this) ? 1 : 2; }
};
pretend.break = () => { const [source] = pretend.sources; source.close(); source.onerror({ target: source }); };
"""


def pretended(page: Page, html: str) -> None:
    """Open ``html``; the battle that it opens and its stream are the test's."""
    page.add_init_script(SOURCE + BREAKABLE)
    body = json.dumps(snapshot(state="writing"))
    page.route("**/api/arena/battles", lambda route: route.fulfill(content_type="application/json", body=body))
    open_page(page, html)


def shows(page: Page, left: str, right: str) -> None:
    """Wait until both texts stand there, and nothing twice."""
    for name, text in (("a", left), ("b", right)):
        expect(page.locator(f"#{name}")).to_have_text(re.compile(rf"^(Model \w \(\w+\)\s+)?{text}$"))


@pytest.mark.page
@pytest.mark.parametrize("html", [OURS, README], ids=["document", "readme"])
def test_the_lines_follow_what_can_happen_to_a_battle_and_show_nothing_twice(tab: Page, html: str) -> None:
    pretended(tab, html)
    if html == OURS:
        tab.get_by_placeholder("Ask anything").fill("?")
        tab.get_by_role("button", name="Ask").click()
    tab.wait_for_function("() => pretend.sources.length === 1")
    send_event(tab, "delta", round=1, side="a", text="half an ans")
    send_event(tab, "delta", round=1, side="b", text="right")
    send_event(tab, "reset", round=1, side="a")
    send_event(tab, "delta", round=1, side="a", text="left")
    shows(tab, "left", "right")
    tab.evaluate("pretend.break()")
    tab.wait_for_function("() => pretend.opened.length === 2")
    assert tab.evaluate("pretend.opened.map(url => url.split('after=')[1])") == ["k-100", "k-104"]
    send_event(tab, "delta", round=1, side="a", text=" on")
    shows(tab, "left on", "right")
    for name in ("a", "b"):
        send_event(tab, "answer", round=1, side=name, finish_reason="stop")
    send_event(tab, "ready", round=1)
    send_event(tab, "vote", round=1, verdict="b", aliases={"a": "Model A", "b": "Model B"})
    send_event(tab, "round", round=2, rounds_total=2, sides={"a": {"alias": "Model C"}, "b": {"alias": "Model B"}})
    shows(tab, "", "")
    send_event(tab, "delta", round=2, side="b", text="right")
    shows(tab, "", "right")
    again: dict[str, Any] = {"a": side("Model C", "writing", "new"), "b": side("Model B", "done", "right")}
    send_event(tab, "snapshot", **(snapshot() | {"round": 2, "sides": again, "can_vote": False, "battle_id": BATTLE}))
    send_event(tab, "delta", round=2, side="a", text="er")
    shows(tab, "newer", "right")


def test_what_a_refused_call_says_is_shown(tab: Page) -> None:
    refusal = {"error": "message has 40,000 characters; at most 32,000 are taken", "code": "message_too_large"}
    tab.route("**/api/arena/battles", lambda route: route.fulfill(status=413, json=refusal))
    open_page(tab, OURS + "<script>addEventListener('unhandledrejection', e => e.preventDefault())</script>")
    tab.get_by_placeholder("Ask anything").fill("?")
    tab.get_by_role("button", name="Ask").click()
    expect(tab.locator("#state")).to_have_text(refusal["error"])
