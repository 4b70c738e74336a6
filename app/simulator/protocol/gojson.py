"""Reading JSON as Go's encoding/json does: into typed fields, with the words of its errors.

Keys are found whatever their case, unknown ones are ignored, null leaves a field empty, and what follows the first
value is not read. The texts are those of ``json.Decoder``: ``unexpected EOF``, ``invalid character 'x' looking for
beginning of value``, ``json: cannot unmarshal number into Go struct field ChatRequest.model of type string``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final, NoReturn


class GoJsonError(ValueError):
    """The text of Go's own error."""


_EXPECTED: Final = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}
_NAMES: Final = ((bool, "bool"), (int, "number"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))


def _no_constant(name: str) -> NoReturn:
    """Python would read NaN and Infinity, which are not JSON."""
    if name.startswith("-"):
        raise GoJsonError(f"invalid character '{name[1]}' in numeric literal")
    raise GoJsonError(f"invalid character '{name[0]}' looking for beginning of value")


def _number(text: str) -> int | float:
    """A number that a float64 can hold."""
    if math.isinf(value := float(text)):
        raise GoJsonError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return int(text) if text.lstrip("-").isdigit() else value


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_number, parse_int=_number)


def go_loads(body: bytes) -> object:
    """The first JSON value of a body; raises GoJsonError."""
    text = body.decode("utf-8", "replace")
    stripped = text.lstrip(" \t\r\n")
    try:
        value, _ = _DECODER.raw_decode(stripped)
    except json.JSONDecodeError as error:
        raise GoJsonError(_words(stripped, error)) from None
    except RecursionError:
        raise GoJsonError("exceeded max depth") from None
    return value


def _words(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    where = next(
        (go for python, go in _EXPECTED.items() if error.msg.startswith(python)), "looking for beginning of value"
    )
    shown = text[error.pos].encode("unicode_escape").decode()
    return f"invalid character '{shown}' {where}"


def go_type(value: object) -> str:
    """What Go calls a JSON value."""
    return next(name for kind, name in _NAMES if isinstance(value, kind))


class Fields:
    """The fields of one JSON object, read by name and Go type; ``struct`` is Go's name of the whole.

    Every method raises GoJsonError when the value has another type.
    """

    def __init__(self, value: object, struct: str, path: str = "") -> None:
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise GoJsonError(f"json: cannot unmarshal {go_type(value)} into Go value of type api.{struct}")
        self._struct = struct
        self._path = path
        self._values = {key.lower(): item for key, item in value.items()}

    def raw(self, name: str) -> object:
        """The value as it is; None when it is absent or null."""
        return self._values.get(name)

    def text(self, name: str) -> str:
        """A string; empty when absent."""
        value = self.raw(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, value, "string")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """A boolean."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, value, "bool")
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """An integer."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, value, "int")
        if not -(2**63) <= value < 2**63:
            raise self._wrong(name, value, "int")
        return value

    def number(self, name: str, default: float | None = None) -> float | None:
        """A number."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, value, "float64")
        return float(value)

    def objects(self, name: str, item_type: str) -> list[Fields]:
        """A list of objects."""
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, value, f"[]{item_type}")
        for item in value:
            if item is not None and not isinstance(item, dict):
                raise self._wrong(name, item, item_type)
        return [Fields(item, self._struct, f"{self._path}{name}.") for item in value]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._wrong(name, value, "[]string")
        for item in value:
            if item is not None and not isinstance(item, str):
                raise self._wrong(name, item, "string")
        return tuple(item or "" for item in value)

    def mapping(self, name: str) -> Mapping[str, object]:
        """An object with whatever in it."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(name, value, "map[string]interface {}")
        return value

    def _wrong(self, name: str, value: object, wanted: str) -> GoJsonError:
        field = f"{self._struct}.{self._path}{name}"
        found = go_type(value)
        if found == "number" and wanted == "int":
            found = f"number {value}"  # Go names the value only when a number was right in kind
        return GoJsonError(f"json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")
