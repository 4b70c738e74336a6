"""``arena batch compare``: people judge a run's answers two by two, on the arena's own page."""

from __future__ import annotations

import random
import sys
from collections import Counter
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.comparing import Comparing, stage_to_compare
from app.batch.runs import Run
from app.battle.battle import Verdict
from app.cli.batch_files import find, records_on
from app.cli.records import on_database
from app.database.database import Database
from app.hosts.options import options_for
from app.records.ledger import utc_now
from app.records.tables import battles, votes
from app.records.voters import secret_of
from app.records.votes import BATCH
from app.settings.settings import Settings
from app.web.shared.ownership import battle_token


def open_battles(settings: Settings, run: str, stage: str | None, count: int, url: str) -> None:
    """Make battles of a run's pairs and print the link to each.

    Raises:
        InvalidInput: the run has no stage of several models, or not this one.
        NotFound: there is no such run.
    """
    secret = secret_of(settings)

    async def work(database: Database) -> tuple[Run, list[str]]:
        found = await find(records_on(database), run)
        comparing = Comparing(
            database,
            found,
            stage_to_compare(found.spec, stage),
            secret,
            settings.arena_leak,
            partial(options_for, settings),
            utc_now(),
            random.SystemRandom(),
        )
        return found, await comparing.open(count)

    found, opened = on_database(settings, work)
    for battle in opened:
        _say(f"{url.rstrip('/')}/battle/{battle}/claim?token={battle_token(secret, battle)}")
    hours = settings.arena_battle_ttl.total_seconds() / 3600
    sys.stderr.write(
        f"{len(opened)} pairs of {found.id}; each link is one vote, within {hours:g} h (ARENA_BATTLE_TTL)\n"
        if opened
        else f"{found.id}: there is no pair that is done and waits for no vote; --tally shows the votes\n"
    )


def tally(settings: Settings, run: str) -> None:
    """Print how the votes on a run's pairs are, by stage and pair of models."""

    async def work(database: Database) -> tuple[Run, Counter[tuple[int, str, str, str]]]:
        found = await find(records_on(database), run)
        return found, await database.read(lambda connection: counted(connection, found.id))

    found, counts = on_database(settings, work)
    for stage, one, other in sorted({key[:3] for key in counts}):
        won = [counts[stage, one, other, what] for what in ("one", "other", "tie", "both_bad")]
        line = f"{one} {won[0]}, {other} {won[1]}, ties {won[2]}, both bad {won[3]}"
        _say(f"{found.spec.stages[stage].name}: {line}")
    if not counts:
        _say(f"{found.id}: nobody has voted on its pairs yet")


def counted(connection: Connection, run: str) -> Counter[tuple[int, str, str, str]]:
    """The votes on a run's pairs: by stage, both models in order, and which of them won (one, other) or the verdict."""
    of = battles.c.options[BATCH]
    query = (
        sa.select(battles.c.contestants, of["stage"].as_integer(), *votes.c["verdict", "entry_a", "entry_b"])
        .join(votes, votes.c.battle_id == battles.c.id)
        .where(of["run"].as_string() == run, votes.c.retracted_at.is_(None))
    )
    counts: Counter[tuple[int, str, str, str]] = Counter()
    for models, stage, verdict, a, b in connection.execute(query):
        one, other = sorted((models[a], models[b]))
        winner = {Verdict.A: models[a], Verdict.B: models[b]}.get(Verdict(verdict))
        counts[stage, one, other, {one: "one", other: "other"}.get(winner or "", verdict)] += 1
    return counts


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
