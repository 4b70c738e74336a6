"""The kinds of hosts whose table does not say it: found out at the start, and remembered for a start while one is down.

==================================== ====== ============================== ==================== =======
key                                  type   holds                          written by           bound
==================================== ====== ============================== ==================== =======
``arena:host:{<host>}:kind``         string the kind that answered there   a process that found 30 days
==================================== ====== ============================== ==================== =======

What neither answers nor is remembered is taken to be an Ollama, as is every host that scales to zero: to ask would wake
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.backends.detection import detected
from app.backends.server import ModelServer
from app.hosts.host import Host, hosts_from
from app.hosts.kinds import DEFAULT_KIND, KINDS
from app.settings.settings import Settings

REFINED: Mapping[str | None, Collection[str]] = {
    None: KINDS,
    "llama-server": ("llama-router",),
    "vllm": ("vllm-sleep",),
    "lm-studio": ("lm-studio-rest",),
}
"""What may be found for a kind as it is written: any where there is none, and a mode that is driven otherwise."""

KEEP = timedelta(days=30)
LIMIT = timedelta(seconds=1.5)

log = structlog.get_logger(__name__)


async def hosts_with_kinds(
    settings: Settings, redis: Redis | None = None, found: Callable[[str, str], None] = lambda _host, _kind: None
) -> tuple[Host, ...]:
    """The hosts; those without a ``kind`` are asked, all at once, and remembered in ``redis``.

    ``found`` is called with each host that turns out to be no Ollama, and its kind.

    Raises:
        ConfigurationError: as ``hosts_from``; also when a kind that was found needs what its table does not say.
    """
    hosts = hosts_from(settings)
    written = {row.name: row.kind for row in settings.hosts if not row.scale_to_zero and row.kind in REFINED}
    undecided = [host for host in hosts if host.name in written]
    if not undecided:
        return hosts
    answered = await asyncio.gather(*(_kind(host, redis) for host in undecided))
    kinds = {host.name: kind for host, kind in zip(undecided, answered, strict=True)}
    refined = {name: kind for name, kind in kinds.items() if kind and kind in REFINED.get(written[name], KINDS)}
    for name, kind in refined.items():
        if kind != DEFAULT_KIND:
            found(name, kind)
    return _with_kinds(settings, refined)


def log_found(host: str, kind: str) -> None:
    """Log what was found."""
    log.info("kind_found", host=host, kind=kind)


def _with_kinds(settings: Settings, kinds: Mapping[str, str]) -> tuple[Host, ...]:
    rows = tuple(row.model_copy(update={"kind": kinds.get(row.name, row.kind)}) for row in settings.hosts)
    made: Sequence[Host] = hosts_from(settings.model_copy(update={"hosts": rows}))
    undecided = [row.name for row in settings.hosts if row.kind is None]
    return tuple(replace(host, kind_was_found=host.name in kinds and host.name in undecided) for host in made)


async def _kind(host: Host, redis: Redis | None) -> str:
    """The kind that answers, or did; empty when nobody knows."""
    found = await detected(ModelServer(host.place.access, connect=LIMIT), host.api or "/v1", LIMIT)
    if found:
        await _remember(host.name, found, redis)
        return found
    return await _remembered(host.name, redis)


async def _remember(host: str, kind: str, redis: Redis | None) -> None:
    with suppress(RedisError, OSError):
        if redis is not None:
            await redis.set(_key(host), kind, px=KEEP)


async def _remembered(host: str, redis: Redis | None) -> str:
    with suppress(RedisError, OSError):
        stored = None if redis is None else await redis.get(_key(host))
        kind = stored.decode(errors="replace") if isinstance(stored, bytes) else str(stored or "")
        return kind if kind in KINDS else ""
    return ""


def _key(host: str) -> str:
    return f"arena:host:{{{host}}}:kind"
