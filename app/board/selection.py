"""What a board may be asked for: a category, a language, style set aside, marked votes let in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, TypeVar

import orjson

from app.errors import InvalidInput
from app.ranking.board import Rules
from app.ranking.style import ALL_FEATURES, StyleFeature
from app.ranking.votes import Mark, Selection

LONGEST = 64
"""Characters of a category's or language's name."""


_Word = TypeVar("_Word", StyleFeature, Mark)


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """One board among those that can be made of the same votes; the default is of all votes without a mark."""

    category: str | None = None
    language: str | None = None
    features: tuple[StyleFeature, ...] = ()
    admitted: frozenset[Mark] = field(default_factory=frozenset)

    @classmethod
    def of(cls, category: str = "", language: str = "", style: str = "", include: str = "") -> Self:
        """Read the words of a URL or a command line; empty is none. ``style`` may be ``all``.

        Raises:
            InvalidInput: a word that means nothing here; its field is named.
        """
        features = ALL_FEATURES if style == "all" else _words(style, "style", StyleFeature)
        return cls(
            category=_name(category, "category"),
            language=_name(language, "language"),
            features=tuple(feature for feature in ALL_FEATURES if feature in features),
            admitted=frozenset(_words(include, "include", Mark)),
        )

    @classmethod
    def from_key(cls, key: str) -> Self:
        """The query whose ``key`` it is."""
        category, language, features, admitted = orjson.loads(key)
        return cls(category, language, tuple(map(StyleFeature, features)), frozenset(map(Mark, admitted)))

    @property
    def key(self) -> str:
        """The same for the same board, and different for another."""
        return orjson.dumps([self.category, self.language, self.features, sorted(self.admitted)]).decode()

    @property
    def rules(self) -> Rules:
        """How such a board is ranked."""
        return Rules(features=self.features, selection=Selection(self.category, self.language, self.admitted))


def _name(text: str, field: str) -> str | None:
    name = text.strip()
    if len(name) > LONGEST or not name.isprintable():
        raise InvalidInput(f"{field} is a name of at most {LONGEST} characters", field=field)
    return name or None


def _words(text: str, field: str, kind: type[_Word]) -> tuple[_Word, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [str(member) for member in kind]
    for word in words:
        if word not in known:
            raise InvalidInput(f"{field} is a list of {', '.join(known)}; {word[:LONGEST]!r} is none", field=field)
    return tuple(kind(word) for word in words)
