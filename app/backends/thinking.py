"""Takes what a model thought out of an answer that arrives in pieces of any size.

Servers that know a model's thinking format send it apart; with others the tags stand in the answer's text. Thinking is
what stands at the very beginning of an answer, or what the model's template opened before the first token: then only
the closing tag comes, on a line of its own or glued to the last thought. A tag that a fence, a code span or a sentence
quotes is text. A block that is not closed hides everything after it.

The tags are those of the models' own templates: Qwen and DeepSeek (think), Magistral ([THINK]), gpt-oss (harmony's
channels), Gemma (channel), Cohere (START_THINKING), Apertus (inner_prefix), Seed (seed:think), Kimi (◁think▷).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_XML = ("think", "thinking", "thought", "seed:think")
_PAIRS: tuple[tuple[str, str], ...] = (
    *((f"<{name}>", f"</{name}>") for name in _XML),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis", "<|channel|>final<|message|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
_MARKERS = (
    "<|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
    "<|START_RESPONSE|>",
    "<|begin_of_solution|>",
)
"""What some formats put between the thinking and the answer: dropped at the beginning."""

_CLOSE_OF = {opening.casefold(): closing for opening, closing in _PAIRS}
_CLOSINGS = tuple(dict.fromkeys(closing for _, closing in _PAIRS))
_AT_BEGINNING = (*_CLOSE_OF, *(mark.casefold() for mark in (*_MARKERS, *_CLOSINGS)))
_LONGEST = max(map(len, _AT_BEGINNING))


def _any_of(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(tag) for tag in sorted(tags, key=len, reverse=True)), re.IGNORECASE)


_OPENING = _any_of(tuple(opening for opening, _ in _PAIRS))
_CLOSING = _any_of(_CLOSINGS)
_MARKER = _any_of((*_MARKERS, *_CLOSINGS))
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_OPENED_LINE = re.compile(rf"^[ \t]*(?:{_OPENING.pattern})", re.MULTILINE | re.IGNORECASE)
_BLANK_LINE = re.compile(r"[ \t]*\r?\n[ \t]*\r?\n")
_STARTS = ("<", "[", "◁")
"""What every tag begins with."""
_START = re.compile(r"[<\[◁]")
_FOLDED_CLOSINGS = tuple(tag.casefold() for tag in _CLOSINGS)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is now known to be visible; ``thought`` when the model was thinking in it.

    With ``restart`` all that was visible before was thinking: ``text`` is the beginning of the answer.
    """

    text: str = ""
    thought: bool = False
    restart: bool = False


class ThinkFilter:
    """The visible part of an answer; ``feed`` in any pieces gives the same text.

    With ``opened`` the model's template is known to open the thinking: nothing is visible until it is closed, and
    all of it if it never is. ``template_opens`` is true once an answer has shown that its template does.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self.template_opens = False
        self._opened = opened
        self._closing = ""
        self._pending = ""
        self._begun = False
        self._trim = False
        self._written: list[str] = []

    def passes(self, text: str) -> bool:
        """Whether ``text`` is all visible and nothing is held back: then its pieces need not be fed one by one."""
        return self._begun and not self._pending and not any(start in text for start in _STARTS)

    def feed(self, text: str) -> Sifted:
        """Take the next piece of the answer."""
        if self.passes(text):
            self._written.append(text)
            return Sifted(text)
        return self._sifted(self._pending + text, final=False)

    def finish(self) -> Sifted:
        """Take the end: the beginning of a tag that never came is text, a block that is not closed is none."""
        self._opened, opened = False, self._opened
        return self._sifted(self._pending, final=True) if self._pending or opened else Sifted()

    def _sifted(self, rest: str, *, final: bool) -> Sifted:
        thought = False
        while self._closing or not self._begun:
            if self._closing:
                thought, (inside, rest) = True, self._after_block(rest, final=final)
                if inside:
                    self._pending = "" if final else rest
                    return Sifted("", thought)
            else:
                tagged, rest = self._beginning(rest, final=final)
                if not tagged:
                    break
                thought = True
        return (self._visible if self._begun else self._held)(rest, thought, final=final)

    def _held(self, rest: str, thought: bool, *, final: bool) -> Sifted:
        """Keep ``rest`` until more is known of it; where the template opens the thinking, search for its end."""
        if self._opened:
            found = _orphan(rest, 0, final=final)
            if found is not None and found.closes:
                return self._restarted(rest[found.end :], was_given=False, final=final)
        self._pending = rest
        return Sifted("", thought or (self._opened and bool(rest.strip())))

    def _after_block(self, rest: str, *, final: bool) -> tuple[bool, str]:
        """Whether the block goes on, and what is left to search."""
        for found in re.compile(re.escape(self._closing), re.IGNORECASE).finditer(rest):
            quoted = rest[: found.start()].endswith("`")
            if quoted and found.end() == len(rest) and not final:
                return True, rest[found.start() - 1 :]
            if not (quoted and rest[found.end() :].startswith("`")):
                self._closing, self._trim = "", True
                return False, rest[found.end() :]
        return True, rest[-_LONGEST:]

    def _beginning(self, rest: str, *, final: bool) -> tuple[bool, str]:
        """Whether there is a tag at the beginning, and what follows it; False, too, while that is not known."""
        start = rest.lstrip()
        tag = _OPENING.match(start) or _MARKER.match(start)
        if tag is not None:
            self._trim, self._opened = True, False
            self.template_opens = self.template_opens or tag[0] in _CLOSINGS
            self._closing = _CLOSE_OF.get(tag[0].casefold(), "")
            return True, start[tag.end() :]
        may_be = not start or (start[0] in _STARTS and _begins_a_tag(start.casefold(), _AT_BEGINNING))
        if final or not (may_be or self._opened):
            self._begun = True
            rest = start if self._trim else rest
        return False, rest

    def _visible(self, rest: str, thought: bool, *, final: bool) -> Sifted:
        """Give out ``rest`` but for what may be a closing tag without an opening one."""
        if _CLOSING.search(rest):
            so_far = "".join(self._written)
            found = _orphan(so_far + rest, len(so_far), final=final)
            if found is not None and found.closes:
                return self._restarted((so_far + rest)[found.end :], was_given=bool(so_far), final=final)
            if found is not None:
                return self._given(rest, found.start - len(so_far), thought)
        return self._given(rest, len(rest) if final else len(rest) - _tail(rest), thought)

    def _given(self, rest: str, upto: int, thought: bool) -> Sifted:
        self._pending, text = rest[upto:], rest[:upto]
        self._written.append(text)
        return Sifted(text, thought)

    def _restarted(self, after: str, *, was_given: bool, final: bool) -> Sifted:
        self._written.clear()
        self._begun = self._opened = False
        self._trim = self.template_opens = True
        new = self._sifted(after, final=final)
        return Sifted(new.text, True, was_given or new.restart)


@dataclass(frozen=True, slots=True)
class _Found:
    """A closing tag without an opening one; ``closes`` is False while what follows has to be known first."""

    start: int
    end: int
    closes: bool


def _orphan(text: str, since: int, *, final: bool) -> _Found | None:
    """The first tag from ``since`` on that ends what the template opened, or that may."""
    for found in _CLOSING.finditer(text, since):
        closes = _closes(text[: found.start()], text[found.end() :], found[0], final=final)
        if closes is not False:
            return _Found(found.start(), found.end(), closes is True)
    return None


def _tail(text: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of a closing tag."""
    end = text[-_LONGEST:].casefold()
    starts = (found.start() for found in _START.finditer(end))
    return next((len(end) - at for at in starts if _begins_a_tag(end[at:], _FOLDED_CLOSINGS)), 0)


def _begins_a_tag(text: str, tags: tuple[str, ...]) -> bool:
    return any(tag.startswith(text) for tag in tags)


def _closes(before: str, after: str, tag: str, *, final: bool) -> bool | None:
    """Whether a closing tag without a block ends what the template opened; None: what follows has to be known."""
    line = before[before.rfind("\n") + 1 :]
    if len(_FENCE.findall(before)) % 2 or line.count("`") % 2:
        return False
    if tag.startswith("<|"):
        return True  # a special token of the model, never a word of a sentence
    if not line.strip():
        return _closes_at_line(before, line, after, final=final)
    if line[-1].isspace() or line[-1] in "\"'(“«" or _is_open(_OPENING, before):
        return False
    if _BLANK_LINE.match(after):
        return True
    return None if not final and after.count("\n") < 2 and not after.strip() else False


def _closes_at_line(before: str, line: str, after: str, *, final: bool) -> bool | None:
    if len(line.expandtabs(4)) > 3 or _is_open(_OPENED_LINE, before):
        return False  # indented code, or the end of a block that the answer itself shows
    following = after.lstrip(" \t")
    if not following:
        return True if final else None
    return following[0] in "\r\n" or (following == after and (after[0].isalnum() or after[0] in "*#<"))


def _is_open(opening: re.Pattern[str], before: str) -> bool:
    """Whether the text has opened a block by itself and not closed it."""
    return len(opening.findall(before)) > len(_CLOSING.findall(before))
