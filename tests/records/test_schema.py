"""Which databases are served from, and what is said of the others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database.database import Database, head, migrate, revision
from app.database.schema import ready
from app.errors import ConfigurationError
from app.records.ledger import Ledger
from tests.records.builders import new_battle
from tests.records.postgres_server import PostgresServer


async def test_a_database_at_head_is_ready(url: str, ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await ready(url)
    assert await ledger.battle("b1") is not None


async def test_a_file_that_does_not_exist_is_created_at_head(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/arena.db"
    await ready(url)
    assert await revision(url) == head()


async def test_a_file_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "arena.db").touch()
    await ready(f"sqlite:///{tmp_path}/arena.db")
    assert await revision(f"sqlite:///{tmp_path}/arena.db") == head()


async def test_several_may_create_the_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await asyncio.gather(*(ready(url) for _ in range(4)))
    assert await revision(url) == head()


async def test_an_older_schema_is_refused_with_the_command_to_run_and_left_alone(empty_url: str) -> None:
    await migrate(empty_url, "0001")

    with pytest.raises(
        ConfigurationError, match=rf"at schema 0001 and this version needs {head()}.*run `arena migrate`"
    ):
        await ready(empty_url)

    assert await revision(empty_url) == "0001"
    await migrate(empty_url)
    await ready(empty_url)


async def test_a_postgresql_without_a_schema_is_refused_with_the_command_to_run(postgres: PostgresServer) -> None:
    name = postgres.create()
    with pytest.raises(ConfigurationError, match=r"has no schema yet.*run `arena migrate`"):
        await ready(postgres.url(name))
    assert await revision(postgres.url(name)) is None
    postgres.drop(name)


async def test_a_foreign_file_is_neither_served_nor_migrated_unasked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    await migrate(url, "0001")
    database = Database(url)
    drop = sa.text("DROP TABLE alembic_version")
    await database.transaction(lambda connection: connection.execute(drop) and None)
    await database.aclose()

    with pytest.raises(ConfigurationError, match="has no schema yet"):
        await ready(url)


async def test_a_newer_schema_is_refused(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    update = sa.text("UPDATE alembic_version SET version_num = '9999'")
    await database.transaction(lambda connection: connection.execute(update) and None)
    await database.aclose()

    with pytest.raises(ConfigurationError, match=r"9999.*newer.*install the newer version"):
        await ready(empty_url)


async def test_the_refusal_does_not_show_the_password(postgres: PostgresServer) -> None:
    name = postgres.create()
    address = postgres.url(name).replace("postgres@", "postgres:hunter2@")
    with pytest.raises(ConfigurationError) as refused:
        await ready(address)
    assert "hunter2" not in refused.value.sentence
    postgres.drop(name)
