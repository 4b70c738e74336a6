"""What a board may be asked for: which votes count, what is set aside, how ties count, an anchor, and clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Self, TypeVar

import orjson

from app.errors import InvalidInput
from app.ranking.board import Gauge, Rules
from app.ranking.choices import ALL_EFFECTS, ALL_FEATURES, Clustering, Effect, StyleFeature, Ties
from app.ranking.votes import Mark, Selection
from app.settings.times import parse_day

LONGEST = 64
"""Characters of a category's or language's name."""

LONGEST_MODEL = 200
"""Characters of a model's name."""

_Word = TypeVar("_Word", StyleFeature, Mark, Effect)


@dataclass(frozen=True, slots=True)
class LeaderboardQuery:
    """One board among those that can be made of the same votes; the default is of all votes without a mark.

    ``ties`` is the model of ties; ``both_bad_ties``: a verdict that both are bad counts as a tie and not for neither;
    ``anchor`` names the model whose rating is fixed, None centres the board. ``effects`` of seats are fitted beside the
    ratings. ``since`` is the first day (UTC) whose votes count.
    """

    category: str | None = None
    language: str | None = None
    features: tuple[StyleFeature, ...] = ()
    admitted: frozenset[Mark] = field(default_factory=frozenset)
    ties: Ties = Ties.HALF_WIN
    anchor: str | None = None
    both_bad_ties: bool = False
    effects: tuple[Effect, ...] = ()
    clustering: Clustering = Clustering.AUTO
    since: date | None = None

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
        effects: str = "",
        cluster: str = "",
        since: str = "",
        today: date | None = None,
    ) -> Self:
        """Read the words of a URL or a command line; empty is none. ``style`` and ``effects`` may be ``all``.

        ``since`` is a day, or a number of days before ``today`` (of UTC).

        Raises:
            InvalidInput: a word that this field does not take; the field is named.
        """
        features = ALL_FEATURES if style == "all" else _words(style, "style", StyleFeature)
        chosen = ALL_EFFECTS if effects == "all" else _words(effects, "effects", Effect)
        return cls(
            category=_name(category, "category", LONGEST),
            language=_name(language, "language", LONGEST),
            features=tuple(feature for feature in ALL_FEATURES if feature in features),
            admitted=frozenset(_words(include, "include", Mark)),
            ties=_ties(ties),
            anchor=_name(anchor, "anchor", LONGEST_MODEL),
            both_bad_ties=_both_bad(both_bad),
            effects=tuple(effect for effect in ALL_EFFECTS if effect in chosen),
            clustering=_clustering(cluster),
            since=_day(since, today or datetime.now(UTC).date()),
        )

    @classmethod
    def from_key(cls, key: str) -> Self | None:
        """The query whose ``key`` it is; None for what a worker of another version wrote."""
        try:
            category, language, features, admitted, ties, anchor, both_bad_ties, effects, cluster, since = orjson.loads(
                key
            )
            return cls(
                category=category,
                language=language,
                features=tuple(map(StyleFeature, features)),
                admitted=frozenset(map(Mark, admitted)),
                ties=Ties(ties),
                anchor=anchor,
                both_bad_ties=bool(both_bad_ties),
                effects=tuple(map(Effect, effects)),
                clustering=Clustering(cluster),
                since=None if since is None else date.fromisoformat(since),
            )
        except (ValueError, TypeError):
            return None

    @property
    def key(self) -> str:
        """The same for the same board, and different for another."""
        votes = (self.category, self.language, self.features, sorted(self.admitted))
        figures = (self.ties, self.anchor, self.both_bad_ties, self.effects, self.clustering, self.since)
        return orjson.dumps([*votes, *figures]).decode()

    @property
    def begins_at(self) -> datetime | None:
        """From when on votes count."""
        return None if self.since is None else datetime(*self.since.timetuple()[:3], tzinfo=UTC)

    @property
    def rules(self) -> Rules:
        """How such a board is ranked."""
        since = None if self.begins_at is None else self.begins_at.timestamp()
        selection = Selection(self.category, self.language, self.admitted, since)
        return Rules(
            self.ties,
            Gauge(anchor=self.anchor),
            self.features,
            selection,
            effects=self.effects,
            clustering=self.clustering,
        )


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


def _clustering(text: str) -> Clustering:
    try:
        return Clustering(text.strip() or Clustering.AUTO)
    except ValueError:
        known = ", ".join(Clustering)
        raise InvalidInput(f"cluster is one of {known}; {text[:LONGEST]!r} is none", field="cluster") from None


def _day(text: str, today: date) -> date | None:
    try:
        return parse_day(text, today) if text.strip() else None
    except ValueError as error:
        raise InvalidInput(f"since {error}; {text[:LONGEST]!r} is neither", field="since") from None


def _words(text: str, field: str, kind: type[_Word]) -> tuple[_Word, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [str(member) for member in kind]
    for word in words:
        if word not in known:
            raise InvalidInput(f"{field} is a list of {', '.join(known)}; {word[:LONGEST]!r} is none", field=field)
    return tuple(kind(word) for word in words)
