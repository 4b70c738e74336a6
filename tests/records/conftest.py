"""Each test that asks for ``url`` runs twice: on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.database import Database, migrate
from app.records.ledger import Ledger
from tests.records.postgres_server import PostgresServer

BOTH = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for each test process; each test gets a database of its own on it."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _migrated(postgres: PostgresServer) -> str:
    """A database at head, to be copied: that is quicker than migrating for each test."""

    name = postgres.create()
    address = postgres.url(name)
    # In a thread, for this fixture may be asked for from within an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(address))).result(30)
    return name


@pytest.fixture(params=BOTH)
def kind(request: pytest.FixtureRequest) -> str:
    """The database that a test runs on."""
    return str(request.param)


@pytest.fixture
async def empty_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of a database without a schema (SQLite: without a file)."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/data/arena.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of an empty database whose schema is at head."""
    if kind == "sqlite":
        address = f"sqlite:///{tmp_path}/data/arena.db"
        await migrate(address)
        yield address
        return
    template: str = request.getfixturevalue("_migrated")
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create(template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Connections to the database of ``url``."""
    database = Database(url)
    yield database
    await database.aclose()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """The ledger on ``database``, with the real clock."""
    return Ledger(database)
