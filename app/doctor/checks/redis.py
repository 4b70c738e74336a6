"""Checks of Redis. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedRedis
from app.doctor.texts import redis as texts
from app.doctor.texts.machine import data_folder_unwritable
from app.redis.client import OLDEST_VERSION

NEARLY_FULL = 0.9


def on_redis(seen: Observation) -> Iterator[Finding]:
    """What is wrong with Redis."""
    redis = seen.redis
    if redis.state == "unsure":
        return
    if redis.state != "up":
        yield _not_up(redis)
        return
    if tuple(int(part) for part in re.findall(r"\d+", redis.version)[:2]) < OLDEST_VERSION:
        yield texts.redis_too_old(redis)
    yield from _memory(redis)
    yield from _refusal(redis)
    yield from _disk(redis)
    if redis.unknown_hosts:
        yield texts.redis_shared(redis)


def _not_up(redis: ObservedRedis) -> Finding:
    match redis.state:
        case "refused":
            return texts.redis_refuses(redis)
        case "folder":
            return data_folder_unwritable("the embedded Redis", redis.detail)
        case "idle":
            return texts.redis_embedded_idle()
        case "none":
            return texts.redis_missing_embedded(redis) if redis.embedded else texts.redis_missing_address(redis)
        case _:
            return texts.redis_missing(redis)


def _memory(redis: ObservedRedis) -> Iterator[Finding]:
    if redis.policy != "noeviction":
        yield texts.redis_evicts(redis)
    full = redis.refusal is not None and redis.refusal.kind == "full"
    if full or (redis.limit_bytes and redis.used_bytes >= NEARLY_FULL * redis.limit_bytes):
        yield texts.redis_nearly_full(redis, full=full)


def _refusal(redis: ObservedRedis) -> Iterator[Finding]:
    if redis.refusal is None:
        return
    if redis.refusal.kind == "read_only":
        yield texts.redis_read_only(redis)
    elif redis.refusal.kind == "failed":
        yield texts.redis_not_writing(redis, redis.refusal.reason)


def _disk(redis: ObservedRedis) -> Iterator[Finding]:
    if redis.fsync == "always" and redis.appends:
        yield texts.redis_syncs_always(redis)
    if not redis.embedded and not redis.appends and redis.saves == "":
        yield texts.redis_keeps_nothing(redis)
