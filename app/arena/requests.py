"""Requests to the arena: to open a battle, to judge a round."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, cast

import structlog

from app.arena.document import Document
from app.arena.rounds import opened
from app.backends.base import Message
from app.battle.battle import Verdict
from app.draw.drawer import DrawnContestants
from app.records.values import BattleRecord, NewBattle
from app.records.votes import AFTER_VOTE, NAMES_SHOWN

OPENED_BY = "opened_by"
"""The option under which the records keep by which API a battle was opened; existing clients' battles have none."""
NATIVE = "native"
HISTORY = "history"
"""The option under which the records keep the turns before the message."""


SHOWN_AFTER_VOTES: Mapping[str, object] = MappingProxyType({NAMES_SHOWN: AFTER_VOTE})
"""The mark of a battle that shows names with each verdict: who judges its second round knows the champion."""


def new_battle_id() -> str:
    """An id that can't be guessed: 128 random bits, URL-safe."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request for a battle; ``models`` may be drawn, ``count`` of them are, ``options`` are kept with it.

    ``language`` and ``categories`` are those of the message, None where the opener does not say. ``history`` are the
    turns before the message, the first one the user's. ``battle_id`` is given where it has to be known before.
    """

    message: str
    models: Sequence[str]
    count: int
    system: str | None = None
    session_id: str | None = None
    idempotency_key: str | None = None
    body_hash: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    language: str | None = None
    categories: tuple[str, ...] | None = None
    history: tuple[Message, ...] = ()
    battle_id: str | None = None

    def battle(self, battle_id: str, drawn: DrawnContestants, *, named: bool = False) -> NewBattle:
        """The battle as it is stored when it opens, with those who were drawn; ``named``: verdicts show names."""
        options = {**(SHOWN_AFTER_VOTES if named else {}), **self.options}
        return NewBattle(
            id=battle_id,
            message=self.message,
            contestants=drawn.models,
            drawn=drawn.record,
            session_id=self.session_id,
            system=self.system,
            idempotency_key=self.idempotency_key,
            request_hash=self.body_hash,
            options={**options, HISTORY: kept_history(self.history)} if self.history else options,
            language=self.language,
            categories=self.categories,
        )


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """A verdict and how it came, and whether the battle ends with it; see ``ArenaManager.vote``."""

    verdict: Verdict
    key: str | None
    request_hash: str | None
    voter: str | None
    client_at: datetime | None
    is_last: bool = False


def kept_history(history: Sequence[Message]) -> list[list[str]]:
    """Turns as the records keep them."""
    return [[turn.role, turn.content] for turn in history]


def history_of(record: NewBattle | BattleRecord) -> tuple[Message, ...]:
    """The turns before a battle's message; none once they were erased."""
    kept = cast("list[tuple[Literal['user', 'assistant'], str]]", record.options.get(HISTORY, ()))
    return tuple(Message(role, content) for role, content in kept)


def first_document(battle: NewBattle | BattleRecord, *, named: bool) -> Document:
    """The document of a battle that the request at hand opens."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return Document(opened(battle), battle.system, named, None, request_id, history_of(battle))


def body_hash(body: object) -> str:
    """A stable hash of a request's JSON: whether a key is used with the same body again."""
    # The standard library's JSON, for it writes integers of any size: callers may send them.
    words = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(words.encode()).hexdigest()
