"""One answer of a chat-completions server, from bytes to chunks.

What is true of all these servers, and of nothing that the format's own description says:

- An answer is whole when its choice has a ``finish_reason`` of ``stop``, ``length``, ``tool_calls`` or
  ``content_filter`` and no error came. ``[DONE]`` proves nothing: vLLM, SGLang and TGI send it after an error,
  llama-server ends without it. Other reasons (``abort`` of a vLLM that is put to sleep, ``repetition``) are failures.
- A response of 200 may be an error: an overloaded vLLM or SGLang says so in the first frame.
- Figures come after the ``finish_reason`` or with it, in a frame whose ``choices`` are empty.
- Text is ``delta.content`` if it is a string with something in it: null, ``""``, an empty delta and no delta at all are
  usual. Thinking that is sent apart is ``reasoning`` or ``reasoning_content``.
- The call of a function comes whole or in pieces, its arguments a few characters at a time; it is given out at the end.
- ``model`` is never who wrote it: vLLM and llama-server write their own first name there, whatever was asked for.
"""

from __future__ import annotations

from dataclasses import replace

import orjson

from app.backends.base import BackendError, Chunk, Faulted, FinishReason, cut_off
from app.backends.openai.failures import ErrorObject, by_error, error_object
from app.backends.openai.figures import timing_of
from app.backends.openai.frames import MAX_FRAME, Frame, FrameReader
from app.backends.tool_calls import GatheredCalls
from app.backends.values import decoded
from app.backends.visible import VisibleText

_SUCCESS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "stop",
}
_REASONING = ("reasoning_content", "reasoning")


class ChatFold:
    """Folds the bytes of one answer into chunks; see ``app.backends.following.Fold``.

    With ``drops_nameless_reasoning`` thinking in frames without ``id`` and ``model`` is none: llama-swap writes its
    loading messages like that.
    """

    def __init__(self, *, template_opens: bool = False, drops_nameless_reasoning: bool = False) -> None:
        self.failure: BackendError | None = None
        self._visible = VisibleText(template_opens=template_opens)
        self._frames = FrameReader()
        self._calls = GatheredCalls()
        self._drops_nameless = drops_nameless_reasoning
        self._reason = ""
        self._over = False
        self._usage: object = None
        self._timings: object = None
        self._metrics: object = None

    @property
    def started(self) -> bool:
        """Whether text was given out, or a call was begun."""
        return self._visible.started or self._calls.begun

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, though its figures may still follow."""
        return bool(self._reason) and self.failure is None

    @property
    def template_opens(self) -> bool:
        """Whether this answer has shown that the model's template opens its thinking."""
        return self._visible.template_opens

    def feed(self, data: bytes) -> Chunk | None:
        """Merge all whole frames of ``data`` into one chunk; None when they say nothing."""
        for frame in self._frames.feed(data):
            self._frame(frame)
        if self._frames.overlong:
            self._fail(ErrorObject(f"a frame of more than {MAX_FRAME} bytes"))
        return self._chunk()

    def end(self, cause: Exception | None) -> Chunk | None:
        """Take the end of the connection; ``failure`` is set unless a ``finish_reason`` came."""
        for frame in self._frames.end():
            self._frame(frame)
        if self._reason:
            self._over = True
        elif self.failure is None:
            self.failure = cut_off(cause, "any finish_reason", started=self._has_begun())
        return self._chunk()

    def _frame(self, frame: Frame) -> None:
        if self.failure is not None or self._over:
            return
        if frame.foreign:
            self._foreign(frame.data)
        elif frame.data.strip() == b"[DONE]":
            self._over = bool(self._reason)
        elif frame.data.strip():
            self._event(frame.data)

    def _event(self, data: bytes) -> None:
        for value in _values(data):
            if not isinstance(value, dict):
                self._fail(ErrorObject("sent a frame that is no JSON object"))
            elif (error := error_object(value)) is not None:
                self._fail(error)
            else:
                self._part(value)

    def _part(self, part: dict[str, object]) -> None:
        self._note_figures(part)
        choices = part.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                self._choice(choice, nameless=not (part.get("id") or part.get("model")))

    def _note_figures(self, part: dict[str, object]) -> None:
        self._usage = part.get("usage") or self._usage
        self._timings = part.get("timings") or self._timings
        self._metrics = part.get("metrics") or self._metrics

    def _choice(self, choice: dict[str, object], *, nameless: bool) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            if any(delta.get(name) for name in _REASONING) and not (nameless and self._drops_nameless):
                self._visible.thinks()
            if content := delta.get("content"):
                self._content(content)
            if (calls := delta.get("tool_calls")) and not self._calls.add(calls):
                self._fail(ErrorObject("sent more function calls than an answer may have"))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason in _SUCCESS:
            self._reason = reason
        elif reason:
            self._fail(ErrorObject(f"ended with finish_reason {reason!r}"))

    def _content(self, content: object) -> None:
        """A text; or a list of parts, of which those that are no text are thinking."""
        if isinstance(content, str):
            self._visible.add(content)
            return
        for part in content if isinstance(content, list) else ():
            text = part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str) and text:
                self._visible.add(text)
            elif isinstance(part, dict) and part.get("thinking"):
                self._visible.thinks()

    def _foreign(self, line: bytes) -> None:
        """A line that no event has: an error in the open, or not an event stream at all."""
        try:
            error = error_object(decoded(line))
        except ValueError:
            error = None
        text = line.decode("utf-8", "replace").strip()[:200]
        self._fail(error or ErrorObject(f"sent a line that is no event: {text!r}"))

    def _chunk(self) -> Chunk | None:
        ends = self._over and self.failure is None
        chunk = replace(self._visible.take(final=ends), calling=self._calls.grown())
        if ends:
            return replace(
                chunk,
                finish_reason=_SUCCESS[self._reason],
                server_reason=self._reason,
                timing=timing_of(self._usage, self._timings, self._metrics),
                calls=self._calls.whole(),
            )
        return chunk if chunk.text or chunk.thinking or chunk.calling else None

    def _has_begun(self) -> bool:
        return self._visible.settle() or self._calls.begun

    def _fail(self, error: ErrorObject) -> None:
        if self.failure is None:
            words = error.text or error.type or "an error without words"
            self.failure = Faulted(words) if self._has_begun() else by_error(error)


def _values(data: bytes) -> list[object]:
    """The JSON of a frame; where frames came without an empty line between them, of each of its lines."""
    try:
        return [orjson.loads(data)]
    except ValueError:
        pass
    try:
        return [decoded(data)]
    except ValueError:
        pass
    lines = data.split(b"\n")
    try:
        return [decoded(line) for line in lines if line.strip() not in (b"", b"[DONE]")] if len(lines) > 1 else [None]
    except ValueError:
        return [None]
