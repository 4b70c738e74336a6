"""Finds leaks in an answer that arrives in pieces of any size; how it is cut changes nothing.

Names are searched in a normalised copy (``app.leaks.folding``). One is judged when ``AHEAD`` characters of the copy
from its beginning on are there, or the answer has ended, and by those and the ``BEHIND`` characters before it alone. So
no more than ``AHEAD`` characters and a word of ``folding.LONGEST`` are ever held back, and only when masking: from a
name that is not judged yet, or from a last word that may become one.

Once an answer has leaked, masking hides every name of its family and maker. Those it showed before cannot be taken
back: such an answer is ``exposed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.leaks import fields, judging, wording
from app.leaks.folding import Folder
from app.leaks.languages import guards
from app.leaks.masked import Masked
from app.leaks.naming import Names, is_public, names_company, names_of, other_names

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

_ORDINARY = frozenset(
    ("command", "meta", "solar", "granite", "falcon", "dolphin", "mistral", "llama", "phi", "gemma", "yi")
)
_ABOUT_MODELS = re.compile(
    r"\b(?:AI|LLMs?|GPT|chat\s?bots?|(?:language\s+)?models?|KI|\w*modell[eino]?|IA|modèles?|modelos?)\b|模型|人工智能|モデル|모델|модел",
    re.IGNORECASE,
)

_OPENED = re.compile("\\s?[(\uff08]")


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
        self.exposed = False
        self._names = names = names_of(model)
        self._longest = names.longest
        self._asked = prompt_words(names, prompts)
        self._masking = masking
        self._folder = Folder()
        self._search = names.trigger.search
        self._search_ascii = names.ascii_trigger.search
        self._named: set[str] = set()
        self._weighed = 0
        self._text = ""
        self._from = 0  # nothing before it can begin a name any more
        self._pending = -1  # the place of a trigger that waits for more text
        self._dropped = 0  # how much of the copy was before the text
        self._shown_before = False
        self._view = Masked()

    def feed(self, piece: str) -> str:
        """Take the next piece; return what may be shown now: the piece itself unless masking."""
        if self.leaks and not self._masking:
            return piece
        if self._masking:
            self._view.add(piece)
        text = piece
        if self._folder.waits or not text.isascii():
            text = self._fold(text)
        self._text = known = self._text + text
        search = self._search_ascii if known.isascii() else self._search
        if self._pending >= 0 or search(known, self._from) is not None:
            self._scan(False)
        else:
            self._from = max(len(known) - self._longest, self._from)
            if len(known) > _KEPT:
                self._forget()
        return self._view.show(self._place(self._safe())) if self._masking else piece

    def finish(self) -> str:
        """Judge what waits; return what was held back. Nothing may be fed afterwards."""
        if self._masking or not self.leaks:
            self._text += self._fold("", ended=True)
            self._scan(True)
        return self._view.rest() if self._masking else ""

    def _fold(self, piece: str, *, ended: bool = False) -> str:
        return self._folder.fold(piece, self._dropped + len(self._text), self._text[-1:], ended=ended)

    def _place(self, at: int) -> int:
        """Where in the answer the character ``at`` of the kept part of its copy was written."""
        return self._folder.place(self._dropped + at)

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
        search = self._search_ascii if self._text.isascii() else self._search
        found = search(self._text, self._from)
        return None if found is None else found.start()

    def _judge(self, start: int) -> int:
        """Judge the name that may begin at ``start``; return where the next may."""
        window = self._text[max(start - BEHIND, 0) : start + AHEAD]
        place = min(start, BEHIND)
        found = self._names.name.match(window, place)
        if found is None:
            return start + 1
        kind = self._kind(found, window)
        end = start + len(found[0])
        if kind is not None:
            self._leak(kind, found[0], self._place(start), self._place(end - 1) + 1)
        elif (_is_a_name(found[0]) or fields.may_be_value(window[:place])) and not self._is_excused(
            found, _words(self._names, found)
        ):
            self._shown_before = True
        return end

    def _leak(self, kind: Kind, word: str, start: int, end: int) -> None:
        self.exposed = self.exposed or (not self.leaks and self._shown_before)
        written = self._view.text(start, end) if self._masking else word
        self.leaks.append(Leak(kind, self._names.family, written, start))
        self._view.mask(start, end, MASKS[kind])

    def _kind(self, found: re.Match[str], window: str) -> Kind | None:
        """What leaks there, if anything."""
        words = _words(self._names, found)
        group = found.lastgroup
        if group == "token":
            return None if words & self._asked.words else "token"
        if self._is_excused(found, words):
            if not self.leaks or not self._is_self_described(found, window):
                return None
        elif self._is_certain(found, window) or words <= self._named or self._is_self_described(found, window):
            self._named |= words
        elif not self.leaks or not _is_a_name(found[0]):
            return None
        return "maker" if group == "maker" else "name"

    def _is_certain(self, found: re.Match[str], window: str) -> bool:
        """Whether the name needs no known phrase: an unmistakable one, alone in a sentence about who writes."""
        if found.lastgroup != "sure" or self._asked.topic or self._names.family_unknown:
            return False
        before, after = window[: found.start()], window[found.end() :]
        if is_public(found[0]) or judging.is_tag(found[0], after) or not judging.speaks_of_itself(before, after):
            return False
        return not (
            judging.is_code(before, after)
            or other_names(self._names.families).search(judging.lines_of(before, after)) is not None
        )

    def _is_excused(self, found: re.Match[str], words: set[str]) -> bool:
        """Whether the prompt used the name itself."""
        return words <= self._asked.words and (found.lastgroup != "sure" or self._asked.topic or len(words) > 1)

    def _is_self_described(self, found: re.Match[str], window: str) -> bool:
        self._weighed += 1
        if self._weighed > MOST_WEIGHED:
            return False
        before, after = window[: found.start()], window[found.end() :]
        languages = judging.speakers(before, after)
        if not judging.is_worth_it(before, after, languages) or judging.is_code(before, after):
            return False
        if (
            found.lastgroup != "maker"
            and self._names.families
            and guards.is_listed(other_names(self._names.families), after)
        ):
            return False
        after = _without_alias(self._names, after)
        if self._names.trigger.search(before) is not None:
            before = self._names.name.sub(_nameless, before)
        if (found.lastgroup == "maker" or is_public(found[0]) or names_company(found[0])) and judging.names_maker(
            before, after, languages
        ):
            return True
        return found.lastgroup != "maker" and judging.names_model(before, found[0], after, languages)

    def _safe(self) -> int:
        """How much of the copy can neither be nor become part of a name that is not judged."""
        if self._pending >= 0:
            return self._pending
        names = self._names
        beginning = names.ascii_beginning if self._text.isascii() else names.beginning
        found = beginning.search(self._text, max(len(self._text) - self._longest, 0))
        return len(self._text) if found is None else found.start()

    def _forget(self) -> None:
        """Drop what no later name is judged by, now and then."""
        if len(self._text) <= _KEPT:
            return
        cut = max(self._from - BEHIND - 1, 0)
        self._text = self._text[cut:]
        self._from, self._dropped = self._from - cut, self._dropped + cut


def _is_a_name(word: str) -> bool:
    """Whether readers take it for a model's or a company's name: in small letters, some are ordinary words."""
    return wording.is_capital(word) or word not in _ORDINARY


def _nameless(found: re.Match[str]) -> str:
    """Another word for a model's name, so that "I am Qwen, made by" reads as "I am AI, made by"."""
    return "AI" if found.lastgroup in ("sure", "plain") else found[0]


def _without_alias(names: Names, after: str) -> str:
    """The text after a name without its other name in brackets: ``深度求索 (DeepSeek) 公司``."""
    opened = _OPENED.match(after)
    alias = names.name.match(after, opened.end()) if opened is not None else None
    if alias is None or after[alias.end() : alias.end() + 1] not in (")", "\uff09"):
        return after
    return after[alias.end() + 1 :]


def scan(model: str, text: str, prompts: Iterable[str] = ()) -> list[Leak]:
    """The leaks of a whole answer: all of them."""
    scanner = Scanner(model, prompts, masking=True)
    scanner.feed(text)
    scanner.finish()
    return scanner.leaks
