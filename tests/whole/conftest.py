"""One deployment for all tests that do not break it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.whole.client import ADMIN_KEY, open_battle, play
from tests.whole.harness import MODELS, Deployment, Instance, running_deployment, wait_for

SHARED = "whole-deployment"


@dataclass(frozen=True)
class SharedDeployment:
    """The shared deployment and two workers of it, each under an address of its own."""

    deployment: Deployment
    one: Instance
    two: Instance


@pytest.fixture(scope="package")
def _shared_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDeployment]:
    with running_deployment(tmp_path_factory.mktemp("shared")) as deployment:
        one = deployment.driver()
        # The second worker loses patience early, so that waiting in vain can be tested without waiting.
        two = deployment.start(ARENA_WAIT="0.4")
        yield SharedDeployment(deployment, one, two)


@pytest.fixture
def deployed(_shared_deployment: SharedDeployment) -> Iterator[SharedDeployment]:
    """The shared deployment, with model servers that behave, and are known to."""
    servers = (_shared_deployment.deployment.granite, _shared_deployment.deployment.basalt)
    if any(server.troubled for server in servers):
        now = datetime.now(UTC)
        wait_for(lambda: _nothing_is_down(_shared_deployment, since=now))
    for server in servers:
        server.troubled = False
    yield _shared_deployment
    for server in servers:
        server.clear()


def _nothing_is_down(deployed: SharedDeployment, since: datetime) -> bool:
    """Whether both workers know all models and hosts, by what the driver reported after ``since``."""
    for worker in (deployed.one, deployed.two):
        hosts, models = (_asked(worker, what)[what] for what in ("hosts", "models"))
        if len(models) < len(MODELS) or not all(_is_well(host, since) for host in hosts):
            return False
    return True


def _is_well(host: dict[str, Any], since: datetime) -> bool:
    return host["health"] in ("up", "trying") and datetime.fromisoformat(host["told_at"]) > since


def _asked(worker: Instance, what: str) -> dict[str, Any]:
    address, key = f"{worker.url}/api/arena/{what}", {"X-Admin-Key": ADMIN_KEY}
    return dict(httpx.get(address, headers=key, trust_env=False, verify=False).json())


@pytest.fixture(scope="package")
def _ended(_shared_deployment: SharedDeployment) -> str:
    async def played() -> str:
        battle = (await open_battle(_shared_deployment.one.url))["battle_id"]
        await play(_shared_deployment.one.url, battle, ["a", "b"])
        return str(battle)

    return asyncio.run(played())


@pytest.fixture
def ended(deployed: SharedDeployment, _ended: str) -> str:
    """A battle that was played to its end."""
    return _ended
