"""Battles and answers with what a test doesn't care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.battle.battle import Pair, Side, Status, Verdict
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, CastVote, NewBattle, RoundRecord
from app.timing.stopwatch import Timing

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OPENING = Pair(0, 1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def new_battle(battle_id: str = "b1", **given: Any) -> NewBattle:
    return NewBattle(battle_id, **{"message": "Why?", "contestants": ("x", "y", "z"), **given})


def new_answer(entry: int = 0, **given: Any) -> AnswerRecord:
    return AnswerRecord(entry, **{"model": "x", "host": "gpu", "text": "So.", "finish_reason": "stop", **given})


async def vote(
    ledger: Ledger,
    verdict: Verdict = Verdict.A,
    *,
    battle: str = "b1",
    round: int = 1,
    key: str | None = None,
    outcome: Status = Status.RUNNING,
) -> CastVote:
    return await ledger.cast_vote(battle, round, verdict, OPENING, outcome=outcome, key=key)


ASKED = {
    "x": Provenance(ModelIdentity("x", "sha256:aa", "Q4_K_M", {"num_ctx": 4096, "seed": 7}), "Be brief."),
    "y": Provenance(ModelIdentity("y", "sha256:bb", "Q8_0", {"num_ctx": 4096, "seed": 7})),
    "z": Provenance(ModelIdentity("z", "sha256:cc", "Q4_0", {"num_ctx": 8192})),
}


async def judged_battle(
    ledger: Ledger,
    battle: str = "b1",
    verdicts: tuple[Verdict, ...] = (Verdict.A,),
    answers: tuple[AnswerRecord, ...] = (),
    **given: Any,
) -> None:
    """A battle of x, y and z with all its answers, judged as far as ``verdicts`` go; the champion stays on side a."""
    await ledger.open_battle(new_battle(battle, **given))
    rest = {entry: _answer(entry, name) for entry, name in enumerate("xyz")} | {one.entry: one for one in answers}
    pairs = (Pair(0, 1), Pair(0, 2))
    rounds = [RoundRecord(number, pair, True) for number, pair in enumerate(pairs[: len(verdicts)], 1)]
    await ledger.save_answers(battle, list(rest.values()), rounds)
    for number, verdict in enumerate(verdicts, 1):
        outcome = Status.RUNNING if number < len(verdicts) else Status.FINISHED
        pair = pairs[number - 1]
        await ledger.cast_vote(battle, number, verdict, pair, outcome=outcome, key=f"k{number}", voter="4f1e")


def _answer(entry: int, name: str) -> AnswerRecord:
    side = Side.A if entry == 0 else Side.B
    timing = Timing(ttft_s=0.25, total_s=2.5, tokens=30, tokens_per_s=40.0)
    return new_answer(entry, model=name, text=f"{name} says so.", side=side, asked=ASKED[name], timing=timing)
