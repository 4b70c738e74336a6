"""What a board may be asked for: a category, a language, style set aside, marked votes let in, ties, an anchor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, TypeVar

import orjson

from app.errors import InvalidInput
from app.ranking.board import Gauge, Rules
from app.ranking.likelihoods import Ties
from app.ranking.style import ALL_FEATURES, StyleFeature
from app.ranking.votes import Mark, Selection

LONGEST = 64
"""Characters of a category's or language's name."""

LONGEST_MODEL = 200
"""Characters of a model's name."""

_Word = TypeVar("_Word", StyleFeature, Mark)


@dataclass(frozen=True, slots=True)
class LeaderboardQuery:
    """One board among those that can be made of the same votes; the default is of all votes without a mark.

    ``ties`` is the model of ties; ``both_bad_ties``: a verdict that both are bad counts as a tie and not for neither;
    ``anchor`` names the model whose rating is fixed, None centres the board.
    """

    category: str | None = None
    language: str | None = None
    features: tuple[StyleFeature, ...] = ()
    admitted: frozenset[Mark] = field(default_factory=frozenset)
    ties: Ties = Ties.HALF_WIN
    anchor: str | None = None
    both_bad_ties: bool = False

    @classmethod
    def of(
        cls,
        category: str = "",
        language: str = "",
        style: str = "",
        include: str = "",
        ties: str = "",
        anchor: str = "",
        both_bad: str = "",
    ) -> Self:
        """Read the words of a URL or a command line; empty is none. ``style`` may be ``all``.

        Raises:
            InvalidInput: a word that means nothing here; its field is named.
        """
        features = ALL_FEATURES if style == "all" else _words(style, "style", StyleFeature)
        return cls(
            category=_name(category, "category", LONGEST),
            language=_name(language, "language", LONGEST),
            features=tuple(feature for feature in ALL_FEATURES if feature in features),
            admitted=frozenset(_words(include, "include", Mark)),
            ties=_ties(ties),
            anchor=_name(anchor, "anchor", LONGEST_MODEL),
            both_bad_ties=_both_bad(both_bad),
        )

    @classmethod
    def from_key(cls, key: str) -> Self | None:
        """The query whose ``key`` it is; None for what a worker of another version wrote."""
        try:
            category, language, features, admitted, ties, anchor, both_bad_ties = orjson.loads(key)
            styles, marks = tuple(map(StyleFeature, features)), frozenset(map(Mark, admitted))
            return cls(category, language, styles, marks, Ties(ties), anchor, bool(both_bad_ties))
        except (ValueError, TypeError):
            return None

    @property
    def key(self) -> str:
        """The same for the same board, and different for another."""
        votes = (self.category, self.language, self.features, sorted(self.admitted))
        return orjson.dumps([*votes, self.ties, self.anchor, self.both_bad_ties]).decode()

    @property
    def rules(self) -> Rules:
        """How such a board is ranked."""
        selection = Selection(self.category, self.language, self.admitted)
        return Rules(self.ties, Gauge(anchor=self.anchor), self.features, selection)


def _name(text: str, field: str, longest: int) -> str | None:
    name = text.strip()
    if len(name) > longest or not name.isprintable():
        raise InvalidInput(f"{field} is a name of at most {longest} characters", field=field)
    return name or None


def _ties(text: str) -> Ties:
    try:
        return Ties(text.strip() or Ties.HALF_WIN)
    except ValueError:
        known = ", ".join(Ties)
        raise InvalidInput(f"ties is one of {known}; {text[:LONGEST]!r} is none", field="ties") from None


def _both_bad(text: str) -> bool:
    word = text.strip() or "drop"
    if word not in ("tie", "drop"):
        raise InvalidInput(f"both_bad is tie or drop; {text[:LONGEST]!r} is neither", field="both_bad")
    return word == "tie"


def _words(text: str, field: str, kind: type[_Word]) -> tuple[_Word, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [str(member) for member in kind]
    for word in words:
        if word not in known:
            raise InvalidInput(f"{field} is a list of {', '.join(known)}; {word[:LONGEST]!r} is none", field=field)
    return tuple(kind(word) for word in words)
