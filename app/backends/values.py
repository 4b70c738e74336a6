"""Values of a server's JSON, read so that one that is odd costs a default and never what stands beside it."""

from __future__ import annotations

import json
import math

_LARGEST = 2**63 - 1
_DIGITS = 20


def decoded(body: bytes) -> object:
    """``body`` as JSON; bytes that are no UTF-8 are replaced, and numbers of any length are read.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        return json.loads(body.decode("utf-8", "replace"), parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None


def whole(value: object) -> int | None:
    """A count: 12, 12.0 and 12.7 are 12; None for what is no number from 0 to 2**63 - 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return None
    return int(value)


def positive(value: object) -> float:
    """A duration or another figure; 0 for what is no finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return 0.0
    return float(min(value, _LARGEST))


def kind_of(value: object) -> str:
    """What a JSON value is, in a word or two."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    kinds: tuple[tuple[type, str], ...] = ((int, "a number"), (float, "a number"), (str, "a string"), (list, "a list"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "an object")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)
