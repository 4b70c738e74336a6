"""Probes of hosts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.backends.base import BackendUnavailable, InstalledModel, LoadedModel
from app.backends.scripted import ScriptedBackend
from app.hosts.probes import ProbeResult, probe


async def test_a_living_host_shows_what_it_has_and_nothing_is_generated() -> None:
    backend = ScriptedBackend(models=("a:1",), resident=["a:1"], size_bytes=7)
    assert await probe(backend) == ProbeResult(
        True, "scripted", (InstalledModel("a:1", 7, capabilities=("completion",)),), (LoadedModel("a:1", 7, 7),)
    )
    assert backend.calls == []


async def test_a_dead_host_is_a_state_and_not_an_exception() -> None:
    backend = ScriptedBackend(down=BackendUnavailable("ConnectionRefusedError"))
    assert await probe(backend) == ProbeResult(False, error="ConnectionRefusedError")


async def test_a_probe_ends_within_its_limit() -> None:
    async def forever(_: float) -> None:
        await asyncio.Event().wait()

    state = await probe(ScriptedBackend(sleep=forever), timedelta(seconds=0.05))
    assert state == ProbeResult(False, error="no answer within 0.05 s")


async def test_a_bug_in_a_backend_is_not_taken_for_a_dead_host() -> None:
    async def broken(_: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await probe(ScriptedBackend(sleep=broken))


async def test_a_server_that_manages_its_own_memory_shows_what_it_has_and_nothing_as_loaded() -> None:
    class Listed:
        async def installed(self) -> tuple[InstalledModel, ...]:
            return (InstalledModel("a:1", 7),)

        async def version(self) -> str:
            return "1"

    assert await probe(Listed()) == ProbeResult(True, "1", (InstalledModel("a:1", 7),))
