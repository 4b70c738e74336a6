"""The leaderboard in the browser: what nobody beat, who voted, who met whom, and boards that are not there yet."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from app.legible import visible
from tests.page.boards import BOARD, HERO, show_board
from tests.page.conftest import Tabs
from tests.page.pretended import pretend, snapshot
from tests.page.served_arena import ServedArena
from tests.page.test_access import REVEAL, VOTE, violations

ENDED: dict[str, Any] = {"status": "finished", "can_vote": False, "votes": [VOTE], "reveal": REVEAL}


def test_a_board_says_what_nobody_beat_who_voted_what_is_missing_and_what_is_doubtful(tab: Page) -> None:
    show_board(tab)
    lines = tab.locator(".quality tbody tr")
    expect(lines.nth(0)).to_contain_text("at least 1204")
    expect(lines.nth(0)).to_contain_text("never lost")
    expect(lines.nth(1)).to_contain_text("2\N{EN DASH}4")
    expect(lines.nth(1)).to_contain_text("1061 (1011 to 1110)")
    expect(lines.nth(4)).to_contain_text("at most 850")
    expect(lines.nth(5)).to_contain_text("ranked after 7 more votes at the latest")
    finding = tab.locator(".finding")
    expect(finding).to_contain_text(f"{HERO} is clearly better than llama3.1:8b.")
    expect(finding).to_contain_text("6 voters, 31% of the votes by one of them")
    expect(finding).to_contain_text("llama3.1:8b beats qwen3:8b, qwen3:8b beats mistral:7b, and mistral:7b beats llama")
    expect(finding).to_contain_text("Many pairs go another way than the ratings say")
    assert violations(tab) == []


def test_no_name_passes_for_another_or_turns_the_line_round(tab: Page) -> None:
    """Names of hosts' models may hold anything; the service's own form of them is `display_name`."""
    bad = {HERO: "evil\u202egpj.exe", "llama3.1:8b": "qwen3:8b\u200b", "phi3:mini": " \n "}

    def renamed(part: Any) -> Any:
        if isinstance(part, list):
            return [renamed(one) for one in part]
        if isinstance(part, dict):
            names = {"display_name": visible(renamed(part["model"]))} if "display_name" in part else {}
            return {key: renamed(one) for key, one in part.items()} | names
        return bad.get(part, part) if isinstance(part, str) else part

    speed = {"host": "gpu", "answers": 3, "tokens_per_s_p50": 50, "ttft_s_p50": 0.3, "ttft_s_p95": 0.9}
    show_board(tab, renamed(BOARD | {"speed": [speed | {"model": HERO}]}))
    expect(tab.locator(".quality tbody tr").nth(0)).to_contain_text("evil\\u202egpj.exe")
    expect(tab.locator(".quality tbody tr").nth(1)).to_contain_text("qwen3:8b\\u200b")
    expect(tab.locator(".quality tbody tr").nth(5)).to_contain_text('" \\n "')
    expect(tab.locator(".finding")).to_contain_text("evil\\u202egpj.exe is clearly better than qwen3:8b\\u200b.")
    assert counts(tab)[0][0] == "evil\\u202egpj.exe"
    shown = tab.locator("main").inner_text()
    tab.get_by_role("button", name="Speed").click()
    expect(tab.locator(".boards")).to_contain_text("evil\\u202egpj.exe")
    assert not {"\u202e", "\u200b"} & set(shown + tab.locator("main").inner_text())


def counts(page: Page) -> list[list[str]]:
    """Who, wins, ties and losses of each pair that is shown."""
    return [
        [row.locator("strong").inner_text(), *row.locator(".count:not(.roomy)").all_inner_texts()]
        for row in page.locator(".pairs tbody tr").all()
    ]


@pytest.mark.page
def test_the_pairs_of_one_model_are_told_as_it_saw_them(tab: Page) -> None:
    show_board(tab)
    assert len(counts(tab)) == 6
    assert counts(tab)[2] == ["llama3.1:8b", "12", "3", "22"]
    expect(tab.locator(".pairs tbody tr").nth(2)).to_contain_text("goes another way than the ratings say")
    tab.get_by_label("Pairs of").select_option("mistral:7b")
    assert counts(tab) == [["mistral:7b", *record] for record in (["22", "3", "12"], ["9", "5", "30"], ["9", "0", "0"])]
    tab.get_by_role("button", name="Votes").click()
    expect(tab.get_by_role("button", name="Votes")).to_be_focused()
    expect(tab.get_by_label("Pairs of")).to_have_value("mistral:7b")


def test_a_board_that_is_being_made_says_so_and_appears(tab: Page) -> None:
    tries: list[str] = []

    def fulfil(route: Route) -> None:
        tries.append(route.request.url)
        being_made: dict[str, Any] = {"state": "being_made", "retry_after_s": 0.2, "leaderboard": [], "last_updated": 0}
        route.fulfill(status=202 if len(tries) == 1 else 200, json=being_made if len(tries) == 1 else BOARD)

    tab.route("**/api/arena/leaderboard?*", fulfil)
    tab.goto("/leaderboard")
    expect(tab.locator(".boards")).to_contain_text("is being computed")
    expect(tab.locator(".quality tbody tr")).to_have_count(6)
    assert len(tries) == 2


@pytest.mark.page
def test_the_board_of_long_names_fits_a_phone(tabs: Tabs, arena: ServedArena) -> None:
    with tabs(arena.url, viewport={"width": 320, "height": 640}, is_mobile=True, color_scheme="dark") as phone:
        show_board(phone)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 320
        assert violations(phone) == []


def standing(rating: float, rank: int, **changes: Any) -> dict[str, Any]:
    """Where a model stood."""
    ends = {"rating_lower": rating - 50, "rating_upper": rating + 50, "bounds": "both"}
    return {"elo_rating": rating, "rank_low": rank, "rank_high": 3, "provisional": False} | ends | changes


@pytest.mark.page
def test_after_the_end_the_page_shows_what_the_verdicts_did_once_they_are_counted(tab: Page) -> None:
    answers: list[dict[str, Any]] = [{"state": "not_yet"}] * 2
    moves = [
        {"model": "llama3.1:8b", "before": standing(1054.6, 2), "after": standing(1061.3, 1)},
        {"model": "qwen3:8b", "before": None, "after": standing(980, 3, provisional=True)},
    ]
    counted = {"state": "counted", "votes": 1, "other_votes": 4, "left_out": {}, "models": moves}
    tab.route("**/board-change", lambda route: route.fulfill(json=answers.pop() if answers else counted))
    pretend(tab, snapshot("x", "y", **ENDED))
    effect = tab.locator(".effect")
    expect(effect).to_contain_text("The verdicts are counted at the next refit.")
    expect(effect.locator("li").nth(0)).to_contain_text("1055")
    expect(effect.locator("li").nth(0)).to_contain_text("1061")
    expect(effect.locator("li").nth(0)).to_contain_text("rank 1\N{EN DASH}3, before: rank 2\N{EN DASH}3")
    expect(effect.locator("li").nth(1)).to_contain_text("Provisional, before: not listed")
    expect(effect).to_contain_text("4 other votes were counted with them.")
    assert violations(tab) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": "past", "votes": 0, "left_out": {}}, "The verdicts are counted on the leaderboard."),
        ({"state": "counted", "votes": 0, "left_out": {"leaked": 1}}, "an answer named its own model or maker"),
    ],
)
def test_what_is_not_known_of_the_board_is_not_made_up(tab: Page, change: dict[str, Any], sentence: str) -> None:
    body = {"other_votes": 0, "models": []} | change
    tab.route("**/board-change", lambda route: route.fulfill(json=body))
    pretend(tab, snapshot("x", "y", **ENDED))
    expect(tab.locator(".effect")).to_contain_text(sentence)
