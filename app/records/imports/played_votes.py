"""Votes with the battle that they belong to, as a battle, its round and what is known of the answers.

A battle that was played here is never touched, for its own books know it better: a vote may have been taken back since.
Of an imported one, missing votes are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Pair, Side, Status
from app.records import statements
from app.records.feedback import feedback_row
from app.records.identity import ModelIdentity, Provenance
from app.records.imports.arena_lines import AnswerPart, ArenaLine, DrawPart
from app.records.rows import answer_row, battle_row, contestant_row, round_row
from app.records.tables import battles, votes
from app.records.values import AnswerRecord, DrawRecord, NewBattle, RoundRecord
from app.timing.stopwatch import Timing

PlayedVote = tuple[str, ArenaLine]
"""The id of a battle, and a vote in it."""

_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_PLAYED_HERE = sa.select(battles.c.id).where(battles.c.id.in_(_IDS), battles.c.imported_at.is_(None))
_COUNT = sa.select(sa.func.count()).select_from(votes).where(votes.c.battle_id.in_(_IDS))


def store_played(connection: Connection, read: Sequence[PlayedVote], now: datetime) -> int:
    """Store votes with their battles; how many were new."""
    ids = sorted({battle_id for battle_id, _ in read})
    played_here = set(connection.execute(_PLAYED_HERE, {"ids": ids}).scalars())
    foreign = [(battle_id, line) for battle_id, line in read if battle_id not in played_here]
    if not foreign:
        return 0
    before = connection.execute(_COUNT, {"ids": ids}).scalar_one()
    for statement, rows in _writes(foreign, now):
        if rows:
            connection.execute(statement(connection), rows)
    return int(connection.execute(_COUNT, {"ids": ids}).scalar_one() - before)


_Write = tuple[Callable[[Connection], sa.Insert], list[dict[str, Any]]]


def _writes(read: Sequence[PlayedVote], now: datetime) -> Iterator[_Write]:
    """Rows in the order in which their tables refer to each other; of doubles, the first one is stored."""
    answers = [(battle_id, answer) for battle_id, line in read for answer in _answers(line)]
    met = {answer.asked.identity.id: answer.asked.identity for _, answer in answers if answer.asked is not None}
    yield statements.open_battle, [_battle_row(battle_id, line, now) for battle_id, line in read]
    yield statements.meet, [contestant_row(met[key], now) for key in sorted(met)]
    yield statements.save_answer, [answer_row(battle_id, answer, now) for battle_id, answer in answers]
    yield statements.save_round, [_round_row(battle_id, line, now) for battle_id, line in read]
    yield statements.vote_if_absent, [_vote_row(battle_id, line, now) for battle_id, line in read]


def _battle_row(battle_id: str, line: ArenaLine, now: datetime) -> dict[str, Any]:
    """A battle that still ran where it comes from can't go on here: it has stopped."""
    new = NewBattle(
        id=battle_id,
        message=line.prompt or "",
        contestants=line.contestants,
        system=line.system,
        options=line.battle.options,
        language=line.language,
        categories=line.categories,
        drawn=_draw(line.battle.draw),
    )
    opened = line.battle.opened_at or line.moment(now)
    status = Status.STOPPED.value if line.battle.status == Status.RUNNING.value else line.battle.status
    ended = line.battle.ended_at or line.moment(now)
    known = {"status": status, "round": max(line.battle.round, line.round), "ended_at": ended, "imported_at": now}
    return battle_row(new, opened) | known


def _draw(part: DrawPart | None) -> DrawRecord | None:
    return None if part is None else DrawRecord(part.probability, part.set_id, part.set_probability)


def _answers(line: ArenaLine) -> Iterator[AnswerRecord]:
    """The answers of which anything is known; the battle has the names of the others."""
    if line.answer_a != _NOTHING_KNOWN:
        yield _answer(line.answer_a, line.entry_a, line.model_a, Side.A, line)
    if line.answer_b != _NOTHING_KNOWN:
        yield _answer(line.answer_b, line.entry_b, line.model_b, Side.B, line)


_NOTHING_KNOWN = AnswerPart()


def _answer(part: AnswerPart, entry: int, model: str, side: Side, line: ArenaLine) -> AnswerRecord:
    known = part.digest is not None
    who = ModelIdentity(model, part.digest or "", part.quantization or "", part.options or {}, _server(part.server))
    return AnswerRecord(
        entry=entry,
        model=model,
        host=part.host,
        text=part.text or "",
        finish_reason=part.finish_reason,
        attempts=part.attempts,
        fallback=part.fallback,
        timing=Timing(**part.timing.model_dump()),
        created_at=part.written_at or line.voted_at,
        side=side if part.side is None else Side(part.side),
        asked=Provenance(who, part.system) if known else None,
        leaked=part.leaked,
        leak=part.leak,
        style=None if part.style is None else part.style.value,
    )


def _server(name: str | None) -> str:
    return "" if name in (None, "ollama") else str(name)


def _round_row(battle_id: str, line: ArenaLine, now: datetime) -> dict[str, Any]:
    shown = RoundRecord(line.round, Pair(line.entry_a, line.entry_b), ready=True)
    return round_row(battle_id, shown, line.moment(now))


def _vote_row(battle_id: str, line: ArenaLine, now: datetime) -> dict[str, Any]:
    return {
        "battle_id": battle_id,
        "round": line.round,
        "verdict": line.verdict.value,
        "entry_a": line.entry_a,
        "entry_b": line.entry_b,
        "voter": line.voter,
        "leaked_a": line.answer_a.leaked,
        "leaked_b": line.answer_b.leaked,
        "client_at": line.client_at,
        "created_at": line.moment(now),
        **feedback_row(line.feedback),
    }
