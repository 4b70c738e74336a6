"""A completion as Redis holds it: what its model is asked, written down as JSON with a ``format`` number."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from app.backends.base import GenerationRequest
from app.errors import Unavailable

FORMAT = 1
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


_CODEC = TypeAdapter(Completion)


def encode(completion: Completion) -> bytes:
    """The completion as JSON."""
    return _CODEC.dump_json(completion)


def decode(data: bytes) -> Completion:
    """Read a completion back.

    Raises:
        Unavailable: another version of the arena wrote it.
    """
    try:
        completion = _CODEC.validate_json(data)
    except ValidationError:
        completion = None
    if completion is None or completion.format != FORMAT:
        raise Unavailable(
            "this answer was asked for by another version of the arena; ask again", code="foreign_document"
        )
    return completion
