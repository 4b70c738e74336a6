"""Fixtures that every room's tests may ask for by name."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis as sync_redis
import structlog
from redis.asyncio import Redis

from app.redis.client import commands_client
from tests.examples import register_profiles
from tests.redis.server import RedisServer

register_profiles()

# A traceback with all its locals takes a second to print, in which the loop stands still and short leases expire.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the collected tests out of the garbage collector's way: half a million objects that stay to the end.

    Each full collection would go through them and hold up the threads in which model servers run.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Give out the units of ``tests.distribution`` for ``--dist loadfile``."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.distribution import LongestFirst  # not needed where xdist is not

    return LongestFirst(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was measured of the page, and how long its tests took."""
    from tests.page.summary import lines

    for line in lines(terminalreporter.stats):
        terminalreporter.write_line(line)


KEYS_WITHOUT_TTL = frozenset({b"arena:attempts"})


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    """One server for each test process (each xdist worker has its own)."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def redis_url(_shared_redis: RedisServer) -> str:
    """The URL of a real, empty Redis; it is shared by the tests of a process and flushed before each."""
    _shared_redis.flush()
    return _shared_redis.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """The arena's client for commands on the Redis of ``redis_url``."""
    client = commands_client(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, frozen and restarted; it keeps its data on disk."""
    server = RedisServer(persistent=True)
    yield server
    server.close()


@pytest.fixture
def no_key_without_ttl(redis_url: str) -> Iterator[None]:
    """Fail a test that leaves a key ``arena:*`` without a TTL on the Redis of ``redis_url``.

    A room switches it on for all its tests with ``pytestmark = pytest.mark.usefixtures("no_key_without_ttl")``.
    """
    yield
    with sync_redis.Redis.from_url(redis_url) as client:
        kept = {key for key in client.scan_iter(match="arena:*") if client.ttl(key) == -1}
    left = sorted(kept - KEYS_WITHOUT_TTL)
    assert not left, f"keys without a TTL: {left}"
