"""Takes ``<think>…</think>`` out of an answer that arrives in pieces of any size.

Servers that know a model's thinking format send it apart; with others the tags stand in the answer's text.
What a model thought is never shown, so a block that is not closed hides everything after it.
"""

from __future__ import annotations

OPEN = "<think>"
CLOSE = "</think>"


def _held(text: str, tag: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of ``tag``."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-size:]):
            return size
    return 0


class ThinkFilter:
    """The visible part of an answer; ``feed`` in any pieces gives the same text."""

    def __init__(self) -> None:
        self._inside = False
        self._pending = ""
        self._shown = False
        self._trim = False

    def passes(self, text: str) -> bool:
        """Whether ``text`` is all visible and nothing is held back: then its pieces need not be fed one by one."""
        return not self._inside and not self._pending and not self._trim and "<" not in text

    def feed(self, text: str) -> tuple[str, bool]:
        """Return what of ``text`` is now known to be visible, and whether the model was thinking in it."""
        if self.passes(text):
            self._shown = self._shown or bool(text)
            return text, False
        return self._split(self._pending + text)

    def finish(self) -> str:
        """Return what was held back at the end: the beginning of a tag that never came is text."""
        rest = "" if self._inside else self._pending
        self._pending = ""
        return self._visible(rest)

    def _split(self, rest: str) -> tuple[str, bool]:
        shown: list[str] = []
        thought = self._inside
        while True:
            tag = CLOSE if self._inside else OPEN
            before, found, after = rest.partition(tag)
            if not found:
                break
            if not self._inside:
                shown.append(self._visible(before))
            self._inside = not self._inside
            self._trim = not self._inside
            thought, rest = True, after
        held = _held(rest, tag)
        self._pending = rest[len(rest) - held :]
        if not self._inside:
            shown.append(self._visible(rest[: len(rest) - held]))
        return "".join(shown), thought

    def _visible(self, text: str) -> str:
        """Drop the blank lines between a block and the answer, when nothing was shown before."""
        if self._trim and not self._shown:
            text = text.lstrip()
        if text:
            self._shown, self._trim = True, False
        return text
