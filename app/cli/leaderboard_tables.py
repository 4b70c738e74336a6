"""The leaderboard as tables for a terminal of any width: names are folded and never cut.

Names are shown as ``app.legible.visible`` makes them: a name must not pass for another or draw over the board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.legible import visible

WIDE = 110
"""Columns of a terminal from which on the board shows bars, battles, wins and notes of their own."""

_ASCII = str.maketrans({"─": "-", "●": "o", "←": "<", "→": ">", "…": ".."})
_ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""``box.SIMPLE`` without its signs; rich puts one with edges in its place, which is wider than the terminal."""
_BAR = 25
_NARROWEST_BAR = 8
_LONGEST_NAME, _SHORTEST_NAME = 28, 16
_GAP = 2
_ANY_WIDTH = 10_000

EXPLAINED = {
    "rank": "the places that the votes leave open; none without votes enough",
    "rating": "Bradley-Terry, Elo scale: 100 points more win 64 of 100 votes",
    "interval": "95 % sure; who never lost has at least, who never won at most",
    "P(best)": "the chance to be the best of the ranked; from 97.5 % on clear",
    "battles": "battles in which the model got a verdict",
    "votes": "verdicts in these battles",
    "wins": "wins and half the ties; depends on who was met, ranks nobody",
    "notes": "why a rating is not to be believed as it stands",
}
"""What each column means."""

Body = dict[str, Any]
Row = dict[str, Any]


def show_board(console: Console, body: Body, *, explain: bool) -> None:
    """Print what can be said of the first place, the rows, and how they came about."""
    if not body["leaderboard"]:
        console.print(f"No votes of ended battles {_so_far(body['counts'])}.", highlight=False)
        return
    for line in (_conclusion(body["finding"]), *(warning["sentence"] for warning in body["warnings"])):
        console.print(escape(printable(line)), highlight=False)
    console.print(_table(body["leaderboard"], console, _bar_width(body["leaderboard"], console)))
    for line in _provenance(body):
        console.print(escape(line), highlight=False)
    if explain:
        for name, meaning in EXPLAINED.items():
            console.print(escape(f"{name:<9}{meaning}"), highlight=False)


def _so_far(counts: Mapping[str, Any]) -> str:
    return f"count here{_left_out(counts)}" if counts["left_out"] else "yet"


def printable(sentence: str) -> str:
    """The sentence with what can't be seen as escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in sentence)


def _conclusion(finding: Mapping[str, Any]) -> str:
    flips = finding["flips"]
    if not flips:
        return str(finding["sentence"])
    votes = "1 flipped vote" if flips == 1 else f"{flips:,} flipped votes"
    return f"{finding['sentence']} {votes} would put {finding['flips_to']} first."


def bare_table(console: Console) -> Table:
    """A table without columns, of signs that the terminal can write."""
    return Table(box=_ASCII_BOX if console.options.ascii_only else box.SIMPLE, padding=(0, 1), collapse_padding=True)


def _table(rows: Sequence[Row], console: Console, bar: int) -> Table:
    """The rows; ``bar`` is how wide the bars are, 0 for none."""
    wide = console.width >= WIDE
    table = bare_table(console)
    table.add_column("rank", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=_SHORTEST_NAME)
    for heading in ("rating", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    if bar:
        table.add_column("", no_wrap=True)
    for heading in ("P(best)", *(("battles",) if wide else ()), "votes", *(("wins",) if wide else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    if wide:
        table.add_column("notes", overflow="fold")
    scale = _Scale.of(rows, bar)
    for row in rows:
        cells = _cells(row, scale, wide=wide)
        shown = [cell.translate(_ASCII) for cell in cells] if console.options.ascii_only else cells
        table.add_row(*shown, style="dim" if row["provisional"] else "")
    return table


def _bar_width(rows: Sequence[Row], console: Console) -> int:
    """What is left for bars beside names of usual length; 0 where that is too little to see anything."""
    bare = console.measure(_table(rows, console, 0), options=console.options.update(max_width=_ANY_WIDTH)).maximum
    folded = max(max(cell_len(row["display_name"]) for row in rows) - _LONGEST_NAME, 0)
    left = min(console.width - bare + folded - _GAP, _BAR)
    return left if left >= _NARROWEST_BAR else 0


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where ratings lie on a bar of ``width`` characters."""

    lowest: float
    highest: float
    width: int

    @classmethod
    def of(cls, rows: Sequence[Row], width: int) -> _Scale:
        """From the lowest end to the highest."""
        ends = [row[name] for row in rows for name in ("rating_lower", "rating_upper", "elo_rating")]
        known = [end for end in ends if end is not None]
        return cls(min(known), max(known), width)

    def place(self, value: float) -> int:
        """The character that ``value`` is at; the first and the last are for arrows."""
        return 1 + round((value - self.lowest) / max(self.highest - self.lowest, 1e-9) * (self.width - 3))


def _cells(row: Row, scale: _Scale, *, wide: bool) -> list[str]:
    name, notes = escape(row["display_name"]), ", ".join(_notes(row))
    if not wide and notes:
        name = f"{name}\n[dim]{escape(notes)}[/dim]"
    rated = row["wins"] + row["losses"] + row["ties"]
    cells = [_rank(row), name, f"{row['elo_rating']:.0f}", _interval(row)]
    return [
        *cells,
        *([_bar(row, scale)] if scale.width else []),
        _chance(row["p_best"]),
        *([str(row["battles_fought"])] if wide else []),
        str(row["votes"]),
        *([f"{row['win_rate']:.0f} %" if rated else "", escape(notes)] if wide else []),
    ]


def _rank(row: Row) -> str:
    if row["provisional"]:
        return ""
    low, high = row["rank_low"], row["rank_high"]
    return str(low) if low == high else f"{low} to {high}"


def _interval(row: Row) -> str:
    lower, upper = row["rating_lower"], row["rating_upper"]
    if lower is not None and upper is not None:
        return f"{lower:.0f} … {upper:.0f}"
    if lower is not None:
        return f"at least {lower:.0f}"
    if upper is not None:
        return f"at most {upper:.0f}"
    return {"fixed": "fixed", "open": "unknown"}.get(row["bounds"], "")


def _chance(chance: float | None) -> str:
    """Per cent; never 0 or 100, because a finite number of draws can't show that."""
    if chance is None:
        return ""
    return ">99 %" if chance >= 0.995 else "<1 %" if chance < 0.005 else f"{chance:.0%}".replace("%", " %")


def _bar(row: Row, scale: _Scale) -> str:
    """The interval as a line with the rating on it; an end that is open goes to the edge with an arrow."""
    lower, upper, rating = row["rating_lower"], row["rating_upper"], scale.place(row["elo_rating"])
    if row["bounds"] == "unknown":
        return ""
    if row["bounds"] == "fixed":
        lower = upper = row["elo_rating"]
    start = 0 if lower is None else scale.place(lower)
    end = scale.width - 1 if upper is None else scale.place(upper)
    drawn = [" "] * start + ["─"] * (end + 1 - start)
    drawn[0 if lower is None else start] = "←" if lower is None else "─"
    drawn[-1] = "→" if upper is None else "─"
    drawn[rating] = "●"
    return "".join(drawn)


def _notes(row: Row) -> list[str]:
    return [*(reason.replace("_", " ") for reason in row["reasons"]), *(["retired"] if row["retired"] else [])]


def _provenance(body: Body) -> list[str]:
    """Which votes these are, and what was made of them."""
    method, counts = body["method"], body["counts"]
    return [
        f"{_number(counts['votes'], 'vote')} of ended battles{_who(counts)}{_left_out(counts)}.",
        f"{_filters(method)}{_style(method)}{_ties(method)}; {_gauge(method)}; "
        f"{method['level']:.0%} intervals, clustered by {' and '.join(method['clustered_by'])}.".replace("%", " %", 1),
        *(f"Prior: {prior}." for prior in [method["prior"]] if prior),
        *(_effect(name, size) for name, size in method["effects"].items()),
    ]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _who(counts: Mapping[str, Any]) -> str:
    if not counts["voters"]:
        return ""
    most = f", the most of one {counts['largest_voter_share']:.0%}".replace("%", " %") if counts["voters"] > 1 else ""
    return f" by {_number(counts['voters'], 'voter')}{most}"


def _left_out(counts: Mapping[str, Any]) -> str:
    words = {"since": "before that day"}
    parts = [
        f"{number:,} {words.get(reason, reason.replace('_', ' '))}" for reason, number in counts["left_out"].items()
    ]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _filters(method: Mapping[str, Any]) -> str:
    since = method["since"]
    kinds = {
        "category": method["category"],
        "language": method["language"],
        "with": " and ".join(method["admitted"]),
        "since": None if since is None else f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d}",
    }
    parts = [f"{name} {printable(value)}" for name, value in kinds.items() if value]
    return f"Only {', '.join(parts)}; " if parts else "All votes; "


def _style(method: Mapping[str, Any]) -> str:
    parts = [f"{feature} ({points:+.0f} points)" for feature, points in method["style"].items()]
    return f"set aside: {', '.join(parts)}; " if parts else ""


def _ties(method: Mapping[str, Any]) -> str:
    ties = {
        "half_win": "are half a win",
        "davidson": "are Davidson's",
        "rao_kupper": "are Rao and Kupper's",
    }
    both_bad = ", and both bad is a tie" if method["both_bad"] == "tie" else ""
    return f"ties {ties[method['ties']]}{both_bad}"


def _gauge(method: Mapping[str, Any]) -> str:
    who = "the mean" if method["anchor"] is None else visible(method["anchor"])
    return f"{who} is {method['gauge_at']:.0f}"


def _effect(name: str, size: Mapping[str, Any]) -> str:
    label = {"side": "Side a over side b", "champion": "The champion over its challenger"}[name]
    if size["lower"] is None:
        return f"{label}: unknown."
    return f"{label}: {size['elo']:+.0f} points ({size['lower']:+.0f} … {size['upper']:+.0f})."
