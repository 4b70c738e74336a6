"""``make screenshots``: every view as people see it, into docs/screenshots."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.chromium import HELP, chromium
from tests.page.conftest import ARGUMENTS
from tests.page.pretended import pretend, send_event, snapshot
from tests.page.served_arena import MODELS, ServedArena

#: Those that docs/frontend.md shows; the other colours and sizes of a view are left out, for the repository's sake.
KEPT = {
    "light": {"start", "waiting", "writing", "battle", "why", "names", "leaderboard", "pairs", "speed", "hosts"},
    "dark": {"start", "battle", "names", "leaderboard"},
    "phone": {"start", "battle", "names", "leaderboard"},
}
FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
BATTLES = 24
LIMIT_S = 60.0
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 820}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

QUESTION = "Write a Python function that merges two sorted lists, and say how long it takes."
LEFT = """Walk through both lists at once and always take the **smaller** head:

```python
def merge(a: list[int], b: list[int]) -> list[int]:
    merged, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i] <= b[j]:
            merged.append(a[i])
            i += 1
        else:
            merged.append(b[j])
            j += 1
    return merged + a[i:] + b[j:]  # one of them is empty
```

Every element is looked at once, so for lists of $$n$$ and $$m$$ elements it takes $$O(n + m)$$.
"""
RIGHT = """There are two ways:

| way | time | memory |
|---|---|---|
| `sorted(a + b)` | $$O(n \\log n)$$ | a new list |
| `heapq.merge(a, b)` | $$O(n)$$ | one element |

1. **Short**: `sorted(a + b)`. Python's sort notices runs, so it is fast in practice.
2. **Lazy**: `heapq.merge(a, b)` yields one element at a time.

> For two lists that fit into memory, take the first.
"""
TIMING = {"ttft_s": 0.42, "tokens_per_s": 54.8, "cold": False}


def ranking() -> list[dict[str, Any]]:
    """Three models with their figures."""
    figures = [(0.4, 54.0, False), (0.6, 47.0, False), (7.9, 61.0, True)]
    return [
        {
            "place": place,
            "alias": f"Model {'BAC'[place - 1]}",
            "model": MODELS[place - 1],
            "host": "gpu-1",
            "timing": TIMING | {"ttft_s": first, "tokens_per_s": rate, "cold": cold},
            "fallback": False,
            "failed": False,
        }
        for place, (first, rate, cold) in enumerate(figures, 1)
    ]


def standing(rating: float, rank: int) -> dict[str, Any]:
    """Where a model stood on the board."""
    ends = {"rating_lower": rating - 50, "rating_upper": rating + 50, "bounds": "both"}
    return {"elo_rating": rating, "rank_low": rank, "rank_high": 3, "provisional": False} | ends


def change() -> dict[str, Any]:
    """What the battle that is over did to the board."""
    ratings = ((1031, 1036, 2, 1), (1004, 1002, 2, 2), (988, 985, 2, 2))
    models = [
        {"model": model, "before": standing(was, low), "after": standing(now, rank)}
        for model, (was, now, low, rank) in zip(MODELS, ratings, strict=True)
    ]
    return {"state": "counted", "votes": 2, "other_votes": 3, "left_out": {}, "models": models}


SAID = {
    "round": 2,
    "verdict": "b",
    "reasons": {"a": ["superficial"], "b": ["complete", "clear"]},
    "comment": "The right one says what it costs.",
}


def play(arena: ServedArena, number: int) -> None:
    """One battle by chance, so that there is a board."""
    chance = random.Random(number)
    battle = arena.call("POST", "battles", {"message": f"What is {number} + {number}?"})
    token = battle["token"]
    deadline = monotonic() + LIMIT_S
    while battle["status"] == "running" and monotonic() < deadline:
        if battle["can_vote"]:
            body = {"round": battle["round"], "verdict": chance.choice(["a", "a", "b", "tie"])}
            battle = arena.call("POST", f"battles/{battle['battle_id']}/votes", body, token)
        else:
            sleep(0.1)
            battle = arena.call("GET", f"battles/{battle['battle_id']}")


@contextmanager
def tab(browser: Browser, arena: ServedArena, **options: Any) -> Iterator[Page]:
    """A tab in a profile of its own."""
    context = browser.new_context(base_url=arena.url, reduced_motion="reduce", **options)
    page = context.new_page()
    page.add_init_script("localStorage.setItem('arena.preferences', JSON.stringify({ whole: false }))")
    yield page
    context.close()


def save(page: Page, name: str) -> None:
    """Write what is seen, once fonts and figures have settled."""
    view, _, kind = name.partition("-")
    if view not in KEPT[kind]:
        return
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)
    page.screenshot(path=FOLDER / f"{name}.png")


def ended() -> dict[str, Any]:
    """A battle that is over."""
    aliases = ({"a": "Model A", "b": "Model B"}, {"a": "Model C", "b": "Model B"})
    votes = [{"round": n, "verdict": "b", "aliases": pair} for n, pair in enumerate(aliases, 1)]
    reveal = {"champion": MODELS[0], "ranking": ranking()}
    return snapshot(
        LEFT, RIGHT, status="finished", round=2, can_vote=False, votes=votes, reveal=reveal, message=QUESTION
    )


def battles(browser: Browser, arena: ServedArena, kind: str, **options: Any) -> None:
    """A battle in its states."""
    with tab(browser, arena, **options) as page:
        pretend(page, snapshot(state="queued", message=QUESTION))
        for side in ("a", "b"):  # both are told the same
            send_event(page, "status", round=1, side=side, state="queued", place=2, eta_s=20)
        save(page, f"waiting-{kind}")
        for side, text in (("a", LEFT), ("b", RIGHT)):
            send_event(page, "status", round=1, side=side, state="writing")
            send_event(page, "delta", round=1, side=side, text=text[: len(text) * 2 // 3])
        save(page, f"writing-{kind}")
    with tab(browser, arena, **options) as page:
        pretend(page, snapshot(LEFT, RIGHT, message=QUESTION))
        save(page, f"battle-{kind}")
    with tab(browser, arena, **options) as page:
        page.route("**/board-change", lambda route: route.fulfill(json=change()))
        page.route("**/feedback", lambda route: route.fulfill(json=SAID))
        pretend(page, ended())
        page.wait_for_selector(".moves")
        save(page, f"names-{kind}")
        page.get_by_role("button", name="Why? (optional) Model B beat Model C").click()
        page.locator(".why").scroll_into_view_if_needed()
        save(page, f"why-{kind}")


def views(browser: Browser, arena: ServedArena, kind: str, **options: Any) -> None:
    """The other views."""
    with tab(browser, arena, **options) as page:
        page.goto("/")
        save(page, f"start-{kind}")
        page.goto("/leaderboard")
        page.wait_for_selector(".ratings, .empty")
        save(page, f"leaderboard-{kind}")
        page.locator(".pairs").evaluate("element => element.scrollIntoView()")
        save(page, f"pairs-{kind}")
        page.locator(".board .chip").nth(1).click()
        save(page, f"speed-{kind}")
        page.goto("/hosts")
        page.wait_for_selector(".host")
        save(page, f"hosts-{kind}")


def main() -> None:
    """Play some battles, then draw."""
    path = chromium()
    assert path is not None, HELP
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arena-screens-") as folder, sync_playwright() as playwright:
        arena = ServedArena(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: play(arena, number), range(BATTLES)))
            sleep(3)  # the board is refitted within two seconds
            for kind, options in {
                "light": DESK | {"color_scheme": "light"},
                "dark": DESK | {"color_scheme": "dark"},
                "phone": PHONE | {"color_scheme": "light"},
            }.items():
                views(browser, arena, kind, **options)
                battles(browser, arena, kind, **options)
        finally:
            browser.close()
            arena.close()


if __name__ == "__main__":
    main()
