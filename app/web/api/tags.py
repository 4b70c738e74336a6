"""What an opener may say of his message: its language and its categories."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from app.errors import InvalidInput
from app.records.languages import language_code

_CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def checked_language(given: str | None) -> str | None:
    """The ISO 639 code of a language that is given as such or by its English name; None if none is given.

    Raises:
        InvalidInput: it is neither.
    """
    code = language_code(given or "")
    if code and not _CODE.fullmatch(code):
        raise InvalidInput("language is a code of ISO 639 such as en, or left out", field="language")
    return code or None


def checked_categories(given: Sequence[str] | None, known: Collection[str]) -> tuple[str, ...] | None:
    """The categories that are given, once each; None if nothing is. Where none are configured, any word is one.

    Raises:
        InvalidInput: one of them is not among those that are configured, or no word.
    """
    if given is None:
        return None
    for name in given:
        if known and name not in known:
            listed = ", ".join(sorted(known))
            raise InvalidInput(f"{name[:64]!r} is no category; known are {listed}", field="categories")
        if not _CATEGORY.fullmatch(name):
            raise InvalidInput("a category is a word of a to z, 0 to 9, - and _, at most 64 long", field="categories")
    return tuple(dict.fromkeys(given))
