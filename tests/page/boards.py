"""A leaderboard that a browser is shown by the test: an unbeaten model, a circle, a newcomer, few voters."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route

HERO, LONG = "hero-70b-instruct-q4_K_M:latest", "hf.co/organisation/a-very-long-model-name-with-many-parts-GGUF:Q4_K_M"


def row(place: int, model: str, rating: float, lower: float | None, upper: float | None, **changes: Any) -> Any:
    """A row of the board; ``changes`` are its other fields."""
    bounds = "both" if lower is not None and upper is not None else "at_least" if lower is not None else "at_most"
    counts = {"votes": 131, "wins": 70, "losses": 41, "ties": 17, "both_bad": 3, "battles_fought": 81, "entries": []}
    rates = {"win_rate": 60.0, "win_share": 0.6, "p_best": 0.001, "chance_over_next": 0.5}
    state = {"provisional": False, "reasons": [], "island": 0, "retired": False, "tied_with": 0, "bounds": bounds}
    ends = {"elo_rating": rating, "rating_lower": lower, "rating_upper": upper}
    places = {"rank": place, "rank_low": place, "rank_high": place, "model": model, "display_name": model}
    return places | ends | counts | rates | state | changes


def pair(model: str, opponent: str, wins: int, ties: int, losses: int, surprise: float = 0.3) -> dict[str, Any]:
    """The votes between two models."""
    share = (wins + ties / 2) / (wins + ties + losses)
    record = {"model": model, "opponent": opponent, "wins": wins, "ties": ties, "losses": losses, "both_bad": 2}
    return record | {"share": share, "expected": 0.6, "surprise": surprise}


EVEN = {"rank_low": 2, "rank_high": 4, "tied_with": 2}
ROWS = [
    row(1, HERO, 1300, 1204, None, p_best=0.999, reasons=["unbeaten"], votes=30),
    row(2, "llama3.1:8b", 1061, 1011, 1110, **EVEN),
    row(3, "qwen3:8b", 1040, 990, 1090, **EVEN),
    row(4, "mistral:7b", 1010, 950, 1060, retired=True, **EVEN),
    row(5, LONG, 820, None, 850, reasons=["winless"]),
    row(6, "phi3:mini", 980, 700, 1250, provisional=True, reasons=["few_votes"], votes=3, p_best=None),
]
PAIRS = [
    pair(HERO, "llama3.1:8b", 15, 0, 0),
    pair("llama3.1:8b", "qwen3:8b", 31, 9, 4, 3.9),
    pair("llama3.1:8b", "mistral:7b", 12, 3, 22, -3.6),
    pair("qwen3:8b", "mistral:7b", 30, 5, 9, 3.1),
    pair("mistral:7b", LONG, 9, 0, 0),
    pair("llama3.1:8b", "phi3:mini", 1, 1, 1),
]
METHOD: dict[str, Any] = {"minimum_votes": 10, "clustered_by": ["battle", "voter"]}
BOARD: dict[str, Any] = {
    "leaderboard": ROWS,
    "last_updated": 1767225600.0,
    "method": METHOD,
    "counts": {
        "votes": 194,
        "battles": 97,
        "voters": 6,
        "largest_voter_share": 0.31,
        "prompts": 12,
        "largest_prompt_share": 0.4,
    },
    "finding": {"state": "clear", "first": HERO, "second": "llama3.1:8b", "votes_to_separate": None},
    "head_to_head": PAIRS,
    "warnings": [
        {"kind": "circle", "sentence": "", "models": ["llama3.1:8b", "qwen3:8b", "mistral:7b"]},
        {"kind": "lack_of_fit", "sentence": "", "models": ["llama3.1:8b", "mistral:7b"]},
    ],
    "categories": ["code"],
    "languages": ["en", "fr"],
    "speed": [],
}


def show_board(page: Page, body: dict[str, Any] = BOARD) -> None:
    """Open the leaderboard with ``body`` as the service's answer."""

    def fulfil(route: Route) -> None:
        route.fulfill(json=body)

    page.route("**/api/arena/leaderboard?*", fulfil)
    page.goto("/leaderboard")
    page.wait_for_selector(".pairs")
