"""The look of an answer, so that a ranking can set it aside: length, headers, lists and bold.

Voters like long and formatted answers. Each feature enters the logit as (a - b) / (a + b), which is 0 when both look
alike, divided by its root mean square over all votes; the mean is not taken off, for that would make one side better
than the other. The features and the ratio are those of the public arenas' style control (2024).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.ranking.likelihoods import Floats

_FENCED = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"^ {0,3}#{1,6}\s+\S", re.MULTILINE)
_LIST = re.compile(r"^\s*(?:[-*+]|\d{1,9}[.)])\s+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|(?<!\w)__[^_\n]+__(?!\w)")


class StyleFeature(StrEnum):
    """What style control can set aside."""

    LENGTH = "length"
    HEADERS = "headers"
    LISTS = "lists"
    BOLD = "bold"


ALL_FEATURES = tuple(StyleFeature)


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """The look of one answer: ``length`` in tokens (or characters, the same for both sides), the rest are counts."""

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


def contrasts(a: Floats, b: Floats) -> Floats:
    """(a - b) / (a + b) by row and feature, each feature brought to a root mean square of 1; without any it stays 0."""
    total = a + b
    ratio = np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)
    size = np.sqrt(np.square(ratio).mean(axis=0)) if len(ratio) else np.zeros(ratio.shape[1])
    return np.asarray(np.divide(ratio, size, out=np.zeros_like(ratio), where=size > 0))
