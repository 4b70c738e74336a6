"""What goes wrong round a battle: the network, the service, a model, a tab that sleeps."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import Tabs
from tests.page.pretended import pretend, send_event, snapshot
from tests.page.served_arena import ServedArena
from tests.page.steps import answer, ask, pane, until_ready, until_written, votes

LETTERS = re.compile(r"[\W\d_]+")


@pytest.mark.page
def test_a_verdict_that_did_not_arrive_is_sent_again_and_counts_once(tab: Page, arena: ServedArena) -> None:
    battle = ask(tab)
    until_ready(tab)
    keys: list[str | None] = []

    def lost(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) == 1:
            route.abort()
        else:
            route.continue_()

    tab.route("**/votes", lost)
    tab.get_by_role("button", name="Tie").click()
    expect(tab.locator(".round")).to_have_text("Round 2 of 2")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert votes(arena.call, battle) == ["tie"]


@pytest.mark.page
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_in_mid_answer_costs_nothing(tabs: Tabs, own_arena: ServedArena, how: signal.Signals) -> None:
    with tabs(own_arena.url) as page:
        battle = ask(page)
        until_written(page)
        before = LETTERS.sub("", answer(page, "a"))
        own_arena.stop_service(how)
        expect(page.get_by_text("Connection lost")).to_be_visible()
        assert LETTERS.sub("", answer(page, "a")).startswith(before[:20]), "what was there stays"
        own_arena.start_service()
        until_ready(page)
        expect(page.get_by_text("Connection lost")).to_be_hidden()
        sides = own_arena.call("GET", f"battles/{battle}")["sides"]
        for side in ("a", "b"):
            assert LETTERS.sub("", answer(page, side)) == LETTERS.sub("", sides[side]["text"])
        page.get_by_role("button", name="Tie").click()
        expect(page.locator(".round")).to_have_text("Round 2 of 2")


@pytest.mark.page
def test_a_side_that_fails_is_replaced_and_the_page_says_so(tabs: Tabs, own_arena: ServedArena) -> None:
    with tabs(own_arena.url) as page:
        own_arena.fault(mid_stream_error=8)
        battle = ask(page)
        page.wait_for_selector('.pane[data-state="failed"], .pane .note:not([hidden])')
        own_arena.fault()
        page.wait_for_function(
            "() => document.querySelector('.ranking') || document.querySelector('.verdicts[data-ready]')"
        )
        now = own_arena.call("GET", f"battles/{battle}")
        if now["status"] == "failed":
            expect(page.get_by_role("heading", name="could not be finished")).to_be_visible()
            page.get_by_role("button", name="Try again").click()
            page.wait_for_url(lambda url: battle not in url)
            until_ready(page)
        else:
            expect(page.locator(".note:visible")).to_contain_text("could not answer and left")


@pytest.mark.page
def test_without_network_the_page_says_so_and_resumes(tab: Page) -> None:
    battle = ask(tab)
    until_written(tab)
    tab.context.set_offline(True)
    tab.evaluate("window.dispatchEvent(new Event('online'))")  # an attempt while nothing is there
    expect(tab.get_by_text("Connection lost")).to_be_visible()
    tab.context.set_offline(False)  # the browser says "online", and the page tries at once
    until_ready(tab)
    expect(tab.get_by_text("Connection lost")).to_be_hidden()
    assert battle in tab.url


def test_a_tab_in_the_background_lets_its_stream_go(tab: Page) -> None:
    tab.clock.install()
    pretend(tab, snapshot(state="writing"))
    hide = (
        "h => { Object.defineProperty(document, 'hidden', { value: h, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    tab.evaluate(hide, True)
    tab.clock.fast_forward(29_000)
    assert tab.evaluate("pretend.sources.length") == 1
    tab.clock.fast_forward(2_000)
    assert tab.evaluate("pretend.sources.length") == 0
    tab.evaluate(hide, False)
    assert tab.evaluate("pretend.sources.map(s => s.url.split('after=')[1])") == ["k-100"]


def test_an_unknown_battle_and_an_unknown_page_lead_back(tab: Page) -> None:
    tab.goto("/battle/ffffffffffffffffffffffffffffffff")
    expect(tab.get_by_role("heading", name="There is no such battle")).to_be_visible()
    tab.get_by_role("link", name="New battle").click()
    expect(tab.get_by_label("Your question")).to_be_visible()
    tab.go_back()
    expect(tab.get_by_role("heading", name="There is no such battle")).to_be_visible()


@pytest.mark.page
def test_a_full_service_keeps_the_question_and_tries_again(tab: Page) -> None:
    tries: list[int] = []

    def full(route: Route) -> None:
        tries.append(1)
        if len(tries) == 1:
            body = json.dumps({"error": "the queue is full", "code": "queue_full"})
            headers = {"Retry-After": "1", "Content-Type": "application/json"}
            route.fulfill(status=503, headers=headers, body=body)
        else:
            route.continue_()

    tab.route("**/api/arena/battles", full)
    tab.goto("/")
    tab.get_by_label("Your question").fill("Still here?")
    tab.get_by_role("button", name="Start the battle").click()
    expect(tab.locator("#question-trouble")).to_contain_text("trying again in 1 s")
    assert tab.get_by_label("Your question").input_value() == "Still here?"
    tab.wait_for_url("**/battle/*")
    assert len(tries) == 2


@pytest.mark.page
def test_battles_of_this_browser_are_listed_exported_and_erased(tab: Page, arena: ServedArena, tmp_path: Path) -> None:
    battle = ask(tab, "Remember me?")
    until_ready(tab)
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Stop the battle").click()
    expect(tab.locator(".ranking > li")).to_have_count(3)
    tab.get_by_role("link", name="New battle").click()
    row = tab.locator(".battles li")
    expect(row).to_contain_text("Remember me?")
    expect(row).to_contain_text("stopped")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Export").click()
    download.value.save_as(tmp_path / "mine.json")
    kept = json.loads((tmp_path / "mine.json").read_text())
    assert [one["id"] for one in kept["battles"]] == [battle]
    assert kept["battles"][0]["battle"]["status"] == "stopped"
    running = ask(tab, "And I still run")
    tab.goto("/")
    tab.get_by_role("button", name="Erase all").click()
    tab.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(row).to_have_count(2)
    tab.route("**/battles/*", lambda route: route.abort() if route.request.method == "DELETE" else route.continue_())
    erase_all(tab)
    expect(tab.locator(".mine .said")).to_contain_text("2 battles were not erased")
    expect(row).to_have_count(2)
    tab.unroute("**/battles/*")
    erase_all(tab)
    expect(tab.locator(".mine .said")).to_have_text("Erased.")
    expect(row).to_have_count(0)
    for one in (battle, running):
        assert arena.call("GET", f"battles/{one}")["message"] == "", "the server has no word of it any more"
    tab.reload()
    expect(row).to_have_count(0)


def erase_all(tab: Page) -> None:
    tab.get_by_role("button", name="Erase all").click()
    tab.get_by_role("dialog").get_by_role("button", name="Erase").click()


def test_the_winner_is_held_on_stage_until_its_answer_comes_again(tab: Page) -> None:
    """A new round begins with empty sides; the answer of who stays must not vanish for that moment."""
    pretend(tab, snapshot("The winner's words.", "Other words."))
    aliases = {"a": "Model A", "b": "Model B"}
    send_event(tab, "vote", round=1, verdict="a", aliases=aliases)
    send_event(tab, "round", round=2, rounds_total=2, sides={"a": {"alias": "Model A"}, "b": {"alias": "Model C"}})
    expect(pane(tab, "b").locator("h2")).to_have_text("Model C")
    expect(pane(tab, "a").locator(".answer")).to_have_text("The winner's words.")
    send_event(tab, "delta", round=2, side="a", text="The winner's words.")
    send_event(tab, "answer", round=2, side="a", finish_reason="stop")
    expect(pane(tab, "a").locator(".answer")).to_have_text("The winner's words.")
