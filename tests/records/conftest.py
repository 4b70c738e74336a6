"""Each test that asks for ``url`` runs twice: on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from app.database.database import Database, migrate
from app.records.ledger import Ledger
from tests.helpers import HUNG_S
from tests.records.builders import Clock
from tests.records.postgres_server import PostgresServer

BOTH = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for each test process; each test gets a database of its own on it."""
    server = PostgresServer()
    yield server
    server.close()


def _migrate(address: str) -> None:
    """In a thread, for a fixture may be asked for from within an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(address))).result(HUNG_S)


@pytest.fixture(scope="session")
def _shared_url(postgres: PostgresServer) -> str:
    """A PostgreSQL database at head, for all tests that leave its schema alone: making one takes longer than a test."""
    address = postgres.url(postgres.create())
    _migrate(address)
    return address


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at head, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "arena.db"
    _migrate(f"sqlite:///{file}")
    return file


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
    """The URL of a database at head without rows; a test that changes the schema takes ``empty_url``."""
    if kind == "sqlite":
        template: Path = request.getfixturevalue("_migrated_file")
        file = tmp_path / "data" / "arena.db"
        file.parent.mkdir()
        shutil.copy(template, file)
        yield f"sqlite:///{file}"
        return
    address: str = request.getfixturevalue("_shared_url")
    connection = await asyncpg.connect(address)
    everything = "battles, rounds, contestants, answers, votes, imported_votes, import_labels, import_sources"
    everything += ", batch_runs, batch_jobs, batch_calls, batch_stages, batch_loads, batch_waits, batch_cache"
    everything += ", batch_files, batch_file_parts, openai_batches"
    await connection.execute(f"TRUNCATE {everything} RESTART IDENTITY", timeout=HUNG_S)
    await connection.close()
    yield address


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dated(database: Database, clock: Clock) -> Ledger:
    """The ledger with the clock that the test sets."""
    return Ledger(database, clock)
