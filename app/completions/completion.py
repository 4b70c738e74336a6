"""A completion as Redis holds it: what its model is asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from app.arena.codec import Codec
from app.backends.base import GenerationRequest

FORMAT = 2
"""1 had no tools: a worker of that version would leave them out."""
PREFIX = "chatcmpl-"
"""OpenAI's prefix of the ids of chat completions; a battle's id never has it."""


def new_completion_id() -> str:
    """An id that can't be guessed: 128 random bits."""
    return PREFIX + secrets.token_hex(16)


def is_completion(id_: str) -> bool:
    """Whether a job's id is that of a completion and not of a battle."""
    return id_.startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer that somebody asked one model for; ``request_id`` is that of his request, for the log."""

    id: str
    request: GenerationRequest
    request_id: str = ""
    format: int = FORMAT

    @property
    def answer_count(self) -> int:
        """It has one answer."""
        return 1


CODEC = Codec(Completion, format=FORMAT, foreign="this answer was asked for by another version of the arena; ask again")
