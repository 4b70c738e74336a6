"""Between rows and values: columns by name in, frozen values out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.battle.battle import Pair, Side, Status, Verdict, Vote
from app.records.identity import ModelIdentity, Provenance
from app.records.style import AnswerStyle, measure_style
from app.records.tables import STYLES
from app.records.values import AnswerRecord, BattleRecord, BattleSummary, DrawRecord, NewBattle, RoundRecord
from app.timing.stopwatch import Timing
from app.timing.story import from_list

Row = Mapping[Any, Any]
"""A row as SQLAlchemy gives it or takes it."""

_TIMING = tuple(Timing.__dataclass_fields__)
_ANSWER = (
    *("entry", "model", "host", "text", "finish_reason", "error_code", "attempts"),
    *("fallback", "leaked", "leak", "created_at"),
)
_NOT_ASKED = dict.fromkeys(("contestant_id", "digest", "quantization", "options", "server", "system"))


def battle_row(battle: NewBattle, now: datetime) -> dict[str, object]:
    """The columns of a battle that begins now."""
    return {
        "id": battle.id,
        "session_id": battle.session_id,
        "message": battle.message,
        "system": battle.system,
        "status": Status.RUNNING.value,
        "round": 1,
        "contestants": list(battle.contestants),
        "options": dict(battle.options),
        "idempotency_key": battle.idempotency_key,
        "request_hash": battle.request_hash,
        "created_at": now,
        "ended_at": None,
        "language": battle.language,
        "categories": None if battle.categories is None else list(battle.categories),
        **_draw_row(battle.drawn),
    }


def _draw_row(drawn: DrawRecord | None) -> dict[str, object]:
    return {
        "draw_set": None if drawn is None else drawn.set_id,
        "draw_set_probability": None if drawn is None else drawn.set_probability,
        "draw_probability": None if drawn is None else drawn.probability,
    }


def _draw_value(row: Row) -> DrawRecord | None:
    if row["draw_probability"] is None:
        return None
    return DrawRecord(row["draw_probability"], row["draw_set"], row["draw_set_probability"])


def battle_value(
    row: Row, *, votes: tuple[Vote, ...] = (), voted_at: tuple[datetime, ...] = (), created: bool = False
) -> BattleRecord:
    """A battle's row as a value."""
    return BattleRecord(
        id=row["id"],
        message=row["message"],
        contestants=tuple(row["contestants"]),
        session_id=row["session_id"],
        system=row["system"],
        options=row["options"],
        idempotency_key=row["idempotency_key"],
        request_hash=row["request_hash"],
        status=Status(row["status"]),
        round=row["round"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        votes=votes,
        voted_at=voted_at,
        created=created,
        language=row["language"],
        categories=None if row["categories"] is None else tuple(row["categories"]),
        drawn=_draw_value(row),
        answers_stored=row.get("answers_stored", 0),
    )


def summary_value(row: Row) -> BattleSummary:
    """A battle's columns in a list as a value."""
    return BattleSummary(**{**row, "status": Status(row["status"]), "erased": bool(row["erased"])})


def vote_value(row: Row, round_column: str = "round") -> Vote:
    """The columns of a vote as a value."""
    return Vote(row[round_column], Verdict(row["verdict"]), Pair(row["entry_a"], row["entry_b"]))


def vote_row(battle_id: str, vote: Vote, now: datetime) -> dict[str, object]:
    """The columns of a vote that is cast now, but for those of who cast it; see ``statements.VOTE`` for the rest."""
    columns: dict[str, object] = {"battle_id": battle_id, "round": vote.round, "verdict": vote.verdict.value}
    columns |= {"entry_a": vote.pair.a, "entry_b": vote.pair.b, "created_at": now}
    return columns | {"of": battle_id, "judged_a": vote.pair.a, "judged_b": vote.pair.b}


def answer_row(battle_id: str, answer: AnswerRecord, now: datetime) -> dict[str, object]:
    """The columns of an answer that is stored now."""
    columns: dict[str, object] = {name: getattr(answer, name) for name in _ANSWER}
    columns |= {name: getattr(answer.timing, name) for name in _TIMING}
    columns |= _NOT_ASKED if answer.asked is None else _asked_row(answer.asked)
    columns |= _style_row(answer.style or _measured(answer))
    columns["story"] = [step.to_dict() for step in answer.story] or None
    side = None if answer.side is None else answer.side.value
    columns |= {"of": battle_id, "written": columns.pop("text")}  # see ``statements.save_answer``
    return columns | {"battle_id": battle_id, "side": side, "created_at": answer.created_at or now}


def _measured(answer: AnswerRecord) -> AnswerStyle | None:
    ended = answer.finish_reason in ("stop", "length")
    return measure_style(answer.text) if ended and answer.text.strip() else None


def _style_row(style: AnswerStyle | None) -> dict[str, object]:
    return {f"style_{name}": None if style is None else getattr(style, name) for name in STYLES}


def style_value(row: Row, suffix: str = "") -> AnswerStyle | None:
    """The style that an answer's columns hold, those of a side with its ``suffix``; None if it was not measured."""
    counts = [row[f"style_{name}{suffix}"] for name in STYLES]
    return None if None in counts else AnswerStyle(*counts)


def _asked_row(asked: Provenance) -> dict[str, object]:
    who = asked.identity
    return {
        "contestant_id": who.id,
        "digest": who.digest,
        "quantization": who.quantization,
        "options": dict(who.options),
        "server": who.server or None,
        "system": asked.system,
    }


def contestant_row(who: ModelIdentity, now: datetime) -> dict[str, object]:
    """The columns of a contestant that is seen now."""
    columns = {"id": who.id, "model": who.model, "digest": who.digest, "quantization": who.quantization}
    return columns | {"options": who.lasting_options, "server": who.server or None, "created_at": now}


def round_row(battle_id: str, shown: RoundRecord, now: datetime) -> dict[str, object]:
    """The columns of a round as it is now."""
    columns = {"battle_id": battle_id, "round": shown.round, "entry_a": shown.pair.a, "entry_b": shown.pair.b}
    columns |= {"of": battle_id, "at": shown.round}  # see ``statements.save_round``
    return columns | {"opened_at": now, "ready_at": now if shown.ready else None}


def answer_value(row: Row) -> AnswerRecord:
    """An answer's row as a value."""
    return AnswerRecord(
        timing=Timing(**{name: row[name] for name in _TIMING}),
        side=None if row["side"] is None else Side(row["side"]),
        asked=asked_value(row),
        style=style_value(row),
        story=from_list(row["story"]),
        **{name: row[name] for name in _ANSWER},
    )


def asked_value(row: Row) -> Provenance | None:
    """What an answer's row says of the question; None for one that is older than these columns."""
    if row["digest"] is None:
        return None
    who = ModelIdentity(
        row["model"], row["digest"], row["quantization"] or "", row["options"] or {}, row["server"] or ""
    )
    return Provenance(who, row["system"])
