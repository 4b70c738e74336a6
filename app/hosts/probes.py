"""Whether a host lives and what it has. A probe never generates: that could load or evict a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from app.backends.base import BackendError, InstalledModel, Inventory, LoadedModel, ResidencyControl


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe saw; ``error`` is the reason for the log when the host is not reachable."""

    reachable: bool
    version: str = ""
    installed: tuple[InstalledModel, ...] = ()
    loaded: tuple[LoadedModel, ...] = ()
    error: str | None = None


async def probe(server: Inventory, limit: timedelta = timedelta(seconds=3)) -> ProbeResult:
    """Ask for the version, what is installed and what is loaded, all at once; the caller keeps the answer for a while.

    A server that does not manage its memory (no ``ResidencyControl``) shows nothing as loaded. ``limit`` stands over
    the server's own limits, whatever it is. Never raises a ``BackendError``.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()), asyncio.TaskGroup() as group:
            version = group.create_task(server.version(), name="probe: version")
            installed = group.create_task(server.installed(), name="probe: installed")
            loaded = group.create_task(_loaded(server), name="probe: loaded")
    except TimeoutError:
        return ProbeResult(False, error=f"no answer within {limit.total_seconds():g} s")
    except ExceptionGroup as errors:
        failures, others = errors.split(BackendError)
        if failures is None or others is not None:
            raise
        return ProbeResult(False, error=str(failures.exceptions[0]))
    return ProbeResult(True, version.result(), installed.result(), loaded.result())


async def _loaded(server: Inventory) -> tuple[LoadedModel, ...]:
    return await server.loaded() if isinstance(server, ResidencyControl) else ()
