"""The battle document: what Redis holds of a battle besides its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.arena.codec import Codec
from app.backends.base import Message
from app.battle.battle import Battle

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


CODEC = Codec(
    Document,
    format=FORMAT,
    foreign="this battle was written by another version of the arena; finish the upgrade, or start a new battle",
)
