"""How many of the labelled answers the leak guard finds, and how many others it marks.

``python -m benchmarks.leak_corpora [NAME …]`` prints a line for each file of ``tests/data/leaks`` that has labels, with
95 % intervals; ``--rows`` adds the answers that were judged wrongly.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from app.leaks.scanner import scan
from benchmarks.blind_attacks import wilson

DATA = Path(__file__).parent.parent / "tests" / "data" / "leaks"
LABELLED = (
    "labelled",
    "paraphrases",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled answer; ``prompt`` is empty if it does not matter."""

    leaks: bool
    language: str
    model: str
    answer: str
    prompt: str

    @property
    def is_marked(self) -> bool:
        """Whether the guard finds a leak."""
        return bool(scan(self.model, self.answer, [self.prompt]))


def rows_of(name: str) -> list[Row]:
    """Read the labelled answers of one file."""
    rows = []
    for line in (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines():
        label, language, model, answer, *prompt = (part.replace("\\n", "\n") for part in line.split("\t"))
        rows.append(Row(label == "leak", language, model, answer, "".join(prompt)))
    return rows


def share(marked: int, of: int) -> str:
    """``marked`` of ``of`` with its interval; a dash if there are none."""
    if not of:
        return "-"
    low, high = wilson(marked, of)
    return f"{marked} of {of} ({marked / of:.1%} [{low:.1%}, {high:.1%}])"


def main() -> None:
    """Print a line for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=LABELLED)
    parser.add_argument("--rows", action="store_true", help="print the answers that were judged wrongly")
    arguments = parser.parse_args()
    for name in arguments.names:
        rows = [(row, row.is_marked) for row in rows_of(name)]
        leaks, clean = ([marked for row, marked in rows if row.leaks is kind] for kind in (True, False))
        print(f"{name:<12} found {share(sum(leaks), len(leaks))}, false alarms {share(sum(clean), len(clean))}")
        for row in (row for row, marked in rows if arguments.rows and marked is not row.leaks):
            print(f"  {'missed' if row.leaks else 'marked'} {row.language} {row.model}: {row.answer!r} ({row.prompt})")


if __name__ == "__main__":
    main()
