"""A diagnosis in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.doctor.checks.fit_table import FitTable
from app.doctor.diagnose import Diagnosis
from app.doctor.finding import Finding
from app.doctor.texts.units import gib

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print the findings, the tables of cards that are too small, and whether battles can run."""
    for finding in diagnosis.findings:
        _show_finding(finding, console)
    for table in diagnosis.memory:
        if not table.fits:
            console.print(_grid(table))
    console.print(escape(verdict(diagnosis)), style="green" if diagnosis.can_battle else "bold red")


def verdict(diagnosis: Diagnosis) -> str:
    """The last line."""
    count = len(diagnosis.findings)
    found = _counted(count, "finding") if count else "nothing is wrong"
    with_what = f"{_counted(len(diagnosis.models), 'model')} on {_counted(len(diagnosis.hosts), 'host')}"
    if diagnosis.can_battle and diagnosis.unsure:
        return f"This machine is too busy to tell whether battles can run ({with_what}; {found})."
    if diagnosis.can_battle:
        return f"Battles can run ({with_what}; {found})."
    return f"Battles can't run ({with_what}; {found})."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _show_finding(finding: Finding, console: Console) -> None:
    colour = _COLOURS[finding.severity]
    head = f"[{colour}]{finding.severity}[/] [bold]{escape(finding.subject)}[/] [dim]{finding.code}[/]"
    console.print(head, highlight=False)
    console.print(f"  {escape(_sentence(finding.cause))}", highlight=False)
    console.print(f"  [bold]Do:[/] {escape(_sentence(finding.remedy))}", highlight=False)
    if finding.command:
        # Not wrapped, so that it can be copied.
        console.print(f"  $ {escape(finding.command)}", highlight=False, soft_wrap=True)
    console.print()


def _sentence(text: str) -> str:
    """Capitalised unless the first word is a name, with a full stop."""
    first, rest = text[:1], text[1:]
    word = text.split(" ", 1)[0].rstrip(",;:")
    plain = word.isalpha() and word.islower()
    return f"{first.upper() if plain else first}{rest}" + ("" if text.endswith(("?", ".")) else ".")


def _grid(fit: FitTable) -> Table:
    grid = Table("model", title=f"{fit.host}: {gib(fit.memory_bytes)}", title_justify="left")
    for heading in ("num_ctx", "file", "cache", "needs", ""):
        grid.add_column(heading, justify="right")
    for row in fit.rows:
        guessed = "" if row.shape.known else "guessed"
        mark = "drop" if row.model in fit.drop else guessed
        sizes = (gib(size) for size in (row.file_bytes, row.cache_bytes, row.least_bytes))
        grid.add_row(escape(row.model), str(row.num_ctx), *sizes, mark)
    grid.add_section()
    context = f"all fit at {fit.num_ctx}" if fit.num_ctx else ""
    grid.add_row("together", context, "", "", gib(fit.total_bytes), "")
    return grid
