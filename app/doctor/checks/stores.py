"""Findings about Redis, the database and the clocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from app.doctor.checks.finding import Finding
from app.doctor.checks.writes import database_readable, database_refuses
from app.doctor.probing.observation import Observation, RedisSeen
from app.doctor.texts.commands import machine_of
from app.redis.client import OLDEST_VERSION

SKEW_S = 5.0
"""Clocks may differ by this much: a Date header is cut to seconds, and the way there and back takes its time."""

NEARLY_FULL = 0.9


def on_stores(seen: Observation) -> Iterator[Finding]:
    """What is wrong with Redis, the database and the clocks."""
    redis = seen.redis
    yield from _redis_state(redis)
    if redis.state == "up":
        yield from _redis_version(redis)
        yield from _redis_memory(redis)
        yield from _redis_writes(redis)
        yield from _strangers(redis)
    yield from _database(seen)
    yield from _clocks(seen)


def _redis_state(redis: RedisSeen) -> Iterator[Finding]:
    if redis.state == "away":
        remedy = "start it, or correct REDIS_URL; without one the arena brings its own"
        cause = f"Redis at {redis.where} does not answer ({redis.detail})"
        yield Finding("redis_missing", "error", "redis", cause, remedy, _cli(redis, "ping"))
    elif redis.state == "none":
        yield Finding(
            "redis_missing",
            "error",
            "redis",
            redis.detail,
            "install a Redis of 6.2 or later, or name one that runs in REDIS_URL"
            if redis.embedded
            else "correct REDIS_URL, or leave it empty: then the arena brings its own",
            "sudo apt-get install redis-server" if redis.embedded else "grep REDIS .env",
        )
    elif redis.state == "refused":
        yield Finding(
            "redis_refuses",
            "error",
            "redis",
            f"Redis at {redis.where} refuses us ({redis.detail})",
            "correct the name and password in REDIS_URL (or REDIS_PASSWORD), and allow the user INFO, TIME and "
            "all commands "
            "on ~arena:* and &arena:*",
            _cli(redis, "ACL", "WHOAMI"),
        )
    elif redis.state == "folder":
        yield _folder(redis.detail, "the embedded Redis")
    elif redis.state == "idle":
        yield Finding(
            "redis_embedded_idle",
            "note",
            "redis",
            "REDIS_URL is empty: the arena brings a Redis of its own, which runs only while the arena does",
            "nothing; with several machines, give all the same REDIS_URL",
            "arena serve",
        )


def _folder(folder: str, whose: str) -> Finding:
    return Finding(
        "data_folder_unwritable",
        "error",
        "ARENA_DATA_DIR",
        f"{whose} can't write to {folder}",
        "set ARENA_DATA_DIR to a folder of this user on a local disk, or give it this one",
        f'sudo chown "$USER" {quote(folder)}',
    )


def _redis_version(redis: RedisSeen) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", redis.version)[:2])
    if numbers < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        yield Finding(
            "redis_too_old",
            "error",
            "redis",
            f"Redis {redis.version or 'of unknown version'} is older than {oldest}: the arena refuses to start with it",
            f"install Redis {oldest} or later, or empty REDIS_URL to use the one that comes along",
            _cli(redis, "INFO", "server"),
        )


def _redis_memory(redis: RedisSeen) -> Iterator[Finding]:
    if redis.policy != "noeviction":
        lost = f"; {redis.evicted} keys are gone already" if redis.evicted else ""
        yield Finding(
            "redis_evicts",
            "warning",
            "redis",
            f"maxmemory-policy is {redis.policy}: when its memory is full, Redis drops running battles{lost}",
            "set maxmemory-policy to noeviction, in redis.conf too (or in the parameter group of a hosted one)",
            _cli(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction"),
        )
    full = redis.refusal is not None and redis.refusal.kind == "full"
    if full or (redis.limit_bytes and redis.used_bytes >= NEARLY_FULL * redis.limit_bytes):
        yield Finding(
            "redis_nearly_full",
            "error" if full else "warning",
            "redis",
            f"Redis uses {redis.used_bytes / 1e6:.1f} MB of maxmemory {redis.limit_bytes / 1e6:.1f} MB"
            + (": it takes no writes, so no battle can open" if full else ""),
            "raise maxmemory, or see what else is kept there",
            _cli(redis, "CONFIG", "SET", "maxmemory", str(2 * redis.limit_bytes)),
        )


def _redis_writes(redis: RedisSeen) -> Iterator[Finding]:
    kind = None if redis.refusal is None else redis.refusal.kind
    if kind == "read_only":
        yield Finding(
            "redis_read_only",
            "error",
            "redis",
            f"{redis.where} is a replica and takes no writes",
            "name the primary in REDIS_URL; behind a failover, its name and not that of a node",
            _cli(redis, "INFO", "replication"),
        )
    if redis.refusal is not None and kind == "failed":
        yield Finding(
            "redis_not_writing",
            "error",
            "redis",
            f"Redis refuses all writes ({redis.refusal.reason})",
            "after MISCONF (a BGSAVE or its append-only file failed) make room on its disk and let it write there, its "
            "log has the reason; after NOREPLICAS start its replicas again",
            _cli(redis, "INFO", "persistence"),
        )
    if redis.fsync == "always" and redis.appends:
        yield Finding(
            "redis_syncs_always",
            "warning",
            "redis",
            "appendfsync is always: every tick of every answer waits for the disk",
            "everysec is enough: votes are in the database, and a running battle is rebuilt from it",
            _cli(redis, "CONFIG", "SET", "appendfsync", "everysec"),
        )
    if not redis.embedded and not redis.appends and redis.saves == "":
        yield Finding(
            "redis_keeps_nothing",
            "note",
            "redis",
            "Redis keeps nothing on disk: when it restarts, running battles are rebuilt from the database and their "
            "unfinished answers are written again; votes are safe",
            "nothing, or let it append to a file",
            _cli(redis, "CONFIG", "SET", "appendonly", "yes"),
        )


def _strangers(redis: RedisSeen) -> Iterator[Finding]:
    if redis.strangers:
        names = ", ".join(redis.strangers)
        yield Finding(
            "redis_shared",
            "warning",
            "redis",
            f"this Redis also has drivers for hosts that this configuration does not know ({names}): another "
            "arena uses it, "
            "or processes with an older arena.toml; if one of its hosts is one of ours under another name, two "
            "drivers drive "
            "one server",
            "give each arena a Redis (or database number) of its own, and all processes of one arena the same "
            "arena.toml",
            _cli(redis, "--scan", "--pattern", "arena:host:*:lease"),
        )


def _database(seen: Observation) -> Iterator[Finding]:
    stored = seen.database
    if stored.state == "away":
        yield Finding(
            "database_unreachable",
            "error",
            "database",
            f"{stored.where} does not answer ({stored.detail})",
            "start it, or correct DATABASE_URL; empty means SQLite in ARENA_DATA_DIR",
            'pg_isready -d "$DATABASE_URL"' if "postgres" in stored.where else "arena migrate",
        )
    elif stored.state == "unusable":
        yield Finding(
            "database_unusable",
            "error",
            "database",
            f"{stored.where} can't be used ({stored.detail})",
            "correct DATABASE_URL (name, password, database), or move what is there out of the way",
            "grep DATABASE_URL .env",
        )
    elif stored.state in ("empty", "behind"):
        found = "has no schema" if stored.state == "empty" else f"is at schema {stored.detail}"
        yield Finding(
            "database_not_migrated",
            "error",
            "database",
            f"{stored.where} {found}",
            "make a backup (arena backup FILE), then migrate",
            "arena migrate",
        )
    elif stored.state == "newer":
        yield Finding(
            "database_newer",
            "error",
            "database",
            f"{stored.where} was migrated by a newer version of the arena (schema {stored.detail})",
            "install that version again, or restore the backup made before it",
            "pip install --upgrade progressive-arena",
        )
    elif stored.state == "folder":
        yield _folder(stored.detail, "SQLite")
    elif stored.refusal is not None:
        yield database_refuses(stored.where, stored.refusal)
    if stored.readable:
        yield database_readable(stored.where)


def _clocks(seen: Observation) -> Iterator[Finding]:
    """Clocks that differ from ours; if all do by as much, it is ours that is wrong."""
    skews = {host.host.name: host.skew_s for host in seen.hosts if host.skew_s is not None}
    skews |= {"redis": seen.redis.skew_s} if seen.redis.skew_s is not None else {}
    skews |= {"database": seen.database.skew_s} if seen.database.skew_s is not None else {}
    wrong = {name: skew for name, skew in skews.items() if abs(skew) > SKEW_S}
    ours = len(wrong) > 1 and len(wrong) == len(skews) and max(wrong.values()) - min(wrong.values()) < 2 * SKEW_S
    if ours:
        wrong = {"this machine": -next(iter(wrong.values()))}
    for name, skew in wrong.items():
        url = next((host.host.url for host in seen.hosts if host.host.name == name), "")
        where = machine_of(url) if url else ("this machine" if ours else f"the machine of {name}")
        yield Finding(
            "clock_skew",
            "warning",
            name,
            f"the clock of {where} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}: what is told of "
            "waiting, of "
            "expiry and of when a vote came is off by that much",
            f"set the clock of {where} by NTP",
            "sudo timedatectl set-ntp true && timedatectl",
        )


def _cli(redis: RedisSeen, *words: str) -> str:
    """redis-cli at this Redis; a password goes into REDISCLI_AUTH, never into the command."""
    where = f"-u {quote(redis.where)} " if "://" in redis.where and not redis.where.startswith("unix") else ""
    if redis.where.startswith("unix://"):
        where = f"-s {quote(redis.where.removeprefix('unix://'))} "
    elif redis.embedded:
        where = f"-s {quote(redis.where.removeprefix('embedded in ') + '/redis/redis.sock')} "
    return f"redis-cli {where}{' '.join(map(quote, words))}"
