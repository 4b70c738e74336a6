"""Names of models that are what they look like: one must not pass for another, draw over a table, or be a formula."""

from __future__ import annotations


def is_plain_name(name: str) -> bool:
    """Whether a name is what it looks like: no line breaks, invisible signs, overrides of direction, stray blanks."""
    return bool(name) and name.isprintable() and name == name.strip() and "  " not in name


def visible(name: str) -> str:
    """The name with what can't be seen as escapes, in quotes where blanks would mislead; a plain one as it is."""
    if is_plain_name(name):
        return name
    seen = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in name)
    return seen if is_plain_name(seen) else f'"{seen}"'


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a text begins that a spreadsheet may take for a formula (OWASP, CSV injection), also in its full-width forms."""


def harmless(cell: str) -> str:
    """A text for a cell of CSV; what a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
