"""A healthy deployment for each test; each has a folder and a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.doctor.deployment import Deployment
from tests.records.conftest import _migrated_file, _shared_url, postgres
from tests.redis.server import RedisServer

__all__ = ["_migrated_file", "_shared_url", "postgres"]


@pytest.fixture(scope="module")
def _lasting_redis() -> Iterator[RedisServer]:
    server = RedisServer(persistent=True)
    yield server
    server.close()


@pytest.fixture
async def deployment(
    _lasting_redis: RedisServer, _migrated_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Deployment]:
    """A deployment that is well; a test that spoils Redis itself takes ``redis_server`` too and puts it in."""
    _lasting_redis.flush()
    file = tmp_path / "arena.db"
    shutil.copy(_migrated_file, file)
    async with AsyncExitStack() as stack:
        server = partial(request.getfixturevalue, "postgres")
        yield Deployment(stack, _lasting_redis, f"sqlite:///{file}", postgres=server)
