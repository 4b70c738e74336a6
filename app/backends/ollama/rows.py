"""Ollama's JSON, read so that one odd value costs a default and never what stands beside it.

Servers that speak Ollama's API without being Ollama, proxies and other versions leave fields out, write null, or write
``12.0`` where Ollama writes ``12``. A field that is absent has its default and is no matter. One that has another
type than Ollama's has its default, too, and is noted; a row without a name is skipped and noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from app.backends.base import InstalledModel, LoadedModel
from app.backends.values import kind_of, whole

_LONGEST_NAME = 600
_MOST_ODD = 20

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that is not as Ollama writes it. ``place`` counts from 1; ``name`` is empty when it has none.

    ``fields`` say what is odd, in words and without the values; a ``skipped`` row is not used at all.
    """

    place: int
    name: str
    fields: tuple[str, ...]
    skipped: bool = False


def installed_models(rows: Sequence[object]) -> tuple[tuple[InstalledModel, ...], tuple[OddRow, ...]]:
    """The rows of ``/api/tags``, and what is odd about them."""
    return _read(rows, _installed)


def loaded_models(rows: Sequence[object]) -> tuple[tuple[LoadedModel, ...], tuple[OddRow, ...]]:
    """The rows of ``/api/ps``, and what is odd about them."""
    return _read(rows, _loaded)


class _Row:
    """The fields of one row by name; ``odd`` gathers what is not as expected."""

    def __init__(self, row: dict[str, object], prefix: str = "") -> None:
        self._row = row
        self._prefix = prefix
        self.odd: list[str] = []

    def raw(self, name: str) -> object:
        """The value as it is; None when it is absent."""
        return self._row.get(name)

    def is_odd(self, name: str, what: str = "") -> None:
        """Note that a field is not as expected."""
        self.odd.append(f"{self._prefix}{name} is {what or kind_of(self._row.get(name))}")

    def name(self) -> str:
        """The model's name; empty when the row has none that could be one. Ollama writes it twice."""
        for field in ("name", "model"):
            value = self._row.get(field)
            if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= _LONGEST_NAME:
                return value
        self.is_odd("name", "no model's name" if isinstance(self._row.get("name"), str) else self._missing("name"))
        return ""

    def text(self, name: str) -> str:
        """A string; empty when it is absent or odd."""
        value = self._row.get(name, "")
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode()
        self.is_odd(name)
        return ""

    def count(self, name: str) -> int | None:
        """A whole number from 0 on; None when it is absent or odd."""
        if name not in self._row:
            return None
        value = self._row[name]
        number = whole(value)
        if number is None or number != value:
            outside = isinstance(value, int | float) and not isinstance(value, bool)
            self.is_odd(name, "no whole number from 0 to 2**63 - 1" if outside else "")
        return number

    def words(self, name: str) -> tuple[str, ...]:
        """A list of strings; without those that are none."""
        value = self._row.get(name, [])
        items = value if isinstance(value, list) else []
        found = tuple(item.encode("utf-8", "replace").decode() for item in items if isinstance(item, str))
        if not isinstance(value, list):
            self.is_odd(name)
        elif len(found) < len(items):
            self.is_odd(name, "a list of more than strings")
        return found

    def inner(self, name: str) -> _Row:
        """An object within the row; an empty one when it is absent or odd."""
        value = self._row.get(name, {})
        if not isinstance(value, dict):
            self.is_odd(name)
        return _Row(value if isinstance(value, dict) else {}, f"{name}.")

    def _missing(self, name: str) -> str:
        return kind_of(self._row[name]) if name in self._row else "missing"


def _read(rows: Sequence[object], model: Callable[[_Row, str], _V]) -> tuple[tuple[_V, ...], tuple[OddRow, ...]]:
    models: list[_V] = []
    odd: list[OddRow] = []
    for place, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            odd.append(OddRow(place, "", (f"it is {kind_of(row)}",), skipped=True))
            continue
        fields = _Row(row)
        name = fields.name()
        if name:
            models.append(model(fields, name))
        if fields.odd:
            odd.append(OddRow(place, name, tuple(fields.odd), skipped=not name))
    return tuple(models), tuple(odd[:_MOST_ODD])


def _installed(row: _Row, name: str) -> InstalledModel:
    details = row.inner("details")
    family, quantization = details.text("family"), details.text("quantization_level")
    row.odd += details.odd
    capabilities = row.words("capabilities")
    # Servers that don't list capabilities yet still name the family, and all of BERT's only embed.
    if not capabilities and "bert" in family:
        capabilities = ("embedding",)
    # Whatever is said of another machine, the model is not taken to run on this one.
    remote = [bool(row.raw(field)) for field in ("remote_model", "remote_host")]
    for field in ("remote_model", "remote_host"):
        row.text(field)
    return InstalledModel(name, row.count("size") or 0, row.text("digest"), quantization, capabilities, any(remote))


def _loaded(row: _Row, name: str) -> LoadedModel:
    size, vram = row.count("size") or 0, row.count("size_vram")
    expires_at = row.text("expires_at")
    leaves = unix_time(expires_at)
    if expires_at and leaves is None and not expires_at.startswith("0001-"):
        row.is_odd("expires_at", "no time")
    # A server that does not say where a model lies is not taken to have it on the CPU: that would make it load again.
    length, digest = row.count("context_length"), row.text("digest")
    return LoadedModel(name, size, size if vram is None else vram, length, leaves, digest=digest)


def unix_time(text: str) -> float | None:
    """Read Go's RFC 3339 with up to nine digits; Python takes six. None for Go's zero time, and when it is no time."""
    try:
        seconds = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
