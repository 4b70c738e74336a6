"""The votes that a board is made of, and which of them count: values, without numpy.

A row is one verdict on one pair. Which rows count is a ``Selection``: a category, a language, and whether answers that
carry a mark are admitted; a void row never does. The speed board is made of ``AnswerTiming``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.battle.battle import Verdict
from app.records.style import AnswerStyle


class Mark(StrEnum):
    """Why a vote may not say what it seems to say."""

    FALLBACK = "fallback"
    """An answer came from a fallback, not from the contestant itself."""
    LEAKED = "leaked"
    """An answer named its own model or maker before the verdict."""
    CUT_PROMPT = "cut_prompt"
    """A server answered only a part of the prompt."""
    NAMED = "named"
    """Who opened the battle named its models and so knew which two they were, or names were shown before that."""
    BATCH = "batch"
    """The answers are those of a batch run: its prompts and options are not those of battles."""


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """One verdict: ``model_*`` are the contestants' identities (digest, quantisation and options make one).

    ``battle`` is None for a vote that was imported without one; it then counts as a battle of its own. ``entry_*`` are
    places in the entry order from 0. ``at_s`` is Unix time. ``voter`` and ``prompt`` are keys, None where unknown:
    votes of one voter, or on the same prompt, err together. ``void``: the verdict was declared worth nothing. A row of
    ``count`` n is n votes that are alike, each in a battle of its own; its ``battle`` is None.
    """

    model_a: str
    model_b: str
    verdict: Verdict
    battle: str | None = None
    round: int = 1
    entry_a: int | None = None
    entry_b: int | None = None
    categories: tuple[str, ...] = ()
    language: str | None = None
    marks: frozenset[Mark] = frozenset()
    style_a: AnswerStyle | None = None
    style_b: AnswerStyle | None = None
    at_s: float | None = None
    void: bool = False
    count: int = 1
    voter: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which votes count; None means all. Votes with marks are left out unless these are admitted, void ones always.

    ``since_s`` is Unix time: votes before it, and those whose time is unknown, don't count.
    """

    category: str | None = None
    language: str | None = None
    admitted: frozenset[Mark] = frozenset()
    since_s: float | None = None

    def refuses(self, row: JudgedPair) -> str | None:
        """The reason why ``row`` doesn't count, or None."""
        if self.category is not None and self.category not in row.categories:
            return "category"
        if self.language is not None and self.language != row.language:
            return "language"
        if self.since_s is not None and (row.at_s is None or row.at_s < self.since_s):
            return "since"
        if row.model_a == row.model_b:
            return "same_model"
        if row.void:
            return "void"
        return next((mark.value for mark in Mark if mark in row.marks and mark not in self.admitted), None)


@dataclass(frozen=True, slots=True)
class AnswerTiming:
    """How long one answer took; what was not measured is None."""

    model: str
    host: str
    ttft_s: float | None
    tokens_per_s: float | None
    cold: bool = False
