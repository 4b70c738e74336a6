"""The kinds of text that requests bear, checked the same way everywhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, StrictStr


def _storable(text: str) -> str:
    """Trimmed, not empty, and text that every database and log can hold."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be valid Unicode, without lone surrogates")
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _blank_is_none(text: object) -> object:
    return None if isinstance(text, str) and not text.strip() else text


Text = Annotated[StrictStr, AfterValidator(_storable)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]

#: Native paths take battle ids only; anything else can't be one.
BattleId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]
