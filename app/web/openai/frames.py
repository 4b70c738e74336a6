"""Chat completions as OpenAI's clients read them: a body, or the frames of a stream.

Every frame has ``choices``: a client may read the first one without looking. What is no text goes into fields that
others leave alone: Open WebUI shows ``event`` as a line of status.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from app.backends.base import ToolCall
from app.backends.openai.requests import call_form
from app.completions.completions import AnswerEnded, Waiting

DONE = b"data: [DONE]\n\n"


def frame(body: Mapping[str, Any]) -> bytes:
    """One frame of a stream."""
    return b"data: %b\n\n" % orjson.dumps(body)


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What all frames of one answer have: its id, when it was asked for (Unix time), and the model's name.

    ``cached``: it was given before, and comes from the cache.
    """

    id: str
    created: int
    model: str
    cached: bool = False

    def chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        """A frame of the only choice."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return frame(self._head("chat.completion.chunk") | {"choices": [choice]})

    def text(self, text: str) -> bytes:
        """A frame with a piece of the answer."""
        return self.chunk({"content": text})

    def first(self) -> bytes:
        """The first frame: whose turn it is."""
        return self.chunk({"role": "assistant", "content": ""})

    def calls(self, calls: Sequence[ToolCall]) -> bytes:
        """A frame with the functions that the model calls, each whole."""
        return self.chunk({"tool_calls": [{"index": place} | call_form(call) for place, call in enumerate(calls)]})

    def usage(self, usage: Mapping[str, int]) -> bytes:
        """The frame after the last choice."""
        return frame(self._head("chat.completion.chunk") | {"choices": [], "usage": usage})

    def status(self, description: str, *, done: bool) -> bytes:
        """A line of status for those who show it; nobody takes it for a part of the answer."""
        event = {"type": "status", "data": {"description": description, "done": done}}
        return frame(self._head("chat.completion.chunk") | {"choices": [], "event": event})

    def body(
        self, text: str, finish_reason: str, usage: Mapping[str, int] | None, calls: Sequence[ToolCall] = ()
    ) -> dict[str, Any]:
        """The answer as a whole."""
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message |= {"content": text or None, "tool_calls": [call_form(call) for call in calls]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        body = self._head("chat.completion") | {"choices": [choice]}
        return body if usage is None else body | {"usage": usage}

    def _head(self, kind: str) -> dict[str, Any]:
        head: dict[str, Any] = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return head | {"cached": True} if self.cached else head


class TokenCounts(Protocol):
    """What has numbers of tokens."""

    @property
    def prompt_tokens(self) -> int:
        """Those that were read."""
        ...

    @property
    def tokens(self) -> int:
        """Those that were written."""
        ...


def usage_of(timing: TokenCounts | None) -> dict[str, int]:
    """The tokens that were read and written; 0 for what the model server did not tell."""
    read, written = (0, 0) if timing is None else (timing.prompt_tokens, timing.tokens)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def finish_reason_of(ended: AnswerEnded) -> str:
    """Why an answer ended, in OpenAI's words."""
    return "tool_calls" if ended.calls and ended.reason == "stop" else ended.reason


def waiting_words(waiting: Waiting) -> str:
    """Why nothing is there yet, as a line of status."""
    eta = f", about {round(waiting.eta_s)} s" if waiting.eta_s else ""
    if waiting.state == "loading":
        return f"The model is being loaded{eta}"
    place = f", place {waiting.place}" if waiting.place else ""
    return f"Queued{place}{eta}"


async def joined(reply: ChatReply, frames: AsyncGenerator[bytes]) -> dict[str, Any]:
    """The answer of a stream as one body."""
    texts, finish_reason = [], "stop"
    async with aclosing(frames):
        async for one in frames:
            if one == DONE:
                continue
            for choice in orjson.loads(one.removeprefix(b"data: "))["choices"]:
                texts.append(choice["delta"].get("content", ""))
                finish_reason = choice["finish_reason"] or finish_reason
    return reply.body("".join(texts), finish_reason, None)
