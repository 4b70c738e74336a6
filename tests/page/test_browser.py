"""Battles in a real browser against the real service: by mouse, by keys, over a reload, in two tabs, on a phone."""

from __future__ import annotations

import re
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import Tabs
from tests.page.pretended import pretend, snapshot
from tests.page.served_arena import MODELS, ServedArena
from tests.page.steps import answer, ask, pane, until_ready, until_written, votes
from tests.page.test_access import violations


def plain(text: str) -> str:
    """Letters only: numbers of lists, marks of Markdown and line ends are drawn, not written."""
    return re.sub(r"[\W\d_]+", "", text)


@pytest.mark.page
def test_a_whole_battle_with_the_mouse(tab: Page, arena: ServedArena) -> None:
    battle = ask(tab)
    left = tab.get_by_role("button", name="Model A is better")
    expect(left).to_have_attribute("aria-disabled", "true")
    until_written(tab)
    until_ready(tab)
    kept = answer(tab, "b")
    tab.get_by_role("button", name="Model B is better").click()
    expect(pane(tab, "b").locator(".badge")).to_have_text("Stays")
    expect(pane(tab, "a").locator("h2")).to_have_text("Model C")
    assert answer(tab, "b") == kept, "the winner stays where it was"
    expect(tab.locator(".ladder li").first).to_contain_text("Model B beat Model A")
    tab.get_by_role("button", name=re.compile("^Undo")).click()
    expect(pane(tab, "a").locator("h2")).to_have_text("Model A")
    until_ready(tab)
    tab.get_by_role("button", name="Model A is better").click()
    expect(pane(tab, "b").locator("h2")).to_have_text("Model C")
    until_ready(tab)
    tab.get_by_role("button", name="Tie").click()
    lines = tab.locator(".ranking > li")
    expect(lines).to_have_count(3)
    assert votes(arena.call, battle) == ["a", "tie"]
    shown = [line.locator("strong").inner_text() for line in lines.all()]
    ranking = arena.call("GET", f"battles/{battle}")["reveal"]["ranking"]
    assert shown == [line["model"] for line in ranking]
    assert sorted(shown) == sorted(MODELS)
    expect(lines.first).to_contain_text("tokens/s")
    expect(lines.first).to_contain_text(re.compile("was in memory|had to be loaded"))
    expect(tab.locator(".verdicts")).to_be_hidden()
    expect(tab.locator(".effect .moves li")).to_have_count(3)  # after the next fit, and from it
    expect(tab.locator(".effect")).not_to_contain_text("next refit")


@pytest.mark.page
def test_reasons_and_a_comment_by_keys_after_a_verdict_and_the_next_round_goes_on(
    tab: Page, arena: ServedArena
) -> None:
    ask(tab)
    until_ready(tab)
    why = tab.get_by_role("button", name="Why? (optional) Model A beat Model B")
    expect(why).to_be_hidden()
    tab.keyboard.press("1")
    expect(tab.locator(".round")).to_have_text("Round 2 of 2")
    why.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#why-panel-1:not([inert])")).to_be_visible()  # until it is read what was said before
    left, right = tab.get_by_role("group", name="Model A"), tab.get_by_role("group", name="Model B")
    left.get_by_role("button", name="Clear").focus()
    expect(left.get_by_role("button", name="Clear")).to_be_focused()
    tab.keyboard.press("Space")
    right.get_by_role("button", name="Superficial").click()
    tab.get_by_label("Comment").focus()
    tab.keyboard.type("The left one has 2 examples.")
    expect(tab.locator(".why .said")).to_have_text("Saved")
    expect(tab.locator(".round")).to_have_text("Round 2 of 2")
    assert violations(tab) == []
    kept = {"a": ["clear"], "b": ["superficial"]}
    said = {"round": 1, "verdict": "a", "reasons": kept, "comment": "The left one has 2 examples."}
    until_kept(tab, 1, said)  # "Saved" may still be that of the reasons, while the comment is on its way
    until_ready(tab)
    tab.reload()
    why.click()
    expect(left.get_by_role("button", name="Clear")).to_have_attribute("aria-pressed", "true")
    expect(tab.get_by_label("Comment")).to_have_value("The left one has 2 examples.")
    until_ready(tab)
    tab.get_by_label("Comment").fill("Half a thought")  # and the next verdict comes before it is saved
    tab.get_by_role("button", name="Tie").click()
    expect(tab.locator(".ranking > li")).to_have_count(3)
    expect(tab.get_by_label("Comment").and_(tab.locator(":visible"))).to_have_value("Half a thought")
    until_kept(tab, 1, said | {"comment": "Half a thought"})
    tab.get_by_role("button", name="Why? (optional) Model A and Model C: a tie").click()
    tab.get_by_role("group", name="Model C").get_by_role("button", name="Creative").click()
    expect(tab.locator(".of-round").first.locator(".said")).to_have_text("Saved")
    assert feedback(tab, 2)["reasons"] == {"a": [], "b": ["creative"]}
    assert feedback(tab, 1)["comment"] == "Half a thought"


def until_kept(page: Page, round_number: int, said: dict[str, object]) -> None:
    """Wait until the service keeps what was ``said``."""
    deadline = monotonic() + 30
    while (kept := feedback(page, round_number)) != said:
        assert monotonic() < deadline, kept
        page.wait_for_timeout(100)


def feedback(page: Page, round_number: int) -> dict[str, object]:
    """What the service keeps of this tab's battle, asked with its cookie."""
    battle = page.url.rsplit("/", 1)[1]
    reply = page.request.get(f"/api/arena/battles/{battle}/votes/{round_number}/feedback")
    assert reply.ok, reply.text()
    feedback: dict[str, object] = reply.json()
    return feedback


def test_a_whole_battle_with_keys_only(tab: Page, arena: ServedArena) -> None:
    tab.goto("/")
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    for _ in range(12):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == "question":
            break
    tab.keyboard.type("What is a prime number?")
    tab.keyboard.press("Enter")
    tab.wait_for_url(re.compile("/battle/"))
    battle = tab.url.rsplit("/", 1)[1]
    expect(tab.get_by_role("heading", level=1)).to_be_focused()
    tab.keyboard.press("1")
    assert votes(arena.call, battle) == [], "before both are complete a key does nothing"
    until_ready(tab)
    tab.keyboard.press("4")
    expect(tab.locator(".round")).to_have_text("Round 2 of 2")
    until_ready(tab)
    tab.keyboard.press("n")
    expect(tab.locator(".ranking > li")).to_have_count(3)
    assert votes(arena.call, battle) == ["b", "both_bad"]
    expect(tab.get_by_role("heading", name="The names")).to_be_focused()


def test_a_reload_in_mid_answer_goes_on_at_the_right_character(tab: Page, arena: ServedArena) -> None:
    battle = ask(tab)
    until_written(tab)
    attached: list[str] = []
    tab.on("request", lambda request: attached.append(request.url) if "/events" in request.url else None)
    tab.reload()
    until_written(tab, 1)
    until_ready(tab)
    sides = arena.call("GET", f"battles/{battle}")["sides"]
    for side in ("a", "b"):
        assert plain(answer(tab, side)) == plain(sides[side]["text"])
    (one,) = attached
    assert parse_qs(urlsplit(one).query)["after"][0].count("-") == 1


@pytest.mark.page
def test_two_tabs_show_the_same_and_one_verdict_counts(tab: Page, arena: ServedArena) -> None:
    battle = ask(tab)
    other = tab.context.new_page()
    other.goto(f"/battle/{battle}")
    for page in (tab, other):
        until_ready(page)

    # While this tab's verdict is on its way, the other one judges.
    def first_the_other_one(route: Route) -> None:
        tab.get_by_role("button", name="Tie").click()
        route.continue_()

    other.route("**/votes", first_the_other_one)
    other.get_by_role("button", name="Model B is better").click()
    expect(other.locator(".round")).to_have_text("Round 2 of 2")
    expect(tab.locator(".round")).to_have_text("Round 2 of 2")
    assert len(votes(arena.call, battle)) == 1
    assert answer(tab, "a") == answer(other, "a")


@pytest.mark.page
def test_somebody_else_can_watch_but_not_judge(tab: Page, tabs: Tabs, arena: ServedArena) -> None:
    battle = ask(tab)
    until_ready(tab)
    with tabs(arena.url) as other:
        other.goto(f"/battle/{battle}")
        expect(pane(other, "a").locator(".answer")).not_to_be_empty()
        expect(other.locator(".reason")).to_contain_text("somebody else")
        expect(other.get_by_role("button", name="Stop")).to_be_hidden()
        other.keyboard.press("1")
        assert votes(arena.call, battle) == []
        tab.get_by_role("button", name="Stop").click()
        tab.get_by_role("button", name="Stop the battle").click()
        for page in (tab, other):
            expect(page.locator(".ranking > li")).to_have_count(3)
        other.reload()
        expect(other.locator(".ranking > li")).to_have_count(3)


@pytest.mark.page
def test_on_a_phone_nothing_is_wider_than_the_screen(tabs: Tabs, arena: ServedArena) -> None:
    small = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
    with tabs(arena.url, **small) as phone:
        for path in ("/", "/leaderboard", "/hosts"):
            phone.goto(path)
            phone.wait_for_selector("h1")
            assert phone.evaluate("document.documentElement.scrollWidth") <= 320, path
        battle = ask(phone, "Averyveryverylongwordthatnobodywouldbreakbyhimself?")
        until_ready(phone)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 320
        phone.get_by_role("button", name="Model A is better").tap()
        expect(phone.locator(".reason")).to_contain_text("have not looked at Model B")
        assert votes(arena.call, battle) == [], "nobody judges an answer unseen"
        phone.locator(".switch .side-b").tap()
        expect(pane(phone, "b").locator("h2")).to_be_in_viewport()
        phone.get_by_role("button", name="Model A is better").tap()
        expect(phone.locator(".round")).to_have_text("Round 2 of 2")
        sizes = phone.evaluate(
            "[...document.querySelectorAll('.verdict, .switch button')].map(b => b.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 44


def swipe(page: Page, from_x: int, to_x: int) -> None:
    """Draw one finger sideways over the middle of the screen."""
    cdp = page.context.new_cdp_session(page)
    for kind, x in (("touchStart", from_x), ("touchMove", (from_x + to_x) // 2), ("touchMove", to_x)):
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 300}]})
    cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.page
def test_a_swipe_leads_to_the_other_answer_and_back_to_where_it_was_left(tabs: Tabs, arena: ServedArena) -> None:
    with tabs(arena.url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as phone:
        pretend(phone, snapshot("A long answer.\n\n" * 60, "Another one.\n\n" * 60))
        expect(pane(phone, "b").locator("p").last).to_have_text("Another one.")
        phone.evaluate("scrollTo(0, 900)")
        left = phone.evaluate("scrollY")
        swipe(phone, 330, 60)
        expect(pane(phone, "b").locator("h2")).to_be_in_viewport()
        swipe(phone, 60, 330)
        phone.wait_for_function("left => Math.abs(scrollY - left) < 4", arg=left)


@pytest.mark.page
def test_models_are_chosen_by_name_and_get_the_instructions(tab: Page, arena: ServedArena) -> None:
    tab.goto("/")
    tab.get_by_text("Models and instructions").click()
    tab.get_by_label("Choose the models").check()
    expect(tab.get_by_text("count on the leaderboard")).to_be_visible()
    tab.get_by_label("mistral:7b").check()
    tab.get_by_label("Your question").fill("Who are you?")
    tab.get_by_role("button", name="Start the battle").click()
    expect(tab.locator("#question-trouble")).to_have_text("Choose at least two models.")
    tab.get_by_label("qwen3:8b").check()
    tab.get_by_label("Instructions for the models").fill("Answer in two sentences.")
    with tab.expect_request(lambda request: request.method == "POST" and request.url.endswith("/battles")) as opened:
        tab.get_by_role("button", name="Start the battle").click()
    asked = {"message": "Who are you?", "models": ["mistral:7b", "qwen3:8b"], "system": "Answer in two sentences."}
    assert opened.value.post_data_json == asked
    until_ready(tab)
    expect(tab.locator(".round")).to_have_text("Round 1 of 1")
    tab.get_by_role("button", name="Tie").click()
    expect(tab.locator(".ranking > li")).to_have_count(2)
