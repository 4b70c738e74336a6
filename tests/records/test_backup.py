"""A backup is one whole file that only its owner can read, made while others write."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest

from app.battle.battle import Verdict
from app.database.database import Database, migrate
from app.errors import ConfigurationError, InvalidInput
from app.records.backup import back_up
from app.records.ledger import Ledger
from tests.records.builders import judged_battle
from tests.records.postgres_server import PostgresServer


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    await migrate(f"sqlite:///{tmp_path}/data/arena.db")
    return tmp_path / "data" / "arena.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@contextmanager
def open_umask() -> Iterator[None]:
    """As many systems have it: new files can be read by everybody."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


async def test_a_new_database_and_what_stands_beside_it_are_for_their_owner_only(tmp_path: Path) -> None:
    with open_umask():
        await migrate(f"sqlite:///{tmp_path}/data/arena.db")
        database = Database(f"sqlite:///{tmp_path}/data/arena.db")
        await judged_battle(Ledger(database), "1", (Verdict.A,))
        files = list((tmp_path / "data").iterdir())
        assert {"arena.db", "arena.db-wal", "arena.db-shm"} <= {one.name for one in files}
        assert {mode(one) for one in files} == {0o600}
        assert mode(tmp_path / "data") == 0o700
        await database.aclose()


async def test_the_mode_of_a_database_that_is_there_stays(file: Path) -> None:
    os.chmod(file, 0o640)
    await migrate(f"sqlite:///{file}")
    assert mode(file) == 0o640


async def test_a_backup_has_what_only_the_log_holds_and_is_private(file: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{file}")
    await judged_battle(Ledger(database), "1", (Verdict.A, Verdict.B))
    target = tmp_path / "copy.db"
    with open_umask(), closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")  # somebody writes all the while
        writer.execute("UPDATE battles SET round = 99")
        back_up(f"sqlite:///{file}", target)
    await database.aclose()
    assert mode(target) == 0o600
    assert names(tmp_path) == ["copy.db", "data"]
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM votes").fetchone() == (2,)
        assert copy.execute("SELECT round FROM battles").fetchone() != (99,)
    restored = Database(f"sqlite:///{target}")
    assert await Ledger(restored).battle("1") is not None
    await restored.aclose()


def test_nothing_is_replaced_and_nothing_left_behind(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(InvalidInput, match="there already"):
        back_up(f"sqlite:///{file}", target)
    assert target.read_text() == "mine"
    with pytest.raises(ConfigurationError, match="can't be written"):
        back_up(f"sqlite:///{file}", tmp_path / "no" / "copy.db")
    with pytest.raises(ConfigurationError, match="can't be copied"):
        back_up(f"sqlite:///{tmp_path}/none.db", tmp_path / "other.db")
    assert names(tmp_path) == ["copy.db", "data"]


async def test_postgres_is_dumped_by_its_own_program(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create()
    await migrate(postgres.url(name))
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=os.pathsep)
    connection = await asyncpg.connect(postgres.url(name))
    await connection.execute("INSERT INTO contestants VALUES ('c', 'm', 'd', 'q', '{}', now())")
    await connection.close()
    words = "&sslmode=prefer&schema=public&statement_cache_size=0&connect_timeout=5"
    back_up(postgres.url(name) + words, tmp_path / "arena.dump")
    assert (tmp_path / "arena.dump").read_bytes().startswith(b"PGDMP")
    assert mode(tmp_path / "arena.dump") == 0o600
    postgres.drop(name)
    with pytest.raises(ConfigurationError, match=r"pg_dump failed: .*does not exist"):
        back_up(postgres.url(name), tmp_path / "second.dump")
    assert names(tmp_path) == ["arena.dump"]


def test_without_pg_dump_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="postgresql-client"):
        back_up("postgresql://db/arena", tmp_path / "arena.dump")
