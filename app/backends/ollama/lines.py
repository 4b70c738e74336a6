"""Ollama's answer: newline-delimited JSON, one line per token, the last with ``done: true``.

The last line carries six figures, durations in whole nanoseconds; a figure that is zero is left out. A stream that
ends without ``done: true`` has failed: Ollama stops in silence when a model repeats itself or its process ends.
Other servers that speak this API write null or ``12.0``: that is a figure like any other, or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

import orjson
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from app.backends.base import BackendError, Chunk, Faulted, ServerTiming, ToolCall, cut_off
from app.backends.ollama.failures import by_text, error_text
from app.backends.tool_calls import MOST_CALLS, new_call_id
from app.backends.values import positive, whole
from app.backends.visible import VisibleText

MAX_LINE = 1024 * 1024
_NS = 1e-9


class _Message(TypedDict, total=False):
    content: str | None
    thinking: str | None
    tool_calls: object


class Line(TypedDict, total=False):
    """One line as far as the arena reads it; null is as good as nothing, and a figure may be anything."""

    message: _Message | None
    done: bool | None
    done_reason: str | None
    error: str | None
    total_duration: object
    load_duration: object
    prompt_eval_count: object
    prompt_eval_duration: object
    eval_count: object
    eval_duration: object


_LINE = TypeAdapter(Line)


def timing_of(line: Line) -> ServerTiming:
    """The six figures of the last line, in seconds and tokens; 0 for one that is absent or no number."""
    return ServerTiming(
        total_s=positive(line.get("total_duration")) * _NS,
        load_s=positive(line.get("load_duration")) * _NS,
        prompt_tokens=whole(line.get("prompt_eval_count")) or 0,
        prompt_s=positive(line.get("prompt_eval_duration")) * _NS,
        tokens=whole(line.get("eval_count")) or 0,
        decode_s=positive(line.get("eval_duration")) * _NS,
    )


class AnswerFold:
    """Folds the bytes of one answer into chunks; see ``app.backends.following.Fold``.

    Content is gathered line by line. ``template_opens`` says that the model's template is known to open its thinking.
    """

    complete = False
    """Nothing follows the last line."""

    def __init__(self, *, template_opens: bool = False) -> None:
        self.failure: BackendError | None = None
        self._tail = b""
        self._visible = VisibleText(template_opens=template_opens)
        self._last: Line | None = None
        self._calls: list[ToolCall] = []
        self._given = 0

    @property
    def started(self) -> bool:
        """Whether text was given out, or a call came."""
        return self._visible.started or bool(self._calls)

    @property
    def template_opens(self) -> bool:
        """Whether this answer has shown that the model's template opens its thinking."""
        return self._visible.template_opens

    def feed(self, data: bytes) -> Chunk | None:
        """Merge all whole lines of ``data`` into one chunk; None when they say nothing."""
        lines = (self._tail + data).split(b"\n")
        self._tail = lines.pop()
        for raw in lines:
            if raw:
                self._line(raw)
        if len(self._tail) > MAX_LINE:
            self._fail(f"a line of more than {MAX_LINE} bytes")
        return self._chunk()

    def end(self, cause: Exception | None) -> Chunk | None:
        """Take the end of the connection: a last line may lack its newline; else ``failure`` is set."""
        tail, self._tail = self._tail, b""
        if tail and _whole(tail):
            self._line(tail)
        if self._last is None and self.failure is None:
            self.failure = cut_off(cause, "done: true", started=self._has_begun())
        return self._chunk()

    def _line(self, raw: bytes) -> None:
        if self.failure is not None or self._last is not None:
            return
        try:
            line = _LINE.validate_json(raw)
        except ValidationError:
            if not raw.isspace():
                self._reported(raw)
            return
        if (error := line.get("error")) is not None:
            self._fail(error)
            return
        message = line.get("message")
        if message:
            if message.get("thinking"):
                self._visible.thinks()
            if content := message.get("content"):
                self._visible.add(content)
            if calls := message.get("tool_calls"):
                self._calls.extend(_calls(calls))
        if len(self._calls) > MOST_CALLS:
            self._fail("sent more function calls than an answer may have")
        elif line.get("done"):
            self._finish(line)

    def _finish(self, line: Line) -> None:
        if line.get("done_reason") not in ("stop", "length"):
            self._fail(f"ended with done_reason {line.get('done_reason')!r}")
            return
        self._last = line

    def _chunk(self) -> Chunk | None:
        called, self._given = len(self._calls) > self._given, len(self._calls)
        chunk = replace(self._visible.take(final=self._last is not None), calling=called)
        if self._last is not None:
            reason = cast(Literal["stop", "length"], self._last.get("done_reason"))
            return replace(chunk, finish_reason=reason, timing=timing_of(self._last), calls=tuple(self._calls))
        return chunk if chunk.text or chunk.thinking or chunk.calling else None

    def _has_begun(self) -> bool:
        return self._visible.settle() or bool(self._calls)

    def _reported(self, raw: bytes) -> None:
        """A line that is not one of an answer: an error in another form, or nonsense."""
        self._fail(error_text(raw) or "sent a line that is not Ollama's JSON: is this the address of an Ollama server?")

    def _fail(self, text: str) -> None:
        if self._has_begun():
            self.failure = Faulted((error_text(text) or text)[:500])
        else:
            self.failure = by_text(text)


def _calls(value: object) -> Iterator[ToolCall]:
    """The calls of functions in a line: each is whole, its arguments are an object, and it may lack an id."""
    for one in value if isinstance(value, list) else ():
        function = one.get("function") if isinstance(one, dict) else None
        if isinstance(function, dict) and isinstance(name := function.get("name"), str) and name:
            id_ = one.get("id")
            arguments = orjson.dumps(function.get("arguments") or {}).decode()
            yield ToolCall(id_ if isinstance(id_, str) and id_ else new_call_id(), name, arguments)


def _whole(raw: bytes) -> bool:
    try:
        _LINE.validate_json(raw)
    except ValidationError:
        return False
    return True
