"""What the terminal shows of a board, at any width and whatever the names are."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import orjson
import pytest
from rich.console import Console

from app.cli.leaderboard_tables import EXPLAINED, show_board
from app.cli.pair_tables import show_pairs
from app.leaderboard.gather import BoardContestant, Gathered
from app.leaderboard.making import board_body
from app.leaderboard.query import LeaderboardQuery
from app.legible import visible
from app.ranking.board import ModelCard
from app.ranking.votes import JudgedPair
from tests.ranking.golden import votes

ONE, OTHER = "llama3.1:8b-instruct-q4_K_M-of-somebody", "llama3.1:8b-instruct-q5_K_M-of-somebody"


def printed(
    rows: list[JudgedPair], width: int = 80, *, explain: bool = False, pairs: bool = False, **query: Any
) -> str:
    """What a terminal of ``width`` columns shows."""
    names = {name for row in rows for name in (row.model_a, row.model_b)}
    gathered = Gathered(
        tuple(rows),
        contestants={name: BoardContestant(name, None, None, None) for name in names},
        cards=tuple(ModelCard(name, visible(name)) for name in sorted(names)),
    )
    body = orjson.loads(board_body(gathered, LeaderboardQuery.of(**query)))
    console = Console(file=StringIO(), width=width)
    if pairs:
        show_pairs(console, body)
    else:
        show_board(console, body, explain=explain)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def joined(text: str) -> str:
    """The text without its line breaks."""
    return re.sub(r"\s+", " ", text)


def test_the_finding_stands_above_the_rows() -> None:
    text = printed(votes("a b 12 8", "b c 11 9"))
    assert joined(text).startswith("a leads, but is not clearly better than b: about")
    assert text.index("leads") < text.index("rank") < text.index("votes of ended battles")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_longer_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    text = printed(votes(f"{ONE} {OTHER} 12 8", f"{ONE} third 9 3"), width)
    assert "…" not in text.replace(" … ", "")
    assert all(len(line) <= width for line in text.splitlines())


def test_two_long_names_that_begin_alike_can_be_told_apart_at_80_columns() -> None:
    lines = printed(votes(f"{ONE} {OTHER} 12 8"), 80).splitlines()
    first = next(n for n, line in enumerate(lines) if line.strip().startswith("1 to 2"))
    second = next(n for n, line in enumerate(lines) if n > first and line.strip().startswith("1 to 2"))
    for start, name in ((first, ONE), (second, OTHER)):
        head = next(part for part in lines[start].split() if part.startswith("llama"))
        assert head + lines[start + 1].strip() == name


def test_one_flipped_vote_is_one_vote() -> None:
    assert "1 flipped vote would put b first" in joined(printed(votes("a b 11 10")))
    assert "4 flipped votes would put b first" in joined(printed(votes("a b 16 10")))


def test_an_estimate_of_votes_has_two_figures() -> None:
    text = joined(printed(votes("a b 5010 4990")))
    assert re.search(r"about \d{1,3},000 more votes between them may tell", text)


def test_an_unbeaten_model_has_at_least_a_rating() -> None:
    text = printed(votes("hero a 15", "hero b 15", "a b 10 10"), 130)
    row = next(line for line in text.splitlines() if "hero" in line and "at least" in line)
    assert re.search(r"^\s*1\s+hero .* at least \d{4} .*● *─*→.* >99 % .*unbeaten", row)
    assert "hero is clearly better than a." in text
    assert "Prior: normal, 400 Elo points" in text


def test_what_is_not_known_is_left_blank_and_certainty_is_not_claimed() -> None:
    text = printed(votes("a b 90 10", "c d 0 0 0 3"))
    assert ">99 %" in text
    assert "<1 %" in text
    assert not re.search(r"(?<!\d)(?:100|0) ?%", text)


def test_one_standard_holds_on_one_screen() -> None:
    for wins in range(50, 80):
        text = joined(printed(votes(f"a b {wins} 50")))
        chance = int(re.search(r" >?(\d+) % ", text)[1])  # type: ignore[index]
        assert ("is clearly better" in text) == (chance >= 98), text


@pytest.mark.parametrize("width", [80, 130])
def test_intervals_have_bars_where_there_is_room(width: int) -> None:
    lines = printed(votes("a b 60 40", "b c 60 40"), width).splitlines()
    bars = [re.search(r"─+●─+", line) for line in lines]
    places = [bar.start() for bar in bars if bar]
    assert len(places) == 3
    assert places == sorted(places, reverse=True)


def test_each_figure_is_explained_in_one_line() -> None:
    lines = printed(votes("a b 6 4"), 80, explain=True).splitlines()
    for heading in EXPLAINED:
        assert sum(line.startswith(f"{heading} ") for line in lines[6:]) == 1
    assert not any(heading in printed(votes("a b 6 4")) for heading in EXPLAINED.values())


def test_the_caption_names_filter_style_ties_and_who_voted() -> None:
    rows = [
        JudgedPair(
            "a" if n % 5 else "b",
            "b" if n % 5 else "a",
            row.verdict,
            f"b{n}",
            language="fr",
            categories=("code",),
            at_s=2e9,
            voter=f"v{n % 4}",
        )
        for n, row in enumerate(votes("a b 20 12 4"))
    ]
    text = joined(printed(rows, ties="davidson", language="fr", category="code", since="2026-08-31", effects="side"))
    assert "Only category code, language fr, since 2026-08-31; ties are Davidson's; the mean is 1000" in text
    assert "36 votes of ended battles by 4 voters, the most of one 25 %" in text
    assert "95 % intervals, clustered by battle and voter" in text
    assert re.search(r"Side a over side b: [+-]\d+ points \([+-]\d+ … [+-]\d+\)", text)


def test_a_board_that_leaves_all_votes_out_says_so() -> None:
    assert printed(votes("a b 3 2"), language="fr") == "No votes of ended battles count here; left out: 5 language.\n"
    assert printed([]) == "No votes of ended battles yet.\n"


def test_a_circle_is_said_above_the_rows() -> None:
    text = joined(printed(votes("a b 12", "b c 12", "c a 12")))
    assert text.startswith("a beats b, b beats c and c beats a: a circle, which has no best.")


def test_the_records_of_pairs_have_a_table() -> None:
    text = printed(votes("a b 9 4 2 1", "b c 7 6"), pairs=True)
    assert re.search(r"a +b +9 +4 +2 +1 +67 % +67 % +[+-]0\.0", text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("llama3.1:8b", "llama3.1:8b"),
        ("", '""'),
        ("  ", '"  "'),
        ("a\nb", "a\\nb"),
        ("safe\u202egnp", "safe\\u202egnp"),
        ("a\u200bb", "a\\u200bb"),
        (" padded", '" padded"'),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("模型", "模型"),
    ],
)
def test_names_that_can_not_be_seen_are_shown_as_escapes(name: str, shown: str) -> None:
    assert visible(name) == shown
    rows = [JudgedPair(name, "other", row.verdict) for row in votes("a b 6 5")]
    text = printed(rows, 120)
    assert shown in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("width", [72, 80, 100, 110, 120])
@pytest.mark.parametrize("name", ["x", "a-name-of-usual-length:8b"])
def test_no_column_is_cut(width: int, name: str) -> None:
    rows = [JudgedPair(name, "other", row.verdict) for row in votes("a b 12000")]
    lines = printed(rows, width).splitlines()
    head = next(line for line in lines if "P(best)" in line)
    assert re.search(r" votes ", head)
    assert sum(re.search(r" 12000 ", line) is not None for line in lines) == 2
