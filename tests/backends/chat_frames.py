"""Frames of chat-completions servers, in the forms that docs/backends.md names the sources of."""

from __future__ import annotations

import json

NAMED = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "whatever"}


def frame(value: object, end: str = "\n\n") -> bytes:
    """One event of the stream."""
    return f"data: {json.dumps(value, ensure_ascii=False)}{end}".encode()


def choice(delta: object, reason: str | None = None, **more: object) -> dict[str, object]:
    return {**NAMED, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def piece(text: str | None, **delta: object) -> bytes:
    """A piece of text, or a delta of another sort."""
    return frame(choice({"content": text, **delta}))


def finish(reason: str = "stop", **more: object) -> bytes:
    """The frame with the reason, as llama-server and SGLang send it: on its own."""
    return frame(choice({}, reason, **more))


def usage(prompt: int, tokens: int, **more: object) -> bytes:
    """The frame with the counts, which has no choices."""
    counts = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
    return frame({**NAMED, "choices": [], "usage": counts, **more})


DONE = b"data: [DONE]\n\n"
OVERLOADED = frame({"error": {"message": "The model is overloaded", "type": "ServiceUnavailableError", "code": 503}})
ENGINE_DIED = frame({"error": {"message": "EngineCore had an issue", "type": "InternalServerError", "code": 500}})
TGI = frame({"error": "Model is overloaded", "error_type": "overloaded"})
FLAT = frame({"object": "error", "message": "The request queue is full.", "type": "ServiceUnavailable", "code": 503})
ROUTER_DIED = b"proxy error: Failed to read connection"
TIMINGS = {
    "cache_n": 20,
    "prompt_n": 4,
    "prompt_ms": 12.5,
    "predicted_n": 8,
    "predicted_ms": 400.0,
    "predicted_per_second": 20.0,
}
