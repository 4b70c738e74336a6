"""A phrase is a sentence with ``@`` where the name stands; what is before it ends there, what is after it begins there.

Phrases are matched against a cleaned copy of the text round the name (``app.leaks.context``): in lower case, without
accents and markup, with single spaces and straight apostrophes. ``<word>`` stands for an entry of a vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.leaks.context import Context, LineWords, without_accents
from app.leaks.lazy import LazyPattern

Sentences = tuple[str, ...]

_WORD = re.compile(r"<(\w+)>")
_VOWEL_MARKS = re.compile("\\[[\u064b-\u065f]+\\]\\?|[\u064b-\u065f]+\\??")


@dataclass(frozen=True)
class Phrase:
    """The two sides of a name."""

    before: LazyPattern
    after: LazyPattern

    def fits(self, context: Context) -> bool:
        """Whether the name stands in this phrase there."""
        return self.after.match(context.after) is not None and self.before.search(context.before) is not None


@dataclass(frozen=True)
class Language:
    """``cues``, ``cue`` and ``script`` are looked for first: text that has none of them has none of the phrases.

    ``cues`` are words, or their last two letters (``-im``); ``script`` is searched in text that is not ASCII.
    """

    cues: frozenset[str]
    cue: LazyPattern | None
    script: LazyPattern | None
    names: tuple[Phrase, ...]
    makers: tuple[Phrase, ...]

    def speaks_of_itself(self, line: LineWords) -> bool:
        """Whether the line may hold one of the phrases."""
        if not self.cues.isdisjoint(line.words):
            return True
        if self.script is not None and not line.text.isascii():
            return self.script.search(line.text) is not None
        return self.cue is not None and self.cue.search(line.text) is not None

    def names_model(self, context: Context) -> bool:
        """Whether the text calls itself by that name there."""
        return any(phrase.fits(context) for phrase in self.names)

    def names_maker(self, context: Context) -> bool:
        """Whether the text says there that this company made it."""
        return any(phrase.fits(context) for phrase in self.makers)


def language(
    *, cues: str = "", cue: str = "", script: str = "", names: Sentences, makers: Sentences, words: Mapping[str, str]
) -> Language:
    """A language; ``words`` may use those before them."""
    known: dict[str, str] = {}
    for word, pattern in words.items():
        known[word] = f"(?:{_filled(pattern, known)})"
    return Language(
        cues=frozenset(without_accents(cues).split()),
        cue=_pattern(cue) if cue else None,
        script=_pattern(script) if script else None,
        names=_phrases(names, known),
        makers=_phrases(makers, known),
    )


def _phrases(sentences: Sentences, words: Mapping[str, str]) -> tuple[Phrase, ...]:
    """Phrases of sentences; those that end with the name share one pattern."""
    ends = [_filled(sentence[:-1], words) for sentence in sentences if sentence.endswith("@")]
    others = [_filled(sentence, words).split("@") for sentence in sentences if not sentence.endswith("@")]
    shared = [("|".join(ends), "")] if ends else []
    return tuple(_phrase(before, after) for before, after in [*shared, *others])


def _phrase(before: str, after: str) -> Phrase:
    return Phrase(_pattern(f"(?:{before})$"), _pattern(after))


def _pattern(pattern: str) -> LazyPattern:
    """Phrases may be written with accents and vowel marks; the text they are matched against has none."""
    return LazyPattern(without_accents(_VOWEL_MARKS.sub("", pattern)))


def _filled(pattern: str, words: Mapping[str, str]) -> str:
    return _WORD.sub(lambda word: words[word[1]], pattern)
