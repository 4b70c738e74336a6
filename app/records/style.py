"""The style of an answer, measured when it is written: its text may be erased later, these counts are kept.

Every pattern stays on its line, so that a text is read in one pass whatever is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCED = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"^ {0,3}#{1,6}[^\S\n]+\S", re.MULTILINE)
_LIST = re.compile(r"^[^\S\n]*(?:[-*+]|\d{1,9}[.)])[^\S\n]+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|(?<!\w)__[^_\n]+__(?!\w)")


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """The style of one answer: ``length`` in tokens (or characters, the same for both sides), the rest are counts."""

    length: int = 0
    headers: int = 0
    lists: int = 0
    bold: int = 0


def measure_style(text: str, length: int | None = None) -> AnswerStyle:
    """Count the Markdown of ``text`` outside fenced code; ``length`` defaults to its characters."""
    prose = _FENCED.sub("", text)
    return AnswerStyle(
        length=len(text) if length is None else length,
        headers=len(_HEADER.findall(prose)),
        lists=len(_LIST.findall(prose)),
        bold=len(_BOLD.findall(prose)),
    )
