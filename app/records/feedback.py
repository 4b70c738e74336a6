"""Reasons and comments, in the row of their vote: taking it back drops both, an erasure drops the comment."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Verdict
from app.battle.feedback import Feedback, in_order
from app.database.database import Database
from app.errors import Conflict
from app.records.conflicts import no_such_battle
from app.records.rows import Row
from app.records.tables import battles, votes

NO_FEEDBACK: dict[str, Any] = dict.fromkeys(("reasons_a", "reasons_b", "comment"))
"""The columns of a vote without any."""

_STANDS = sa.and_(
    votes.c.battle_id == sa.bindparam("of"), votes.c.round == sa.bindparam("at"), votes.c.retracted_at.is_(None)
)
# The battle's row comes first, as for an erasure and for taking a vote back: one of them is first, the other sees it.
_BATTLE = sa.select(battles.c.forgotten_at).where(battles.c.id == sa.bindparam("of"))
_LOCKED = _BATTLE.with_for_update()
_KEEP = (
    sa.update(votes)
    .where(_STANDS)
    .values({name: sa.bindparam(f"new_{name}", type_=votes.c[name].type) for name in NO_FEEDBACK})
)
_READ = sa.select(*votes.c["verdict", "reasons_a", "reasons_b", "comment"]).where(_STANDS)


class FeedbackBook:
    """Keeps and reads what was said of verdicts; every method raises ``Unavailable`` while the database is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, battle_id: str, round: int, feedback: Feedback) -> Verdict:
        """Put ``feedback`` in the place of what was said of the vote that stands for ``round``; returns its verdict.

        Raises:
            NotFound: there is no such battle.
            Conflict: no vote stands for the round, or the battle's words were erased.
        """
        new = {f"new_{name}": value for name, value in feedback_row(feedback).items()}
        at = {"of": battle_id, "at": round}

        def work(connection: Connection) -> Verdict:
            battle = connection.execute(_LOCKED, {"of": battle_id}).one_or_none()
            if battle is None:
                raise no_such_battle()
            if battle.forgotten_at is not None:
                raise Conflict("what was said in this battle was erased; nothing is added to it", code="erased")
            connection.execute(_KEEP, at | new)
            return Verdict(_standing(connection, at)["verdict"])

        return await self._database.transaction(work)

    async def read(self, battle_id: str, round: int) -> tuple[Verdict, Feedback]:
        """The verdict that stands for ``round``, and what was said of it.

        Raises:
            NotFound: there is no such battle.
            Conflict: no vote stands for the round.
        """

        def work(connection: Connection) -> Row:
            if connection.execute(_BATTLE, {"of": battle_id}).one_or_none() is None:
                raise no_such_battle()
            return _standing(connection, {"of": battle_id, "at": round})

        row = await self._database.read(work)
        return Verdict(row["verdict"]), feedback_value(row)


def _standing(connection: Connection, at: dict[str, Any]) -> Row:
    row = connection.execute(_READ, at).mappings().one_or_none()
    if row is None:
        raise Conflict(f"round {at['at']} has no verdict that stands; judge it first", code="not_judged")
    return row


def feedback_row(feedback: Feedback) -> dict[str, Any]:
    """The columns of a vote that hold ``feedback``; nothing is NULL."""
    return {
        "reasons_a": [one.value for one in feedback.a] or None,
        "reasons_b": [one.value for one in feedback.b] or None,
        "comment": feedback.comment,
    }


def feedback_value(row: Row) -> Feedback:
    """The columns of a vote as a value."""
    return Feedback(in_order(row["reasons_a"] or ()), in_order(row["reasons_b"] or ()), row["comment"])
