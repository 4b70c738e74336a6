"""Calls of functions, gathered from the deltas of a stream.

``delta.tool_calls`` is a list of parts. A part belongs to the call of its ``index``; the first one of a call has the
``id`` and the function's ``name``, the others have pieces of ``arguments``. Servers that write each call whole leave
the index out or give all the same one, so a part with another id begins another call.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex

from app.backends.base import Chunk, GenerationRequest, ToolCall

MOST_CALLS = 128
LARGEST = 1024 * 1024
"""Characters of all arguments of an answer together."""


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


def new_call_id() -> str:
    """An id for a call that its server gave none."""
    return f"call_{token_hex(8)}"


def calls_of(request: GenerationRequest, last: Chunk) -> tuple[ToolCall, ...]:
    """The functions that an answer calls, by its ``last`` chunk; who was offered none can't call any."""
    return () if request.tools is None else last.calls


class GatheredCalls:
    """The calls of one answer."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[object, _Call] = {}
        self._size = 0
        self._grown = False

    @property
    def begun(self) -> bool:
        """Whether there is any."""
        return bool(self._calls)

    def add(self, parts: object) -> bool:
        """Take the parts of one delta; False when they are too much."""
        for part in parts if isinstance(parts, list) else ():
            function = part.get("function") if isinstance(part, dict) else None
            if isinstance(function, dict):
                self._add(part, function)
        return len(self._calls) <= MOST_CALLS and self._size <= LARGEST

    def grown(self) -> bool:
        """Whether something came since this was asked last."""
        grown, self._grown = self._grown, False
        return grown

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls that have a name, in order."""
        named = [call for call in self._calls if call.name]
        return tuple(ToolCall(call.id or new_call_id(), call.name, call.arguments or "{}") for call in named)

    def _add(self, part: dict[str, object], function: dict[str, object]) -> None:
        call = self._call_of(part.get("index"), _text(part.get("id")))
        call.name = call.name or _text(function.get("name"))
        arguments = _text(function.get("arguments"))
        call.arguments += arguments
        self._size += len(arguments)
        self._grown = True

    def _call_of(self, index: object, id_: str) -> _Call:
        key = index if isinstance(index, int) else None
        call = self._by_index.get(key)
        if call is None or (id_ and call.id and id_ != call.id):
            call = _Call(id_)
            self._calls.append(call)
            self._by_index[key] = call
        call.id = call.id or id_
        return call


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
