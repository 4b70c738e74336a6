"""What each host costs and did today (UTC), from Redis and the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from app.database.address import database_url
from app.database.database import Database
from app.doctor.probing.observation import ObservedRedis
from app.doctor.probing.observe import redis_of
from app.hosts.host import Host
from app.process.found_kinds import hosts_with_kinds
from app.records.tables import answers, battles
from app.scheduling.spending import HostSpending, Spent
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class HostToday:
    """One host today; costs are None without a ``price_per_hour``, shares without any time awake."""

    host: str
    kind: str
    awake_minutes: float
    idle_share: float | None
    requests: int
    wakes: int
    answers: int
    users: int
    price_per_hour: float | None
    budget_per_day: float | None
    cost: float | None
    cost_per_answer: float | None


async def today(settings: Settings) -> list[HostToday]:
    """The figures of all hosts.

    Raises:
        ConfigurationError: the settings contradict themselves.
        Unavailable: Redis or the database does not answer.
    """
    async with redis_of(settings) as redis:
        if isinstance(redis, ObservedRedis):  # the arena does not run, and keeps its Redis to itself
            configured = await hosts_with_kinds(settings)
            spent = {host.name: Spent() for host in configured}
        else:
            configured = await hosts_with_kinds(settings, redis)
            spent = {host.name: await HostSpending(redis, host.name).today() for host in configured}
    database = Database(database_url(settings))
    try:
        answered = await database.read(_answered)
    finally:
        await database.aclose()
    return [row_of(host, spent[host.name], answered) for host in configured]


def _answered(connection: Connection) -> dict[str, tuple[int, int]]:
    """By host: today's answers that came to their own end, and how many people they were for."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    person = sa.func.coalesce(battles.c.session_id, battles.c.id)
    query = (
        sa.select(answers.c.host, sa.func.count(), sa.func.count(sa.distinct(person)))
        .join(battles, battles.c.id == answers.c.battle_id)
        .where(answers.c.created_at >= midnight, answers.c.finish_reason.in_(("stop", "length")))
        .where(answers.c.host.is_not(None))
        .group_by(answers.c.host)
    )
    return {host: (count, people) for host, count, people in connection.execute(query)}


def row_of(host: Host, spent: Spent, answered: Mapping[str, tuple[int, int]]) -> HostToday:
    """The figures of one host; ``answered`` are answers and people by host."""
    count, people = answered.get(host.name, (0, 0))
    cost = None if host.price_per_hour is None else spent.cost(host.price_per_hour)
    return HostToday(
        host=host.name,
        kind=host.kind,
        awake_minutes=round(spent.awake_s / 60, 1),
        idle_share=spent.idle_share,
        requests=int(spent.requests),
        wakes=int(spent.wakes),
        answers=count,
        users=people,
        price_per_hour=host.price_per_hour,
        budget_per_day=host.budget_per_day,
        cost=cost,
        cost_per_answer=cost / count if cost is not None and count else None,
    )
