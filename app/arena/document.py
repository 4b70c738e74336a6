"""The battle document: what Redis holds of a battle besides its answers, and how it is written down.

JSON with a ``format`` number. A document of another format is refused with a sentence, not guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.backends.base import Message
from app.battle.battle import Battle
from app.errors import Unavailable

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A battle and what belongs to it for its whole life.

    ``named`` says that votes are shown with the models they judged; ``reveal`` is set by the end. ``request_id`` is
    that of the request which opened the battle, for the log lines of its answers. ``history`` are the turns before the
    message, which every contestant gets.
    """

    battle: Battle
    system: str | None = None
    named: bool = False
    reveal: Mapping[str, Any] | None = None
    request_id: str = ""
    history: tuple[Message, ...] = ()
    format: int = FORMAT

    @property
    def id(self) -> str:
        """The battle's id."""
        return self.battle.id

    @property
    def answer_count(self) -> int:
        """One for each contestant."""
        return len(self.battle.contestants)


_CODEC = TypeAdapter(Document)


def encode(document: Document) -> bytes:
    """The document as JSON."""
    return _CODEC.dump_json(document)


def decode(data: bytes) -> Document:
    """Read a document back.

    Raises:
        Unavailable: another version of the arena wrote it.
    """
    try:
        document = _CODEC.validate_json(data)
    except ValidationError:
        raise _foreign() from None
    if document.format != FORMAT:
        raise _foreign()
    return document


def _foreign() -> Unavailable:
    return Unavailable(
        "this battle was written by another version of the arena; finish the upgrade, or start a new battle",
        code="foreign_document",
    )
