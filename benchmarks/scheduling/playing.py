"""Users at their battles: they open, wait for both answers, read, vote, and go on until the battle ends.

The rules are the arena's own (``app.battle.rules``). Who writes the answers is behind ``Writers``: the drivers, or the
model server itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.battle import rules
from app.battle.battle import Battle, Contestant, Side, Status
from app.scheduling.ports import Finish
from app.tasks import cancel_and_wait
from benchmarks.scheduling.visits import Visit

SWEEP_S = 10.0
"""A battle without news for so long is asked for again, as the arena's sweeper does."""

GIVE_UP_S = 7200.0
"""A battle that takes longer than this is stuck."""


class Writers(Protocol):
    """Who writes the answers of battles."""

    async def open(self, battle: Battle) -> None:
        """Wait until the battle is accepted."""
        ...

    async def ask(self, battle: Battle) -> None:
        """See to it that the answers on stage are written; to repeat it is harmless."""
        ...

    async def news(self, battle: Battle, limit_s: float) -> None:
        """Return when an answer of the battle has ended, or after ``limit_s``."""
        ...

    def finish(self, battle: Battle, entry: int) -> Finish | None:
        """How an answer ended; None while it has not."""
        ...

    def forget(self, battle: Battle) -> None:
        """The battle is over."""
        ...


@dataclass(slots=True)
class Played:
    """What became of a visit: ``waits_s`` for each round from the opening or the vote until both answers were there.

    One that was cut off at the end (``ended`` false) has its wait so far and the answers that had ended.
    """

    visit: Visit
    opened_at: float
    waits_s: list[float] = field(default_factory=list)
    status: Status = Status.RUNNING
    answers: list[Finish] = field(default_factory=list)
    ended: bool = False

    @property
    def waited_s(self) -> float:
        """The battle's time without what the user took to read."""
        return sum(self.waits_s)


class Stuck(RuntimeError):
    """A battle did not end."""


Contestants = Callable[[Visit], Sequence[str]]
"""Who enters a visit's battle, asked when it opens."""


def as_planned(visit: Visit) -> Sequence[str]:
    """Those that were drawn with the visit, before the first battle."""
    return visit.models


async def play_all(
    visits: Sequence[Sequence[Visit]], writers: Writers, now: Callable[[], float], contestants: Contestants = as_planned
) -> list[Played]:
    """Play all visits, each user's one after the other; the battles in the order of their opening.

    Raises:
        Stuck: an answer neither came nor failed.
    """
    played: list[Played] = []
    async with asyncio.TaskGroup() as users:
        for of_user in visits:
            users.create_task(_user(of_user, writers, now, played, contestants))
    return sorted(played, key=lambda one: (one.opened_at, one.visit.battle))


async def play_for(
    seconds: float,
    visits: Sequence[Sequence[Visit]],
    writers: Writers,
    now: Callable[[], float],
    contestants: Contestants = as_planned,
) -> list[Played]:
    """Play visits for so long, then cut off what is still going on; the battles in the order of their opening.

    Raises:
        Stuck: an answer neither came nor failed.
    """
    played: list[Played] = []
    users = [asyncio.create_task(_user(of_user, writers, now, played, contestants), name="user") for of_user in visits]
    done, _ = await asyncio.wait(users, timeout=max(seconds - now(), 0.0), return_when=asyncio.FIRST_EXCEPTION)
    await cancel_and_wait(*users)
    for user in done:
        user.result()
    return sorted(played, key=lambda one: (one.opened_at, one.visit.battle))


async def _user(
    visits: Sequence[Visit], writers: Writers, now: Callable[[], float], played: list[Played], contestants: Contestants
) -> None:
    free_at = 0.0
    for visit in visits:
        await asyncio.sleep(max(visit.at if visit.pause_s is None else free_at + visit.pause_s, now()) - now())
        one = Played(replace(visit, models=tuple(contestants(visit))), now())
        played.append(one)
        await _battle(one, writers, now)
        free_at = now()


async def _battle(played: Played, writers: Writers, now: Callable[[], float]) -> None:
    visit = played.visit
    contestants = tuple(Contestant(entry, model) for entry, model in enumerate(visit.models))
    battle = rules.open_battle(visit.battle, visit.message, contestants)
    began = now()
    try:
        await writers.open(battle)
        while True:
            battle = await _until_ready(battle, writers, began + GIVE_UP_S, now)
            played.waits_s.append(now() - began)
            if not battle.running:
                break
            await asyncio.sleep(visit.reads_s[len(battle.votes)])
            began = now()
            battle = rules.cast_vote(battle, battle.round, visit.verdicts[len(battle.votes)], _failed(battle, writers))
            if not battle.running:
                break
        played.ended = True
    finally:
        if not played.ended:
            played.waits_s.append(now() - began)
        entries = range(len(contestants))
        played.answers = [finish for entry in entries if (finish := writers.finish(battle, entry)) is not None]
        played.status = battle.status
    writers.forget(battle)


async def _until_ready(battle: Battle, writers: Writers, limit: float, now: Callable[[], float]) -> Battle:
    """Wait until the round on stage can be judged or the battle has ended; who fails is replaced."""
    while battle.running:
        failed = _failed(battle, writers)
        if failed & {battle.pair.a, battle.pair.b}:
            battle = rules.forfeit(battle, failed)
            continue
        if all(writers.finish(battle, battle.pair.on(side)) is not None for side in Side):
            return rules.mark_ready(battle)
        if now() > limit:
            raise Stuck(f"{battle.id}: entries {battle.pair} in round {battle.round}")
        await writers.ask(battle)
        await writers.news(battle, SWEEP_S)
    return battle


def _failed(battle: Battle, writers: Writers) -> frozenset[int]:
    ends = ((entry, writers.finish(battle, entry)) for entry in range(len(battle.contestants)))
    return frozenset(entry for entry, finish in ends if finish is not None and finish.reason == "error")
