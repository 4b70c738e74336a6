"""What a simulated server answers instead of an answer: Ollama's statuses and texts, word for word."""

from __future__ import annotations

import json
from typing import Literal


class ServerError(Exception):
    """An error before the first token: an HTTP status and the text of ``{"error": text}``.

    ``streamed``: it comes from the model's process, so a stream's headers differ slightly from a handler's own error.
    """

    def __init__(self, status: int, text: str, *, streamed: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.streamed = streamed


class ServerBusy(ServerError):
    """The queue of those who need a load is full."""

    def __init__(self) -> None:
        super().__init__(503, "server busy, please try again.  maximum pending requests exceeded")


class LoadFailed(ServerError):
    """The model could not be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__(500, text)

    @classmethod
    def process_died(cls, tail: str) -> LoadFailed:
        """The process ended by itself; ``tail`` is the end of its log."""
        return cls(f"llama-server process has terminated: exit status 1: {tail}")

    @classmethod
    def timed_out(cls) -> LoadFailed:
        """The process never became healthy."""
        return cls("timed out waiting for llama-server to start - loading model")


class PromptRefused(ServerError):
    """The model's own server refuses the prompt; its JSON error is nested as a string."""

    def __init__(self, tokens: int, num_ctx: int) -> None:
        inner = {
            "code": 400,
            "message": f"request ({tokens} tokens) exceeds the available context size ({num_ctx} tokens), "
            "try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": tokens,
            "n_ctx": num_ctx,
        }
        super().__init__(400, json.dumps({"error": inner}, separators=(",", ":")), streamed=True)


class ImagesUnsupported(ServerError):
    """An image for a model without eyes."""

    def __init__(self) -> None:
        inner = {
            "code": 500,
            "message": "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            "type": "server_error",
        }
        super().__init__(500, json.dumps({"error": inner}, separators=(",", ":")), streamed=True)


class Broken(Exception):
    """The stream ends before its last chunk: with an error line, or silently when ``text`` is None."""

    def __init__(self, text: str | None, cause: Literal["process_died", "out_of_memory", "cut"] = "cut") -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause
