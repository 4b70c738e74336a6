"""Battles that were played: their lists, their feedback, and the erasing of what was said."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from app.arena.store import Store
from app.battle.battle import Status, Verdict
from app.battle.feedback import Feedback
from app.errors import Conflict
from app.records.ledger import Ledger
from app.records.values import BattleSummary

log = structlog.get_logger(__name__)


class Archive:
    """Reads and erases battles; ``app.web.shared`` decides who may."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def among(self, ids: Sequence[str]) -> tuple[BattleSummary, ...]:
        """Those of ``ids`` that are battles, the newest first."""
        return await self._ledger.among(ids)

    async def newest(self, limit: int, before: str | None = None) -> tuple[BattleSummary, ...]:
        """A page of all battles, the newest first: those that follow the battle ``before``."""
        return await self._ledger.newest(limit, before)

    async def feedback(self, battle_id: str, round_number: int) -> tuple[Verdict, Feedback]:
        """The verdict that stands for a round, and what its voter said of it.

        Raises:
            NotFound: there is no such battle.
            Conflict: no vote stands for the round.
        """
        return await self._ledger.feedback.read(battle_id, round_number)

    async def keep_feedback(self, battle_id: str, round_number: int, feedback: Feedback) -> Verdict:
        """Put ``feedback`` in the place of what was said of a round's verdict, and return the verdict.

        Raises:
            NotFound: there is no such battle.
            Conflict: no vote stands for the round, or the battle's words were erased.
        """
        verdict = await self._ledger.feedback.keep(battle_id, round_number, feedback)
        log.info("feedback_kept", battle=battle_id, round=round_number)
        return verdict

    async def erase(self, battle_id: str) -> None:
        """Erase the words of an ended battle and who voted in it, in SQL and then in Redis; again is harmless.

        Raises:
            NotFound: there is no such battle.
            Conflict: it still runs.
        """
        if await self._ledger.erase(battle_id) is Status.RUNNING:
            raise Conflict("the battle still runs; stop it first, then delete it", code="still_running")
        await self._store.drop(battle_id)
        log.info("battle_erased", battle=battle_id)
