"""Battles as rows of the ledger, played without the service."""

from __future__ import annotations

import itertools
from typing import Any

from app.battle.battle import Pair, Side, Status, Verdict
from app.leaks.policy import is_leaked
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, NewBattle
from app.timing.stopwatch import Timing

A, B, TIE, BOTH_BAD = Verdict.A, Verdict.B, Verdict.TIE, Verdict.BOTH_BAD
TIMED = Timing(ttft_s=0.5, tokens=100, tokens_per_s=40.0, total_s=3.0)


class Player:
    """Opens battles of two or three models, stores their answers and votes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._ids = (f"battle-{number:04}" for number in itertools.count())

    async def battle(self, verdict: Verdict, *models: str, end: Status = Status.FINISHED, **how: Any) -> str:
        """One battle with one verdict on its first two models; ``end`` may be RUNNING."""
        battle = next(self._ids)
        models = models or ("x", "y")
        opened = {name: how.pop(name) for name in ("language", "categories", "options") if name in how}
        await self._ledger.open_battle(NewBattle(battle, "Why?", models, **opened))
        answers = [self._answer(entry, model, **how) for entry, model in enumerate(models[:2])]
        await self._ledger.save_answers(battle, answers)
        outcome = end if end is not Status.STOPPED else Status.RUNNING
        await self._ledger.cast_vote(battle, 1, verdict, Pair(0, 1), outcome=outcome, key=None)
        return battle

    async def battles(self, *verdicts: Verdict, **how: Any) -> None:
        """A battle of x and y for each verdict."""
        for verdict in verdicts:
            await self.battle(verdict, **how)

    async def end(self, battle: str, status: Status = Status.STOPPED) -> None:
        await self._ledger.end_battle(battle, status)

    def _answer(
        self, entry: int, model: str, *, digests: tuple[str, str] = ("", ""), texts: tuple[str, str] = ("So.", "So."),
        leaked: bool = False, leak: str | None = None, fallback: bool = False, host: str | None = "gpu",
        timing: Timing = TIMED,
    ) -> AnswerRecord:  # fmt: skip
        return AnswerRecord(
            entry,
            model=model,
            host=host,
            text=texts[entry],
            finish_reason="stop",
            side=(Side.A, Side.B)[entry],
            asked=Provenance(ModelIdentity(model, digests[entry], "Q4_K_M")),
            leaked=(leaked or is_leaked(leak)) and entry == 0,
            leak=leak if entry == 0 else None,
            fallback=fallback and entry == 0,
            timing=timing,
        )
