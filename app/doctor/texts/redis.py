"""Findings about Redis."""

from __future__ import annotations

from shlex import quote

from app.doctor.finding import Finding
from app.doctor.probing.observation import ObservedRedis
from app.redis.client import OLDEST_VERSION

_OLDEST = ".".join(map(str, OLDEST_VERSION))


def redis_missing(redis: ObservedRedis) -> Finding:
    """It does not answer."""
    return Finding(
        "redis_missing",
        "error",
        "redis",
        cause=f"Redis at {redis.where} does not answer ({redis.detail})",
        remedy="start it, or correct REDIS_URL; if REDIS_URL is empty the arena starts its own",
        command=redis_cli(redis, "ping"),
    )


def redis_missing_embedded(redis: ObservedRedis) -> Finding:
    """REDIS_URL is empty and there is no redis-server to start."""
    return Finding(
        "redis_missing",
        "error",
        "redis",
        cause=redis.detail,
        remedy=f"install Redis {_OLDEST} or later, or set REDIS_URL to one that runs",
        command="sudo apt-get install redis-server",
    )


def redis_missing_address(redis: ObservedRedis) -> Finding:
    """REDIS_URL can't be read."""
    return Finding(
        "redis_missing",
        "error",
        "redis",
        cause=redis.detail,
        remedy="correct REDIS_URL, or leave it empty: the arena then starts its own",
        command="grep REDIS .env",
    )


def redis_refuses(redis: ObservedRedis) -> Finding:
    """Credentials are wrong, or the user lacks commands, keys or channels."""
    return Finding(
        "redis_refuses",
        "error",
        "redis",
        cause=f"Redis at {redis.where} refuses access ({redis.detail})",
        remedy="correct the user name and password in REDIS_URL (or REDIS_PASSWORD), and allow the user INFO, TIME and "
        "all commands on ~arena:* and &arena:*",
        command=redis_cli(redis, "ACL", "WHOAMI"),
    )


def redis_embedded_idle() -> Finding:
    """The embedded Redis runs only while the arena does."""
    return Finding(
        "redis_embedded_idle",
        "note",
        "redis",
        cause="REDIS_URL is empty: the arena starts its own Redis, which runs only while the arena does",
        remedy="nothing to do; with several machines, give all of them the same REDIS_URL",
        command="arena serve",
    )


def redis_too_old(redis: ObservedRedis) -> Finding:
    """Before the oldest version that is supported."""
    return Finding(
        "redis_too_old",
        "error",
        "redis",
        cause=f"Redis {redis.version or 'of unknown version'} is older than {_OLDEST}: the arena refuses to start "
        "with it",
        remedy=f"install Redis {_OLDEST} or later, or empty REDIS_URL to use the embedded one",
        command=redis_cli(redis, "INFO", "server"),
    )


def redis_evicts(redis: ObservedRedis) -> Finding:
    """``maxmemory-policy`` is not ``noeviction``."""
    lost = f"; {redis.evicted} keys are lost already" if redis.evicted else ""
    return Finding(
        "redis_evicts",
        "warning",
        "redis",
        cause=f"maxmemory-policy is {redis.policy}: when its memory is full, Redis drops running battles{lost}",
        remedy="set maxmemory-policy to noeviction, in redis.conf too (or in the parameter group of a hosted one)",
        command=redis_cli(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction"),
    )


def redis_nearly_full(redis: ObservedRedis, *, full: bool) -> Finding:
    """90 % of ``maxmemory``, or a write was refused for it."""
    return Finding(
        "redis_nearly_full",
        "error" if full else "warning",
        "redis",
        cause=f"Redis uses {redis.used_bytes / 1e6:.1f} MB of maxmemory {redis.limit_bytes / 1e6:.1f} MB"
        + (": it takes no writes, so no battle can open" if full else ""),
        remedy="raise maxmemory, or find out what else is stored there",
        command=redis_cli(redis, "CONFIG", "SET", "maxmemory", str(2 * redis.limit_bytes)),
    )


def redis_read_only(redis: ObservedRedis) -> Finding:
    """It is a replica."""
    return Finding(
        "redis_read_only",
        "error",
        "redis",
        cause=f"{redis.where} is a replica and takes no writes",
        remedy="set REDIS_URL to the primary; with automatic failover, use the name of the service and not of a node",
        command=redis_cli(redis, "INFO", "replication"),
    )


def redis_not_writing(redis: ObservedRedis, reason: str) -> Finding:
    """It refuses all writes."""
    return Finding(
        "redis_not_writing",
        "error",
        "redis",
        cause=f"Redis refuses all writes ({reason})",
        remedy="after MISCONF (a BGSAVE or its append-only file failed), free disk space and let it write there; its "
        "log has the reason. After NOREPLICAS, restart its replicas",
        command=redis_cli(redis, "INFO", "persistence"),
    )


def redis_syncs_always(redis: ObservedRedis) -> Finding:
    """``appendfsync always``."""
    return Finding(
        "redis_syncs_always",
        "warning",
        "redis",
        cause="appendfsync is always: every write of every answer waits for the disk",
        remedy="everysec is enough: votes are in the database, and running battles are rebuilt from it",
        command=redis_cli(redis, "CONFIG", "SET", "appendfsync", "everysec"),
    )


def redis_keeps_nothing(redis: ObservedRedis) -> Finding:
    """Nothing is written to disk."""
    return Finding(
        "redis_keeps_nothing",
        "note",
        "redis",
        cause="Redis keeps nothing on disk: when it restarts, running battles are rebuilt from the database and their "
        "unfinished answers are generated again; votes are safe",
        remedy="nothing to do, or turn on the append-only file",
        command=redis_cli(redis, "CONFIG", "SET", "appendonly", "yes"),
    )


def redis_shared(redis: ObservedRedis) -> Finding:
    """It also has drivers for hosts that are not configured here."""
    return Finding(
        "redis_shared",
        "warning",
        "redis",
        cause="this Redis also has drivers for hosts that this configuration does not have "
        f"({', '.join(redis.unknown_hosts)}): another arena uses it, or processes with an older arena.toml. If one of "
        "these hosts is one of ours under another name, two drivers drive one server",
        remedy="give each arena its own Redis (or database number), and all processes of one arena the same arena.toml",
        command=redis_cli(redis, "--scan", "--pattern", "arena:host:*:lease"),
    )


def redis_cli(redis: ObservedRedis, *words: str) -> str:
    """redis-cli for this Redis; a password belongs in REDISCLI_AUTH, never in the command."""
    where = ""
    if redis.where.startswith("unix://"):
        where = f"-s {quote(redis.where.removeprefix('unix://'))} "
    elif "://" in redis.where:
        where = f"-u {quote(redis.where)} "
    elif redis.embedded:
        where = f"-s {quote(redis.where.removeprefix('embedded in ') + '/redis/redis.sock')} "
    return f"redis-cli {where}{' '.join(map(quote, words))}"
