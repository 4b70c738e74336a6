"""A vote that stands, as a ranking needs it, and the query for a chunk of such votes.

A chunk is one short query that goes on behind the last vote's id: no cursor is held open, so neither a statement's time
limit nor a slow reader matters, and a vote that is cast meanwhile comes at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.battle.battle import Pair, Side, Verdict
from app.leaks.policy import is_void
from app.records.rows import Row, style_value
from app.records.style import AnswerStyle
from app.records.tables import STYLES, answers, battles, votes

NAMED = "named"
"""The option under which the records keep that the opener of a battle named its models."""
NAMES_SHOWN = "names_shown"
"""The option under which the records keep since when a battle shows names before its end; most have none."""
FROM_START, AFTER_VOTE = "start", "vote"


def names_were_known(options: Mapping[str, Any], round_number: int) -> bool:
    """Whether who judged that round of a battle with these options knew a name: all, or that of the round before."""
    shown = options.get(NAMES_SHOWN)
    return bool(options.get(NAMED)) or shown == FROM_START or (shown == AFTER_VOTE and round_number > 1)


BATCH = "batch"
"""The option under which the records keep which pair of a batch run a battle is about: run, job, stage."""


@dataclass(frozen=True, slots=True)
class JudgedVote:
    """One verdict that stands, with what a ranking needs to know of the pair.

    ``contestant_*`` are ids of ``ModelIdentity``, None for answers that are older than identities. ``fallback_*``:
    the answer came from a fallback. ``leaked_*``: it named its model where the voter could read it. ``void``: one of
    them did so while such votes were declared void. ``named``: the opener named the models, or names were shown
    before the verdict. ``batch``: the answers are a batch run's. ``cut_prompt``: a server cut the prompt of an
    answer. ``style_*`` is the style of an answer, None if it was not measured. ``language`` and ``categories`` are
    those of the message, None while they are not known. ``id`` grows with time.
    """

    id: int
    battle_id: str
    round: int
    verdict: Verdict
    entry_a: int
    entry_b: int
    model_a: str
    model_b: str
    contestant_a: str | None
    contestant_b: str | None
    fallback_a: bool
    fallback_b: bool
    leaked_a: bool
    leaked_b: bool
    cut_prompt: bool
    named: bool
    batch: bool
    void: bool
    style_a: AnswerStyle | None
    style_b: AnswerStyle | None
    voter: str | None
    language: str | None
    categories: tuple[str, ...] | None
    created_at: datetime

    @property
    def pair(self) -> Pair:
        """The entries that were judged."""
        return Pair(self.entry_a, self.entry_b)

    @property
    def fallback(self) -> bool:
        """Whether either answer came from a fallback."""
        return self.fallback_a or self.fallback_b

    @property
    def leaked(self) -> bool:
        """Whether either answer named its model."""
        return self.leaked_a or self.leaked_b


_A, _B = answers.alias("a"), answers.alias("b")
_OF_SIDE = ((_A, Side.A), (_B, Side.B))


def _written(by: sa.FromClause, side: Side) -> list[sa.ColumnElement[Any]]:
    columns = [
        by.c[name].label(f"{name}_{side}") for name in ("model", "contestant_id", "fallback", "leak", "cut_prompt")
    ]
    columns += [by.c[f"style_{name}"].label(f"style_{name}_{side}") for name in STYLES]
    return [*columns, sa.or_(by.c.leaked, votes.c[f"leaked_{side}"]).label(f"leaked_{side}")]


STANDING = (
    sa.select(
        *votes.c["id", "battle_id", "round", "verdict", "entry_a", "entry_b", "voter", "created_at"],
        *battles.c["language", "categories", "contestants"],
        battles.c.options[NAMED].as_boolean().label(NAMED),
        battles.c.options[NAMES_SHOWN].as_string().label(NAMES_SHOWN),
        battles.c.options[BATCH]["run"].as_string().label(BATCH),
        *(column for by, side in _OF_SIDE for column in _written(by, side)),
    )
    .select_from(
        votes.join(battles, battles.c.id == votes.c.battle_id)
        .outerjoin(_A, sa.and_(_A.c.battle_id == votes.c.battle_id, _A.c.entry == votes.c.entry_a))
        .outerjoin(_B, sa.and_(_B.c.battle_id == votes.c.battle_id, _B.c.entry == votes.c.entry_b))
    )
    .where(votes.c.retracted_at.is_(None), votes.c.id > sa.bindparam("after"))
    .order_by(votes.c.id)
    .limit(sa.bindparam("chunk"))
)
"""A chunk of the votes that stand, from the one behind ``after``."""


def judged_vote(row: Row) -> JudgedVote:
    """A row of this module's query as a value; where an answer is missing, the battle knows the name."""
    names = row["contestants"]
    return JudgedVote(
        id=row["id"],
        battle_id=row["battle_id"],
        round=row["round"],
        verdict=Verdict(row["verdict"]),
        entry_a=row["entry_a"],
        entry_b=row["entry_b"],
        model_a=row["model_a"] or names[row["entry_a"]],
        model_b=row["model_b"] or names[row["entry_b"]],
        contestant_a=row["contestant_id_a"],
        contestant_b=row["contestant_id_b"],
        fallback_a=bool(row["fallback_a"]),
        fallback_b=bool(row["fallback_b"]),
        leaked_a=bool(row["leaked_a"]),
        leaked_b=bool(row["leaked_b"]),
        cut_prompt=bool(row["cut_prompt_a"] or row["cut_prompt_b"]),
        named=names_were_known(row, row["round"]),
        batch=bool(row[BATCH]),
        style_a=style_value(row, "_a"),
        style_b=style_value(row, "_b"),
        voter=row["voter"],
        void=is_void(row["leak_a"]) or is_void(row["leak_b"]),
        language=row["language"],
        categories=None if row["categories"] is None else tuple(row["categories"]),
        created_at=row["created_at"],
    )
