"""HTML as text: everything that comes from the document is escaped here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

_CODE = re.compile(r"(`{1,2})(.+?)\1", re.DOTALL)


def element(tag: str, *children: str, **attributes: str) -> str:
    """An element around markup; ``class_`` is ``class`` and ``aria_label`` is ``aria-label``."""
    named = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{named}>{''.join(children)}</{tag}>"


def prose(text: str) -> str:
    """One line of text; what stands between backticks is code."""
    parts = _CODE.split(text)  # text, backticks, code, text, …
    spans = zip(parts[0::3], [*parts[2::3], ""], strict=True)
    return "".join(escape(plain) + (element("code", escape(code)) if code else "") for plain, code in spans)


def paragraphs(text: str) -> str:
    """Text with blank lines between its paragraphs."""
    return "".join(element("p", prose(" ".join(part.split()))) for part in text.split("\n\n") if part.strip())


def sample(value: Any) -> str:
    """An example: JSON, or text as it is."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return element("pre", escape(text), tabindex="0")  # what scrolls must be reached by keyboard


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of markup; nothing without rows."""
    if not rows:
        return ""
    top = element("tr", *(element("th", escape(cell), scope="col") for cell in head))
    body = "".join(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("table", element("thead", top), element("tbody", body))
