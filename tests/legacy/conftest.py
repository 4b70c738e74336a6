"""One deployment for all these tests: four models on a host each, two workers, and a third that always shows names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.legacy.caller import Caller
from tests.redis.server import RedisServer
from tests.whole.client import ADMIN_KEY
from tests.whole.harness import OKAPI, QUOKKA, SEED, ZIRCON, Deployment, Instance, ModelServer, wait_for

TAPIR = "tapir:9b"
MODELS = (ZIRCON, QUOKKA, OKAPI, TAPIR)
#: The model servers' clocks run faster, so that a battle takes little time; faults are timed by these clocks.
SPEED = 5.0


@dataclass(frozen=True)
class LegacyDeployment:
    """Model servers by model, and three workers; ``named`` shows names and waits for nobody."""

    deployment: Deployment
    servers: dict[str, ModelServer]
    one: Instance
    two: Instance
    named: Instance

    def set(self, **switches: object) -> None:
        """Switch faults on at all model servers."""
        for server in self.servers.values():
            server.set(**switches)

    def clear(self) -> None:
        for server in self.servers.values():
            server.clear()

    def caller(self, workers: int = 2, **more: Any) -> Caller:
        """A client whose calls go to one worker, or to both by turns."""
        return Caller([self.one.url, self.two.url][:workers], **more)

    async def names(self, battle: str) -> dict[str, str]:
        """The models on side a and b."""
        pair = (await Caller([self.named.url]).reply("/api/arena/get_progressive_responses", battle_id=battle)).json()
        return {"a": pair["model_a"], "b": pair["model_b"]}


def _settings(folder: Path, redis: RedisServer, servers: dict[str, ModelServer]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    tables = [
        f'[[hosts]]\nname = "host-{number}"\nurl = "{server.url}"\nmemory_gb = 24\nnum_parallel = 4\n'
        for number, server in enumerate(servers.values())
    ]
    toml = folder / "arena.toml"
    toml.write_text("".join(tables))
    return {
        "ARENA_ADMIN_KEY": ADMIN_KEY,
        "ARENA_CONFIG": str(toml),
        "ARENA_DATA_DIR": str(folder / "data"),
        "ARENA_MODELS": ",".join(MODELS),
        "ARENA_SEED": str(SEED),
        "ARENA_DRAIN": "2",
        "REDIS_URL": redis.url,
    }


def _driven(workers: list[Instance]) -> set[str]:
    return {line["host"] for worker in workers for line in worker.logged("lease_taken")}


@pytest.fixture(scope="package")
def _legacy_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LegacyDeployment]:
    folder = tmp_path_factory.mktemp("legacy")
    with ExitStack() as stack:
        servers = {
            model: ModelServer((model,), num_parallel=4, tokens_per_s=120.0, answer_tokens=30, speed=SPEED)
            for model in MODELS
        }
        for server in servers.values():
            stack.callback(server.close)
        redis = RedisServer()
        stack.callback(redis.close)
        first, second, *_ = servers.values()
        deployment = Deployment(folder, first, second, redis, _settings(folder, redis, servers))
        stack.callback(deployment.close)
        started = deployment.launch(), deployment.launch(), deployment.launch(ARENA_REVEAL="always", ARENA_WAIT="0.2")
        workers = [instance.wait_for_address() for instance in started]
        wait_for(lambda: len(_driven(workers)) == len(MODELS))
        yield LegacyDeployment(deployment, servers, *workers)


@pytest.fixture
def deployed(_legacy_deployment: LegacyDeployment) -> Iterator[LegacyDeployment]:
    """The deployment, with model servers that behave."""
    yield _legacy_deployment
    _legacy_deployment.clear()
