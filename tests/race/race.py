"""The race: many voters, four workers, accidents, and the comparison of the books when it is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import aiohttp
import sqlalchemy as sa

from app.database.database import Database, migrate
from app.records import tables
from tests.race.books import BattleRow, Findings, VoteRow, audit
from tests.race.service import Service, running_service
from tests.race.voter import Line, Voter

AT_ONCE = 64
MOST_MODELS = 6


@dataclass(frozen=True)
class Report:
    """How a race went."""

    database: str
    seed: int
    votes: int
    seconds: float
    counts: Counter[str]
    accidents: Counter[str]
    findings: Findings
    odd: list[str]
    troubles: list[str]
    stuck: list[str]

    @property
    def clean(self) -> bool:
        """Whether the books agree, all battles ended, and nothing was answered that should not be."""
        right = self.findings.clean and self.findings.standing == self.votes
        return right and not (self.odd or self.troubles or self.stuck)

    def __str__(self) -> str:
        """A summary that a person reads, with the first of each kind of finding."""
        found = self.findings
        lines = [
            f"{self.database}, seed {self.seed}: {found.standing} of {self.votes} verdicts stand, "
            f"{self.counts['votes sent']} votes sent, {self.counts['votes told']} told 200, "
            f"{self.counts['votes told what stands']} told what stands, {self.counts['undone']} undone; "
            f"lost {len(found.lost)}, double {len(found.double)}, never sent {len(found.unsent)}, "
            f"wrongly told {len(found.wrong)}, unfinished {len(found.unfinished)}; "
            f"{_listed(self.accidents)}; {self.seconds:.1f} s",
            f"  {_listed(self.counts)}",
        ]
        named = {"lost": found.lost, "double": found.double, "never sent": found.unsent, "wrongly told": found.wrong}
        named |= {"unfinished": found.unfinished, "odd": self.odd, "errors": self.troubles, "stuck": self.stuck}
        return "\n".join([*lines, *(f"  {name}: {one}" for name, all_ in named.items() for one in all_[:5])])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def sizes(votes: int, rng: Random) -> list[int]:
    """Numbers of models whose battles have ``votes`` rounds in all."""
    drawn: list[int] = []
    while votes:
        rounds = min(rng.randint(1, MOST_MODELS - 1), votes)
        drawn.append(rounds + 1)
        votes -= rounds
    return drawn


async def race(database: str, votes: int, seed: int, folder: Path, limit_s: float, kill_every: int) -> Report:
    """Have ``votes`` rounds judged on ``database``, for at most ``limit_s``, and compare the books.

    In each ``kill_every`` rounds but the first so many a worker is killed.
    """
    with running_service(folder, database) as service:
        await migrate(service.database)
        await service.start()
        begun = monotonic()
        async with _line(service, seed) as line:
            rng = Random(f"{seed} sizes")
            voters = [
                Voter(f"{seed}-{n}", models, line, Random(f"{seed} voter {n}"))
                for n, models in enumerate(sizes(votes, rng))
            ]
            accidents = service.accidents_happen(
                Random(f"{seed} accidents"), lambda: line.counts["rounds told"], kill_every
            )
            late = await _run(accidents, voters, limit_s)
        seconds = monotonic() - begun
        claims = [voter.claims for voter in voters if voter.claims is not None]
        findings = audit(claims, *await _read(service.database))
        stuck = [f"{voter.claims and voter.claims.battle}: {voter.at}" for voter in voters if voter.at != "ended"]
        troubles = service.troubles() + late
        return Report(
            database, seed, votes, seconds, line.counts, service.accidents, findings, line.odd, troubles, stuck
        )


@asynccontextmanager
async def _line(service: Service, seed: int) -> AsyncIterator[Line]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        yield Line(service, http, Random(f"{seed} line"))


async def _run(misfortune: Coroutine[Any, Any, None], voters: list[Voter], limit_s: float) -> list[str]:
    """Let all voters play, some at once; returns what crashed, or that time was up."""
    waiting = list(reversed(voters))

    async def play() -> None:
        while waiting:
            await waiting.pop().play()

    accidents = asyncio.create_task(misfortune, name="accidents")
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(play(), name=f"voter {number}")
    except TimeoutError:
        return [f"not over after {limit_s:g} s"]
    finally:
        accidents.cancel()
        await asyncio.wait({accidents})
    return [] if accidents.cancelled() else [f"the accidents ended early: {accidents.exception()!r}"]


async def _read(url: str) -> tuple[list[BattleRow], list[VoteRow]]:
    """The books: battles with their failed answers, and votes in the order in which they were given."""
    battles, answers, votes = tables.battles, tables.answers, tables.votes
    failures = sa.select(sa.func.count()).where(answers.c.battle_id == battles.c.id, answers.c.finish_reason == "error")
    all_battles = sa.select(battles.c.id, battles.c.status, failures.scalar_subquery())
    taken_back = votes.c.retracted_at.is_not(None)
    all_votes = sa.select(votes.c.battle_id, votes.c.round, votes.c.verdict, taken_back).order_by(votes.c.id)
    database = Database(url)
    try:
        found = await database.read(lambda c: (c.execute(all_battles).all(), c.execute(all_votes).all()))
    finally:
        await database.aclose()
    return [BattleRow(*row) for row in found[0]], [VoteRow(row[0], row[1], row[2], bool(row[3])) for row in found[1]]
