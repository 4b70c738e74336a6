"""Schemas in words: ``text``, ``list of BattleLine``, ``"a" or "b"``; a named one is a link to its section."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from app.web.reference.markup import element, prose, table

Json = Mapping[str, Any]

_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
_FORMATS = {"date-time": "time (RFC 3339)"}


def type_of(schema: Json) -> str:
    """What a value is, as markup."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return element("a", escape(name), href=f"#schema-{name}")
    if "const" in schema:
        return element("code", escape(repr(schema["const"]).replace("'", '"')))
    if "enum" in schema:
        return " or ".join(element("code", escape(f'"{value}"')) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(type_of(one) for one in schema[union])
    return _of_kind(schema)


def _of_kind(schema: Json) -> str:
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"{type_of(schema['additionalProperties'])} by name"
    word = _FORMATS.get(schema.get("format", "")) or _WORDS.get(kind, "object" if kind == "object" else "anything")
    return escape(f"{word}{_bounds(schema)}")


def _bounds(schema: Json) -> str:
    known = (("minimum", "from {}"), ("maximum", "to {}"), ("maxLength", "at most {} characters"))
    limits = [words.format(_figure(schema[key])) for key, words in known if key in schema]
    return f" ({', '.join(limits)})" if limits else ""


def _figure(bound: float) -> str:
    return f"{bound:g}" if abs(bound) < 1e6 else str(int(bound))


def section(name: str, schema: Json) -> str:
    """A schema's own section: what it is, and its fields."""
    known = schema.get("properties", {})
    required = set(schema.get("required", ()))
    rows = [
        (
            element("code", escape(field)),
            type_of(part),
            "always" if field in required else "may be left out",
            prose(str(part.get("description", ""))),
        )
        for field, part in known.items()
    ]
    what = "" if known else element("p", type_of(schema))
    described = element("p", prose(str(schema.get("description", ""))))
    fields = table(("field", "type", "present", "meaning"), rows)
    return element("section", element("h3", escape(name)), described, what, fields, id=f"schema-{name}")
