"""The normalised copy of an answer that names are searched in, with the way back to the text as it was written.

Compatibility forms (NFKC: full width, mathematical letters, ligatures) become plain letters. Zero-width characters,
soft hyphens, combining marks and the vowel marks of Arabic are left out. Letters of other alphabets that look like
Latin ones are folded by Unicode's own table (UTS 39, ``look_alikes``) in a word that has Latin letters
too, or nothing but such letters: an ordinary Russian or Greek word stays as it is.

How the text is cut changes nothing: a word with such characters is folded when it is complete, or after ``LONGEST``
characters. Text in ASCII goes through as it is.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

from app.leaks.look_alikes import LOOK_ALIKES

LONGEST = 40
"""Characters of a word that are folded together, counted from its first one that is not ASCII."""

FOREIGN = (
    "\u00aa\u00b5\u00ba\u00c0-\u02af\u0370-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u1d00-\u1dbf\u1e00-\u1fff"
    "\u2c60-\u2d2f\ua4d0-\ua4ff\ua640-\ua69f\ua720-\ua7ff\uab30-\uabbf"
)
"""Letters of alphabets that look-alikes are taken from, as a class of a pattern has them."""
_LEFT_OUT = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\u0300-\u034e\u0350-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0640\u064b-\u065f\u0670"
)
_COMPATIBLE_AT = (
    (0x2070, 0x209F), (0x2100, 0x218F), (0x2460, 0x24FF), (0xFB00, 0xFDFF), (0xFE70, 0xFEFC), (0xFF10, 0xFF5A),
    (0x1D400, 0x1D7FF), (0x1F100, 0x1F1FF),
)  # fmt: skip
_HALF_WIDTH_KANA = "\uff66-\uff9f"


def _compatible() -> dict[str, str]:
    """Characters whose NFKC form is other letters or digits."""
    every = (chr(code) for start, end in _COMPATIBLE_AT for code in range(start, end + 1))
    forms = {character: unicodedata.normalize("NFKC", character).strip("()") for character in every}
    return {one: form for one, form in forms.items() if form != one and form.isalnum()}


_COMPATIBLE = _compatible()
_COMPATIBLE_CLASS = "".join(map(re.escape, _COMPATIBLE))
_ODD_CLASS = f"{FOREIGN}{_LEFT_OUT}{_HALF_WIDTH_KANA}{_COMPATIBLE_CLASS}"
_BLOCK = re.compile(f"[{_ODD_CLASS}][A-Za-z0-9{_ODD_CLASS}]{{0,{LONGEST - 1}}}")
_TO_FOLD = re.compile(f"[{_LEFT_OUT}{_HALF_WIDTH_KANA}{_COMPATIBLE_CLASS}{''.join(map(re.escape, LOOK_ALIKES))}]")
_KANA = re.compile(f"[{_HALF_WIDTH_KANA}]")
_PIECE = re.compile(f"[{_HALF_WIDTH_KANA}]+|.", re.DOTALL)  # a mark of sound belongs to the kana before it
_IS_LEFT_OUT = re.compile(f"[{_LEFT_OUT}]")


class Folder:
    """Folds one answer that arrives in pieces; places are counted from its beginning."""

    def __init__(self) -> None:
        self.waits = False
        self._open = ""
        self._last = ""  # the character before the next one, as it was written
        self._folded = 0
        self._from: list[int] = []  # from this place of the copy on …
        self._shift: list[int] = []  # … the text is so many characters further

    def fold(self, text: str, at: int, last: str, *, ended: bool = False) -> str:
        """The next piece of the copy; a word that is not complete yet waits unless the answer has ``ended``.

        ``at`` is the copy's length so far and ``last`` its last character: ASCII need not come through here.
        """
        raw, self._open = self._open + text, ""
        self._folded, self._last = at, last
        parts: list[str] = []
        at = 0
        for block in _BLOCK.finditer(raw):
            if block.end() == len(raw) and len(block[0]) < LONGEST and not ended:
                self._open = block[0]
                break
            self._take(raw[at : block.start()], parts)
            self._fold_block(block[0], parts)
            at = block.end()
        self._take(raw[at : len(raw) - len(self._open)], parts)
        self.waits = bool(self._open)
        return "".join(parts)

    def place(self, at: int) -> int:
        """Where in the answer the copy's character ``at`` was written."""
        found = bisect_right(self._from, at) - 1
        return at if found < 0 else at + self._shift[found]

    def _take(self, text: str, parts: list[str]) -> None:
        if text:
            parts.append(text)
            self._folded += len(text)
            self._last = text[-1]

    def _fold_block(self, block: str, parts: list[str]) -> None:
        if _TO_FOLD.search(block) is None:
            self._take(block, parts)
            return
        pieces = [(_form(piece), len(piece)) for piece in _PIECE.findall(block)]
        if _is_disguised("".join(form for form, _ in pieces), self._last):
            pieces = [("".join(LOOK_ALIKES.get(one, one) for one in form), size) for form, size in pieces]
        for form, size in pieces:
            parts.append(form)
            self._folded += len(form)
            if len(form) != size:
                self._move(size - len(form))
        self._last = next((form[-1] for form, _ in reversed(pieces) if form), self._last)

    def _move(self, by: int) -> None:
        shift = (self._shift[-1] if self._shift else 0) + by
        if self._from and self._from[-1] == self._folded:
            self._shift[-1] = shift
        else:
            self._from.append(self._folded)
            self._shift.append(shift)


def _form(piece: str) -> str:
    """What one character, or a run of half-width kana, is in the copy."""
    if len(piece) > 1 or _KANA.match(piece):
        return unicodedata.normalize("NFKC", piece)
    return "" if _IS_LEFT_OUT.match(piece) else _COMPATIBLE.get(piece, piece)


def _is_disguised(word: str, before: str) -> bool:
    """Whether look-alikes stand among Latin letters, or make up the whole word."""
    letters = [one for one in word if one.isalpha()]
    if before.isascii() and before.isalpha():
        return True
    if any(one.isascii() for one in letters):
        return True
    return len(letters) >= 3 and all(one in LOOK_ALIKES for one in letters)
