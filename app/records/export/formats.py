"""What an export's lines look like; pure. ``docs/export.md`` documents each field and is tested against this module.

========= ============================== ===========================================================================
format    one line is                    left out
========= ============================== ===========================================================================
dpo/1     a pair, chosen and rejected    void votes, ties, both_bad, like texts on both sides, a text that is not there
rlhf/1    a pair with ranks              void votes, a text that is not there
csv/1     a vote                         nothing; a text that is not there is an empty cell
arena/1   a vote with all that is known  nothing; a text that is not there is null
========= ============================== ===========================================================================

Only votes that stand are exported, and only texts of answers that came to their end: an error is never an answer. A
text is not there when its battle was forgotten, or when it was imported without texts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

import orjson

from app.battle.battle import Side, Verdict
from app.legible import harmless
from app.records.comparisons import Comparison
from app.records.values import AnswerRecord
from app.records.votes import BATCH, names_were_known

Redact = Callable[[str], str]
"""Makes of a prompt or a comment what may be shown of it."""

WINNERS = {Verdict.A: "model_a", Verdict.B: "model_b", Verdict.TIE: "tie", Verdict.BOTH_BAD: "tie (bothbad)"}
"""Verdicts as the field's published data sets spell them."""

_RANKS = {Verdict.A: (1, 2), Verdict.B: (2, 1), Verdict.TIE: (1, 1), Verdict.BOTH_BAD: (0, 0)}


class Format(StrEnum):
    """The kinds of export."""

    DPO = "dpo"
    RLHF = "rlhf"
    CSV = "csv"
    ARENA = "arena"

    @property
    def schema(self) -> str:
        """The name and version of its schema, which every line bears."""
        return f"{self.value}/1"


def as_it_is(prompt: str) -> str:
    """For exports that are not redacted."""
    return prompt


def header(form: Format) -> bytes:
    """What stands before the first line: column names in CSV, else nothing."""
    return _csv_line(CSV_COLUMNS) if form is Format.CSV else b""


def lines(form: Format, votes: Iterable[Comparison], *, redact: Redact = as_it_is, with_ties: bool = False) -> bytes:
    """Some votes in a format; ``with_ties`` makes two opposite pairs of each tie in DPO, of half the strength."""
    if form is Format.CSV:
        return b"".join(_csv_line(_csv_row(vote, redact)) for vote in votes)
    rows: Iterator[dict[str, Any]]
    if form is Format.DPO:
        rows = (row for vote in votes for row in _dpo(vote, redact, with_ties))
    elif form is Format.RLHF:
        rows = (row for vote in votes for row in _rlhf(vote, redact))
    else:
        rows = (_arena(vote, redact) for vote in votes)
    return b"".join(orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE) for row in rows)


def text_of(answer: AnswerRecord) -> str | None:
    """The text, if it came to its end and is there."""
    ended = answer.finish_reason in ("stop", "length")
    return answer.text if ended and answer.text.strip() else None


def _prompt(vote: Comparison, redact: Redact) -> str | None:
    return redact(vote.battle.message) if vote.battle.message.strip() else None


def _system(answer: AnswerRecord, redact: Redact) -> str | None:
    return redact(answer.asked.system) if answer.asked is not None and answer.asked.system else None


def _provenance(answer: AnswerRecord, leaked: bool) -> dict[str, Any]:
    """Who wrote an answer, with what, and which marks it bears."""
    who = None if answer.asked is None else answer.asked.identity
    return {
        "model": answer.model,
        "contestant": None if who is None else who.id,
        "digest": None if who is None else who.digest,
        "quantization": None if who is None else who.quantization,
        "options": None if who is None else who.options,
        "server": None if who is None else who.server or "ollama",
        "finish_reason": answer.finish_reason,
        "fallback": answer.fallback,
        "leaked": leaked or answer.leaked,
        "leak": answer.leak,
        "cut_prompt": answer.timing.cut_prompt,
    }


def _metadata(vote: Comparison) -> dict[str, Any]:
    return {
        "battle_id": vote.battle.id,
        "round": vote.round,
        "timestamp": vote.created_at,
        "voter": vote.voter,
        "preference": vote.verdict.value,
        "language": vote.battle.language,
        "categories": vote.battle.categories,
        "named": names_were_known(vote.battle.options, vote.round),
        "batch": BATCH in vote.battle.options,
    }


def _leaked(vote: Comparison, side: Side) -> bool:
    return vote.leaked_a if side is Side.A else vote.leaked_b


def _answer(vote: Comparison, side: Side) -> AnswerRecord:
    return vote.a if side is Side.A else vote.b


def _dpo(vote: Comparison, redact: Redact, with_ties: bool) -> Iterator[dict[str, Any]]:
    texts = {side: text_of(_answer(vote, side)) for side in Side}
    prompt = _prompt(vote, redact)
    if vote.void or prompt is None or None in texts.values() or texts[Side.A] == texts[Side.B]:
        return
    tied = vote.verdict is Verdict.TIE
    if vote.verdict is Verdict.BOTH_BAD or (tied and not with_ties):
        return
    for side in Side if tied else (Side(vote.verdict.value),):
        chosen, rejected = _answer(vote, side), _answer(vote, side.other)
        yield {
            "schema": Format.DPO.schema,
            "prompt": prompt,
            "system": _system(chosen, redact),
            "chosen": texts[side],
            "rejected": texts[side.other],
            "preference_strength": 0.5 if tied else 1.0,
            "metadata": _metadata(vote)
            | {"chosen_model": chosen.model, "rejected_model": rejected.model}
            | {"chosen": _provenance(chosen, _leaked(vote, side))}
            | {"rejected": _provenance(rejected, _leaked(vote, side.other))},
        }


def _rlhf(vote: Comparison, redact: Redact) -> Iterator[dict[str, Any]]:
    prompt = _prompt(vote, redact)
    texts = [text_of(answer) for answer in (vote.a, vote.b)]
    if vote.void or prompt is None or None in texts:
        return
    marks = zip((vote.a, vote.b), texts, _RANKS[vote.verdict], (vote.leaked_a, vote.leaked_b), strict=True)
    responses = [
        {"text": text, "rank": rank, "system": _system(answer, redact)} | _provenance(answer, leaked)
        for answer, text, rank, leaked in marks
    ]
    yield {"schema": Format.RLHF.schema, "prompt": prompt, "responses": responses, "metadata": _metadata(vote)}


def _arena(vote: Comparison, redact: Redact) -> dict[str, Any]:
    battle = vote.battle
    return {
        "schema": Format.ARENA.schema,
        "battle_id": battle.id,
        "round": vote.round,
        "verdict": vote.verdict.value,
        "winner": WINNERS[vote.verdict],
        "model_a": vote.a.model,
        "model_b": vote.b.model,
        "entry_a": vote.a.entry,
        "entry_b": vote.b.entry,
        "prompt": _prompt(vote, redact),
        "system": None if not battle.system else redact(battle.system),
        "language": battle.language,
        "categories": battle.categories,
        "voter": vote.voter,
        "voted_at": vote.created_at,
        "client_at": vote.client_at,
        "reasons_a": vote.feedback.a,
        "reasons_b": vote.feedback.b,
        "comment": redact(vote.feedback.comment) if vote.feedback.comment else None,
        "answer_a": _arena_answer(vote.a, vote.leaked_a, redact),
        "answer_b": _arena_answer(vote.b, vote.leaked_b, redact),
        "battle": {
            "contestants": battle.contestants,
            "options": battle.options,
            "status": battle.status.value,
            "round": battle.round,
            "opened_at": battle.created_at,
            "ended_at": battle.ended_at,
            "draw": battle.drawn,
        },
    }


def _arena_answer(answer: AnswerRecord, leaked: bool, redact: Redact) -> dict[str, Any]:
    return {
        "text": text_of(answer),
        "system": _system(answer, redact),
        **_provenance(answer, leaked),
        "side": None if answer.side is None else answer.side.value,
        "style": answer.style,
        "host": answer.host,
        "attempts": answer.attempts,
        "written_at": answer.created_at,
        "timing": answer.timing,
    }


_CSV_VOTE = ("battle_id", "round", "timestamp", "voter", "preference", "language", "categories")
_CSV_TIMING = ("ttft_s", "total_s", "tokens", "tokens_per_s", "cold")
_CSV_ANSWER = (
    *("response", "system", "model", "contestant", "digest", "quantization", "options", "server"),
    *("finish_reason", "fallback", "leaked", "leak", "cut_prompt", "entry", "host", *_CSV_TIMING),
)
CSV_COLUMNS = (
    *("schema", *_CSV_VOTE, "client_time", "prompt"),
    *(f"{name}_{side}" for side in Side for name in _CSV_ANSWER),
    *("named", "batch"),
    *("draw_set", "draw_set_probability", "draw_probability"),
)
"""The columns of CSV, in order; those of the answers twice, with ``_a`` and ``_b``."""


def _csv_row(vote: Comparison, redact: Redact) -> list[object]:
    metadata = _metadata(vote)
    row = [Format.CSV.schema, *(metadata[name] for name in _CSV_VOTE), vote.client_at, _prompt(vote, redact)]
    for side in Side:
        answer = _answer(vote, side)
        cells = _provenance(answer, _leaked(vote, side))
        cells |= {name: getattr(answer.timing, name) for name in _CSV_TIMING}
        cells |= {"response": text_of(answer), "system": _system(answer, redact)}
        cells |= {"entry": answer.entry, "host": answer.host}
        row += [cells[name] for name in _CSV_ANSWER]
    drawn = vote.battle.drawn
    draw = (None,) * 3 if drawn is None else (drawn.set_id, drawn.set_probability, drawn.probability)
    return [*row, metadata["named"], metadata["batch"], *draw]


def _csv_line(cells: Iterable[object]) -> bytes:
    """A line after RFC 4180; what is neither text nor number is written as in JSON."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_csv_cell(cell) for cell in cells])
    return line.getvalue().encode()


def _csv_cell(cell: object) -> object:
    if cell is None or isinstance(cell, str):
        return None if cell is None else harmless(cell)
    return orjson.dumps(cell, option=orjson.OPT_UTC_Z).decode().strip('"')
