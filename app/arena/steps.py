"""The steps of a change, as the script ``advance`` performs them, in order."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from app.battle.battle import Side
from app.battle.events import Event, error_data
from app.timing.stopwatch import Timing


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Log an event as it is. A ``round`` takes every answer off stage first."""

    event: Event


@dataclass(frozen=True, slots=True)
class ShowSide:
    """Put an answer on stage and log what it already has."""

    answer: int
    round: int
    side: Side


@dataclass(frozen=True, slots=True)
class EndBattle:
    """Cancel what is unfinished and log the end; nothing is ever logged after it."""

    event: Event


@dataclass(frozen=True, slots=True)
class RestoreAnswer:
    """Put an answer back that had ended, with a battle that is created; ``error`` is a public code."""

    answer: int
    text: str
    finish: str
    error: str | None
    timing: Timing
    host: str
    leak: str = ""


Step = LogEvent | ShowSide | RestoreAnswer | EndBattle


def error_json(code: str) -> str:
    """A public error as the scripts keep it."""
    return orjson.dumps(error_data(code)).decode()


def packed(step: Step) -> dict[str, object]:
    """A step as ``advance`` gets it, by name."""
    match step:
        case ShowSide(answer, number, side):
            return {"step": "show", "answer": answer, "round": number, "side": side.value}
        case RestoreAnswer():
            return {
                "step": "restore",
                "answer": step.answer,
                "text": step.text,
                "finish": step.finish,
                "error": error_json(step.error) if step.error else "",
                "timing": orjson.dumps(step.timing.to_dict()),
                "host": step.host,
                "leak": step.leak,
            }
        case EndBattle(event):
            return {"step": "end", "data": orjson.dumps(dict(event.data))}
        case LogEvent(event):
            return {"step": "log", "event": event.name, "data": orjson.dumps(dict(event.data))}
