"""Finds leaks in an answer that arrives in pieces of any size; how it is cut changes nothing.

A name is judged when ``AHEAD`` characters from its beginning on are there, or the answer has ended, and by those and
the ``BEHIND`` characters before it alone. So no more than ``AHEAD`` characters are ever held back, and only when
masking: from a name that is not judged yet, or from a last word that may become one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.leaks import wording
from app.leaks.naming import Names, names_of

Kind = Literal["name", "maker", "token"]

AHEAD = 112
"""Characters from a name's first one on that are read."""

BEHIND = 240
"""Characters before a name that are read."""

MOST_WEIGHED = 400
"""Names of an answer whose wording is checked; a model that says one more often than that is caught in a loop."""

_KEPT = 4 * (AHEAD + BEHIND)
MASKS: dict[Kind, str] = {"name": "[model]", "maker": "[maker]", "token": "[token]"}
"""What viewers see instead."""

# A tag ends a sentence, too: what stands in <think> is one of its own.
_SENTENCE_END = re.compile(r"[.!?][)\"'\u201d*_]*\s|[\n。\uff01\uff1f>]")
_ABOUT_MODELS = re.compile(
    r"\b(?:AI|LLMs?|GPT|chat\s?bots?|(?:language\s+)?models?|KI|\w*modell[eino]?|IA|modèles?|modelos?)\b|模型|人工智能|モデル|모델|модел",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Leak:
    """A model or maker that was named: ``word`` as it was written, ``at`` its place in the answer."""

    kind: Kind
    family: str
    word: str
    at: int


@dataclass(frozen=True, slots=True)
class PromptWords:
    """What the prompts named themselves: heads and tokens in lower case, and whether the family is their subject."""

    words: frozenset[str] = frozenset()
    topic: bool = False


def prompt_words(names: Names, prompts: Iterable[str]) -> PromptWords:
    """Read the prompt and the system prompt for names."""
    words: set[str] = set()
    topic = False
    for prompt in prompts:
        starts = [start.start() for start in names.trigger.finditer(prompt)]
        found = [name for start in starts if (name := names.name.match(prompt, start)) is not None]
        for name in found:
            words |= _words(names, name)
        sure = any(name.lastgroup == "sure" for name in found)
        topic = topic or sure or (bool(found) and _ABOUT_MODELS.search(prompt) is not None)
    return PromptWords(frozenset(words), topic)


def _words(names: Names, found: re.Match[str]) -> set[str]:
    """What a name consists of, without its version: the words by which the prompt excuses it."""
    if found.lastgroup == "token":
        return {found[0].lower()}
    return {head.lower() for head in names.heads.findall(found[0])}


class Scanner:
    """Reads one answer of ``model`` to ``prompts``; ``masking`` replaces what leaks in what ``feed`` returns."""

    def __init__(self, model: str, prompts: Iterable[str] = (), *, masking: bool = False) -> None:
        self.leaks: list[Leak] = []
        self._names = names = names_of(model)
        self._search = names.trigger.search
        self._unfinished = names.beginning.search
        self._longest = names.longest
        self._asked = prompt_words(names, prompts)
        self._masking = masking
        self._told: set[str] = set()
        self._weighed = 0
        self._text = ""
        self._from = 0  # nothing before it can begin a name any more
        self._pending = -1  # the place of a trigger that waits for more text
        self._shown = 0  # what of the text was returned
        self._dropped = 0  # how much of the answer was before the text
        self._masks: list[tuple[int, int, str]] = []

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown now: the piece itself unless masking."""
        if self.leaks and not self._masking:
            return text
        self._text = known = self._text + text
        if self._pending >= 0 or self._search(known, self._from) is not None:
            self._scan(False)
        else:
            self._from = max(len(known) - self._longest, self._from)
            if len(known) > _KEPT and not self._masking:
                self._forget()
        return self._show(self._safe()) if self._masking else text

    def finish(self) -> str:
        """Judge what waits; return what was held back. Nothing may be fed afterwards."""
        if self._masking or not self.leaks:
            self._scan(True)
        return self._show(len(self._text)) if self._masking else ""

    def _scan(self, ended: bool) -> None:
        """Judge every name that can be judged."""
        size = len(self._text)
        while (start := self._next()) is not None:
            if size - start < AHEAD and not ended:
                self._pending = start
                return
            self._pending = -1
            self._from = self._judge(start)
            if self.leaks and not self._masking:
                return
        self._from = max(self._from, size - self._longest)
        self._forget()

    def _next(self) -> int | None:
        if self._pending >= 0:
            return self._pending
        found = self._search(self._text, self._from)
        return None if found is None else found.start()

    def _judge(self, start: int) -> int:
        """Judge the name that may begin at ``start``; return where the next may."""
        window = self._text[max(start - BEHIND, 0) : start + AHEAD]
        place = min(start, BEHIND)
        found = self._names.name.match(window, place)
        if found is None:
            return start + 1
        kind = self._kind(found, window)
        if kind is not None:
            self.leaks.append(Leak(kind, self._names.family, found[0], self._dropped + start))
            self._masks.append((start, start + len(found[0]), MASKS[kind]))
        return start + len(found[0])

    def _kind(self, found: re.Match[str], window: str) -> Kind | None:
        """What leaks there, if anything."""
        words = _words(self._names, found)
        group = found.lastgroup
        if group == "token":
            return None if words & self._asked.words else "token"
        if words <= self._asked.words and (group != "sure" or self._asked.topic or len(words) > 1):
            return None
        if group == "sure" and not (self._asked.topic or self._names.stranger):
            self._told |= words
            return "name"
        if words <= self._told or self._is_self_described(found, window):
            self._told |= words
            return "maker" if group == "maker" else "name"
        return None

    def _is_self_described(self, found: re.Match[str], window: str) -> bool:
        self._weighed += 1
        if self._weighed > MOST_WEIGHED:
            return False
        before, after = _sentence(window[: found.start()]), window[found.end() :]
        if found.lastgroup == "maker":
            return wording.tells_maker(self._names.name.sub(_nameless, before), after)
        return wording.tells_name(before, found[0], after)

    def _safe(self) -> int:
        """How much of the text can neither be nor become part of a name that is not judged."""
        if self._pending >= 0:
            return self._pending
        found = self._unfinished(self._text, max(len(self._text) - self._longest, self._shown))
        return len(self._text) if found is None else found.start()

    def _show(self, end: int) -> str:
        """Return the text up to ``end`` that was not shown, masked."""
        parts = []
        while self._masks and self._masks[0][0] < end:
            start, stop, mask = self._masks.pop(0)
            parts += [self._text[self._shown : start], mask]
            self._shown = stop
        rest = self._text[self._shown : end]
        self._shown = end
        if self._pending < 0:
            self._forget()
        return "".join([*parts, rest]) if parts else rest

    def _forget(self) -> None:
        """Drop what no later name is judged by, now and then."""
        if len(self._text) <= _KEPT:
            return
        cut = min(self._from - BEHIND - 1, self._shown if self._masking else self._from)
        self._text = self._text[cut:]
        self._from, self._shown, self._dropped = self._from - cut, self._shown - cut, self._dropped + cut
        self._masks = [(start - cut, stop - cut, mask) for start, stop, mask in self._masks]


def _nameless(found: re.Match[str]) -> str:
    """Another word for a model's name, so that "I am Qwen, made by" reads as "I am AI, made by"."""
    return "AI" if found.lastgroup in ("sure", "plain") else found[0]


def _sentence(before: str) -> str:
    """What stands before a name in its own sentence."""
    ends = [end.end() for end in _SENTENCE_END.finditer(before)]
    return before[ends[-1] :] if ends else before


def scan(model: str, text: str, prompts: Iterable[str] = ()) -> list[Leak]:
    """The leaks of a whole answer: all of them."""
    scanner = Scanner(model, prompts, masking=True)
    scanner.feed(text)
    scanner.finish()
    return scanner.leaks
