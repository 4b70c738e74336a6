"""Whether a text shows anything."""

from __future__ import annotations

import pytest

from app.backends.blank import is_blank


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b", "\ufffd", "\ufeff\u2060 ", "\ufffd\n\u200b", "\u3164", "\ufe0f"]
)
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", ".", "🌍", "é", "e\u0301", "是", "\u200bx", "—", "ห้"])
def test_what_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)
