"""Whether a text shows anything to its reader."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
"""Unicode's general categories without a shape: controls, formats (U+200B), unassigned and private ones, spaces."""

_BLANK_LETTERS = frozenset("\ufffd\u115f\u1160\u3164\uffa0\u2800")
"""The replacement character, which stands for bytes that were no text, and characters that are drawn as nothing."""


def is_blank(text: str) -> bool:
    """Whether nothing in ``text`` can be seen; a mark (an accent, a variation selector) alone is nothing, too."""
    return all(
        char in _BLANK_LETTERS or (kind := unicodedata.category(char)) in _UNSEEN or kind.startswith("M")
        for char in text
    )
