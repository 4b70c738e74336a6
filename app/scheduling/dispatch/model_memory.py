"""Loads and unloads models for operators: asks the drivers, and reads in their reports what came of it.

A driver does what it is asked as far as it is in the way of nobody who waits (rule 9 of the planner), so a load may
take as long as the answers that are being written, and a model in use is not unloaded at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from app.errors import Conflict, Unavailable
from app.hosts.names import same_model
from app.scheduling.memory_request import MemoryAction, MemoryRequest
from app.scheduling.report import HostReport, Reports
from app.timing.time import Time

LOAD_WITHIN = timedelta(minutes=5)
"""How long a load may wait for its turn, and how long the model then is kept from prewarming others in its place."""

UNLOAD_WITHIN = timedelta(seconds=15)
"""Memory comes back within seconds of an unload; a model that is asked meanwhile stays."""

FREE_WITHIN = timedelta(seconds=3)
"""Reports are up to two seconds old, so a model whose last answer just ended may still seem to be in use."""

REPLY_WITHIN = timedelta(seconds=60)
"""Who asked for a load hears by then that it has not ended yet: proxies cut silent calls a little later."""

POLL_S = 0.1
"""Between two looks at the reports while somebody waits for one of them to change."""


@dataclass(frozen=True, slots=True)
class MemoryOutcome:
    """What came of a request: where, whether the model is in memory now, and whether that took a change."""

    hosts: tuple[str, ...]
    loaded: bool
    changed: bool = True
    pending: bool = False


class Placing(Protocol):
    """Which hosts have a model, and which of some would be the best one for it; ``Router`` knows."""

    def hosts_of(self, model: str) -> list[str]:
        """Names of the hosts that have ``model``."""
        ...

    async def best_of(self, hosts: Sequence[str], model: str) -> str | None:
        """The best of ``hosts``; None: none of them works."""
        ...


class ModelMemory:
    """``ask`` puts a request into a host's queue; ``managed`` are the hosts whose memory is the arena's to manage."""

    def __init__(
        self,
        managed: Callable[[str], bool],
        placing: Placing,
        ask: Callable[[str, str, MemoryRequest], Awaitable[None]],
        reports: Reports,
        time: Time | None = None,
    ) -> None:
        self._managed = managed
        self._placing = placing
        self._ask = ask
        self._reports = reports
        self._time = time or Time()

    async def load(self, model: str, *, within: timedelta = REPLY_WITHIN) -> MemoryOutcome:
        """Have ``model`` loaded on the best of its hosts; at once if one of them holds it.

        Raises:
            Conflict: its hosts' memory is not the arena's to manage.
            Unavailable: none of them works, or the load failed.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        hosts = self._hosts(model)
        reports = await self._reports.read()
        holders = _holding(reports, hosts, model)
        if holders:
            return MemoryOutcome(holders, loaded=True, changed=False)
        driven = [host for host in hosts if host in reports]
        host = await self._placing.best_of(driven or hosts, model)
        if host is None:
            raise Unavailable(f"no host of {model} works now; GET /api/arena/hosts says why", retry_after_s=5)
        asked_at = self._time.now()
        await self._request(host, model, "load", LOAD_WITHIN)
        async with aclosing(self._read_until(within)) as readings:
            async for latest in readings:
                if _holding(latest, [host], model):
                    return MemoryOutcome((host,), loaded=True)
                _refuse_failed(latest.get(host), model, asked_at)
        return MemoryOutcome((host,), loaded=False, pending=True)

    async def unload(self, model: str) -> MemoryOutcome:
        """Have ``model`` unloaded on every host that holds it.

        Raises:
            Conflict: it is in use, or its hosts' memory is not the arena's to manage.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        hosts = self._hosts(model)
        holders = _holding(await self._reports_without_use(hosts, model), hosts, model)
        for host in holders:
            await self._request(host, model, "unload", UNLOAD_WITHIN)
        if not holders:
            return MemoryOutcome((), loaded=False, changed=False)
        async with aclosing(self._read_until(UNLOAD_WITHIN)) as readings:
            async for latest in readings:
                if not _holding(latest, holders, model):
                    return MemoryOutcome(holders, loaded=False)
        raise _used(model)

    async def _reports_without_use(self, hosts: Sequence[str], model: str) -> Mapping[str, HostReport]:
        """The reports in which nobody uses ``model``; a ``Conflict`` if somebody goes on using it."""
        reports = await self._reports.read()
        if not _used_on(reports, hosts, model):
            return reports
        async with aclosing(self._read_until(FREE_WITHIN)) as readings:
            async for latest in readings:
                if not _used_on(latest, hosts, model):
                    return latest
        raise _used(model)

    def _hosts(self, model: str) -> list[str]:
        """The hosts that have ``model`` and load what they are told to."""
        names = self._placing.hosts_of(model)
        managed = [name for name in names if self._managed(name)]
        if not managed:
            where = f"{', '.join(names) or 'its host'} holds its models by itself"
            raise Conflict(f"{where}: nothing is loaded or unloaded there from outside", code="memory_not_managed")
        return managed

    async def _request(self, host: str, model: str, action: MemoryAction, lasts: timedelta) -> None:
        await self._ask(host, model, MemoryRequest(action, self._time.now() + lasts.total_seconds()))

    async def _read_until(self, limit: timedelta) -> AsyncGenerator[Mapping[str, HostReport]]:
        """Yield the reports again and again, for ``limit``."""
        deadline = self._time.monotonic() + limit.total_seconds()
        while self._time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            yield await self._reports.read()


def _holding(reports: Mapping[str, HostReport], hosts: Sequence[str], model: str) -> tuple[str, ...]:
    return tuple(
        host
        for host in hosts
        if host in reports and any(same_model(one.model, model) for one in reports[host].residents)
    )


def _used_on(reports: Mapping[str, HostReport], hosts: Sequence[str], model: str) -> bool:
    return any(_in_use(reports[host], model) for host in hosts if host in reports)


def _in_use(report: HostReport, model: str) -> bool:
    loading = report.loading is not None and same_model(report.loading, model)
    counts = (report.running_by_model, report.waiting_by_model)
    return loading or any(count for one in counts for name, count in one.items() if same_model(name, model))


def _refuse_failed(report: HostReport | None, model: str, since: float) -> None:
    for event in () if report is None else report.events:
        if event.kind in ("load_failed", "load_hung") and event.at >= since and same_model(event.model, model):
            raise Unavailable(f"{model} could not be loaded: {event.detail}", code=event.kind, retry_after_s=30)


def _used(model: str) -> Conflict:
    return Conflict(f"{model} is being asked or loaded; unload it when nobody waits for it", code="model_in_use")
