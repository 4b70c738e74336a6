"""Every vote that stands, also those of battles that still run: what tests compare."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from app.database.database import Database
from app.records.votes import STANDING, JudgedVote, judged_vote


async def judged_votes(database: Database, after: int = 0, chunk: int = 2000) -> AsyncGenerator[JudgedVote]:
    """Yield the votes whose id is above ``after``, in the order of their ids."""
    while True:
        given = {"after": after, "chunk": chunk}
        rows = await database.read(lambda c, given=given: c.execute(STANDING, given).mappings().all())  # type: ignore[misc]
        for row in rows:
            yield judged_vote(row)
        if len(rows) < chunk:
            return
        after = rows[-1]["id"]
