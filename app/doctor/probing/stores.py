"""Probes Redis and the database, each within a limit, and whether they take writes (``app.readiness.write_probe``).

Redis gets INFO, TIME, CONFIG GET (which may be forbidden) and a bounded SCAN for the leases of hosts; from the database
come its revision, its clock and the times of the newest battles' answers.
"""

from __future__ import annotations

import asyncio
import functools
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from sqlalchemy.engine import Connection

from app.database.address import parse, shown_database, sqlite_file
from app.database.database import Database, may_serve, revisions
from app.database.unavailable import unusable
from app.doctor.probing.observation import ObservedAnswer, ObservedDatabase, ObservedRedis
from app.errors import ConfigurationError, Unavailable
from app.network.addresses import shown
from app.readiness.write_probe import database_refusal, redis_refusal
from app.records.tables import answers, battles
from app.redis.connection import is_refusal
from app.redis.embedded.folder import RedisFolder
from app.redis.embedded.process import find_redis_server
from app.settings.settings import Settings

LIMIT = timedelta(seconds=2.3)
_LEASE, _AFTER = "arena:host:{", "}:lease"
_SCAN_ROUNDS, _SCAN_COUNT = 20, 1000
_BATTLES = 60


def embedded_socket(settings: Settings) -> Path | None:
    """The socket of the embedded Redis of a running arena; None when there is none. Creates no folder."""
    if not (settings.arena_data_dir / "redis").is_dir():
        return None
    found = RedisFolder(settings.arena_data_dir).socket()
    return found if found is not None and found.exists() else None


async def idle_redis(settings: Settings) -> ObservedRedis:
    """The embedded Redis of an arena that does not run: whether it could start."""
    where = f"embedded in {settings.arena_data_dir}"
    blocked = unwritable(settings.arena_data_dir)
    if blocked is not None:
        return ObservedRedis(where, "folder", str(blocked), embedded=True)
    try:
        await asyncio.to_thread(find_redis_server)
    except ConfigurationError as error:
        return ObservedRedis(where, "none", error.sentence, embedded=True)
    return ObservedRedis(where, "idle", embedded=True)


def unwritable(folder: Path) -> Path | None:
    """The nearest existing folder at or above ``folder``, if this user can't write to it; else None."""
    near = folder.absolute()
    while not near.exists() and near != near.parent:
        near = near.parent
    return None if near.is_dir() and os.access(near, os.W_OK | os.X_OK) else near


def readable_by_all(file: Path) -> bool:
    """Whether every user of this machine may read ``file``, by its mode and that of its folder."""
    return bool(file.stat().st_mode & stat.S_IROTH and file.parent.stat().st_mode & stat.S_IXOTH)


async def probe_redis(
    redis: Redis,
    settings: Settings,
    hosts: Sequence[str],
    wall: Callable[[], float] = time.time,
    limit: timedelta = LIMIT,
) -> ObservedRedis:
    """Probe Redis; never raises, whatever state the server is in."""
    embedded = not settings.redis_address
    where = f"embedded in {settings.arena_data_dir}" if embedded else shown(settings.redis_address)
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await _redis_up(redis, where, embedded, hosts, wall)
    except TimeoutError:
        return ObservedRedis(where, "unavailable", f"no answer within {limit.total_seconds():g} s", embedded)
    except (RedisError, OSError) as error:
        refused = isinstance(error, NoPermissionError | ResponseError) or is_refusal(error)
        return ObservedRedis(
            where, "refused" if refused else "unavailable", str(error) or type(error).__name__, embedded
        )


async def _redis_up(
    redis: Redis, where: str, embedded: bool, hosts: Sequence[str], wall: Callable[[], float]
) -> ObservedRedis:
    info: dict[str, Any] = await redis.info("everything")
    began = wall()
    seconds, micros = await redis.time()
    skew_s = seconds + micros / 1e6 - (began + wall()) / 2
    refusal = await redis_refusal(redis)
    if refusal is not None and refusal.kind in ("unavailable", "forbidden"):
        return ObservedRedis(
            where, "unavailable" if refusal.kind == "unavailable" else "refused", refusal.reason, embedded
        )
    config = await _config(redis)
    return ObservedRedis(
        where,
        embedded=embedded,
        version=str(info.get("redis_version", "")),
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used_bytes=int(info.get("used_memory", 0)),
        limit_bytes=int(info.get("maxmemory", 0)),
        evicted=int(info.get("evicted_keys", 0)),
        refusal=refusal,
        appends=bool(info.get("aof_enabled")),
        fsync=config.get("appendfsync"),
        saves=config.get("save"),
        skew_s=skew_s,
        unknown_hosts=await _unknown_hosts(redis, hosts),
    )


async def _config(redis: Redis) -> dict[str, str]:
    """The settings that INFO does not have; none where CONFIG is forbidden or renamed (hosted servers)."""
    names = ("appendfsync", "save")
    found: dict[str, str] = {}
    try:
        for name in names:
            answer = cast("Mapping[Any, Any]", await redis.config_get(name))
            found |= {_text(known): _text(value) for known, value in answer.items()}
    except ResponseError:
        return found
    return found


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


async def _unknown_hosts(redis: Redis, hosts: Sequence[str]) -> tuple[str, ...]:
    """Hosts that have drivers in this Redis and are not ours; the SCAN is bounded, so a very full one may hide some."""
    cursor, found = 0, set()
    for _ in range(_SCAN_ROUNDS):
        cursor, keys = await redis.scan(cursor, match=f"{_LEASE}*{_AFTER}", count=_SCAN_COUNT)
        found |= {_text(one).removeprefix(_LEASE).removesuffix(_AFTER) for one in keys}
        if not cursor:
            break
    return tuple(sorted(found - set(hosts)))


async def probe_database(url: str, wall: Callable[[], float] = time.time, limit: timedelta = LIMIT) -> ObservedDatabase:
    """Probe the database at ``url``; never raises, whatever state it is in."""
    try:
        where = parse(url)
    except ConfigurationError as error:
        return ObservedDatabase("DATABASE_URL", "unusable", error.sentence.removeprefix("DATABASE_URL: "))
    file = sqlite_file(where)
    name = shown_database(where)
    if file is not None and (not file.exists() or not file.stat().st_size):
        blocked = unwritable(file.parent)
        return ObservedDatabase(name, "new") if blocked is None else ObservedDatabase(name, "folder", str(blocked))
    # The write waits for a lock last, so half of the time is left for what is read before, also on a busy machine.
    database = Database(url, busy=limit * 0.5, pool_size=1)
    try:
        async with asyncio.timeout(limit.total_seconds()):
            seen = await _database_up(database, name, is_file=file is not None, wall=wall)
            return replace(seen, readable=file is not None and readable_by_all(file))
    except TimeoutError:
        return ObservedDatabase(name, "unavailable", f"no answer within {limit.total_seconds():g} s")
    except (Unavailable, sa.exc.SQLAlchemyError) as error:
        blocked = None if file is None else unwritable(file.parent)
        return _database_down(name, error) if blocked is None else ObservedDatabase(name, "folder", str(blocked))
    finally:
        await database.aclose()


async def _database_up(database: Database, name: str, *, is_file: bool, wall: Callable[[], float]) -> ObservedDatabase:
    began = wall()
    at, clock = await database.read(functools.partial(_revision_and_clock, is_file=is_file))
    skew_s = None if clock is None else clock - (began + wall()) / 2
    known = await asyncio.to_thread(known_revisions)
    if at is None:
        return ObservedDatabase(name, "empty", skew_s=skew_s)
    serves = at in known or await database.read(functools.partial(may_serve, known=known[0]))
    if not serves:
        return ObservedDatabase(name, "newer", f"{at}, and this version knows {known[0]}", skew_s)
    if at in known[1:]:
        return ObservedDatabase(name, "behind", f"{at}, and this version needs {known[0]}", skew_s)
    answers_seen = await database.read(_newest_answers)
    return ObservedDatabase(name, skew_s=skew_s, answers=answers_seen, refusal=await database_refusal(database))


def _database_down(name: str, error: Exception) -> ObservedDatabase:
    """Retrying helps with a database that is unavailable, but not with a wrong file or a wrong password."""
    beneath = error.__cause__ or error
    original = getattr(beneath, "orig", None) or beneath
    lines = str(original).splitlines()
    refused = unusable(error)
    why = refused or (lines[0] if lines else type(original).__name__)
    hopeless = refused is not None or "not a database" in why or "malformed" in why
    return ObservedDatabase(name, "unusable" if hopeless else "unavailable", why)


def _revision_and_clock(connection: Connection, *, is_file: bool) -> tuple[str | None, float | None]:
    clock = None if is_file else float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
    if not sa.inspect(connection).has_table("alembic_version"):
        return None, clock
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")), clock


@functools.cache
def known_revisions() -> tuple[str, ...]:
    """The revisions that this code knows; finding out takes a while, the first time."""
    return revisions()


def _newest_answers(connection: Connection) -> tuple[ObservedAnswer, ...]:
    """The warm answers of the newest battles, with the times between which each was under way."""
    newest = (
        sa.select(battles.c.id)
        .where(battles.c.forgotten_at.is_(None))  # as the index has it
        .order_by(battles.c.created_at.desc())
        .limit(_BATTLES)
    )
    columns = (answers.c.host, answers.c.model, answers.c.created_at, answers.c.ttft_s, answers.c.decode_s)
    complete = (
        answers.c.finish_reason.in_(("stop", "length")),
        answers.c.host.is_not(None),
        answers.c.ttft_s.is_not(None),
        answers.c.decode_s.is_not(None),
        answers.c.cold.is_(False),
        answers.c.thinking_s == 0,
    )
    chosen = [battle for (battle,) in connection.execute(newest)]
    rows = connection.execute(sa.select(*columns).where(answers.c.battle_id.in_(chosen), *complete))
    return tuple(_answer(*row) for row in rows)


def _answer(host: str, model: str, at: datetime, ttft_s: float, decode_s: float) -> ObservedAnswer:
    ended = at.timestamp()
    return ObservedAnswer(host, model, ended - decode_s - ttft_s, ended - decode_s, ended)
