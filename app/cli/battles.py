"""``arena battles``: the newest battles, and one of them whole, from the database itself; no server needs to run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from app.cli.folder import settings_with_records
from app.cli.json_output import write_json
from app.cli.records import on_database
from app.errors import InvalidInput, NotFound
from app.legible import visible
from app.settings.times import parse_duration

if TYPE_CHECKING:
    from app.database.database import Database
    from app.records.values import AnswerRecord, BattleRecord, BattleSummary

battles = typer.Typer(help="Show battles that were played.", no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")]
Since = Annotated[str, typer.Option(help="Only those opened since: 24h, 30m.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]

_SHOWN_OF_A_PROMPT = 60
_MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@battles.command("list")
def list_(limit: Limit = 20, since: Since = "", as_json: AsJson = False) -> None:
    """List the newest battles: when, status, round, prompt."""
    age = _age(since) if since else None

    async def work(database: Database) -> list[BattleSummary]:
        from app.records.ledger import Ledger, utc_now

        first = None if age is None else utc_now() - age
        found = await Ledger(database).newest(limit)
        return [battle for battle in found if first is None or battle.created_at >= first]

    found = on_database(settings_with_records(), work)
    if as_json:
        _write_json([asdict(battle) for battle in found])
        return
    for battle in found:
        _write(_line(battle))
    if not found:
        _write("No battle was opened in that time.")


def _line(battle: BattleSummary) -> str:
    prompt = "(erased)" if battle.erased else " ".join(battle.message.split())[:_SHOWN_OF_A_PROMPT]
    return f"{battle.id}  {battle.created_at:%Y-%m-%d %H:%M}  {battle.status.value:<8}  round {battle.round}  {prompt}"


@battles.command("show")
def show(battle: Annotated[str, typer.Argument(help="A battle's id.")], as_json: AsJson = False) -> None:
    """Show one battle: its prompt, its votes, and each answer with its model, host and times."""

    async def work(database: Database) -> tuple[BattleRecord | None, dict[int, AnswerRecord]]:
        from app.records.ledger import Ledger

        ledger = Ledger(database)
        return await ledger.battle(battle), await ledger.answers(battle)

    record, answers = on_database(settings_with_records(), work)
    if record is None:
        raise NotFound(f"There is no battle {battle!r}; arena battles list shows those that there are")
    if as_json:
        _write_json(_summary(record) | {"answers": [_answer(one) for _, one in sorted(answers.items())]})
        return
    for line in _story(record, answers):
        _write(line)


def _age(since: str) -> timedelta:
    try:
        age = parse_duration(since)
        assert isinstance(age, timedelta)
    except (ValueError, AssertionError):
        raise InvalidInput(f"--since: {since!r} is no duration; write 24h or 30m") from None
    if age < timedelta(0):
        raise InvalidInput(f"--since: {since!r} lies in the future; write how long ago")
    return min(age, timedelta(days=36_500))


def _summary(battle: BattleRecord) -> dict[str, Any]:
    return {
        "battle_id": battle.id,
        "created_at": battle.created_at,
        "ended_at": battle.ended_at,
        "status": battle.status.value,
        "message": battle.message,
        "contestants": list(battle.contestants),
        "votes": [{"round": vote.round, "verdict": vote.verdict.value} for vote in battle.votes],
    }


def _answer(answer: AnswerRecord) -> Mapping[str, Any]:
    return {
        "entry": answer.entry,
        "model": answer.model,
        "host": answer.host,
        "finish_reason": answer.finish_reason,
        "error_code": answer.error_code,
        "attempts": answer.attempts,
        "fallback": answer.fallback,
        "timing": answer.timing.to_dict(),
        "text": answer.text,
    }


def _story(battle: BattleRecord, answers: Mapping[int, AnswerRecord]) -> Iterator[str]:
    yield f"battle {battle.id}, {battle.status.value}, opened {battle.created_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"prompt: {battle.message}"
    for vote in battle.votes:
        a, b = visible(battle.contestants[vote.pair.a]), visible(battle.contestants[vote.pair.b])
        yield f"round {vote.round}: {a} against {b}: {vote.verdict.value}"
    for _, answer in sorted(answers.items()):
        times = ", ".join(
            f"{name} {value:.2f}"
            for name, value in answer.timing.to_dict().items()
            if isinstance(value, float) and value
        )
        end = answer.error_code or answer.finish_reason
        yield f"\n{visible(answer.model)} on {answer.host or 'no host'}: {end}, {answer.attempts} attempts; {times}"
        yield answer.text


def _write(line: str) -> None:
    """Print a line; texts have line breaks and tabs, and no other way to move the cursor or turn the writing round."""
    sys.stdout.write(f"{_MOVES.sub(_escaped, line)}\n")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _write_json(value: object) -> None:
    write_json(orjson.dumps(value, option=orjson.OPT_INDENT_2))
