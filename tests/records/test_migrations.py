from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.battle.battle import Status, Verdict, Vote
from app.database import migrating
from app.database.database import Database, head, migrate, revision
from app.errors import ConfigurationError, Unavailable
from app.records.ledger import Ledger
from app.records.tables import answers, battles, metadata, votes
from tests.records.builders import OPENING, new_answer, new_battle, vote
from tests.records.postgres_server import PostgresServer
from tests.records.processes import run_together

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BATTLE = {"id": "b1", "message": "m", "status": "running", "round": 1, "contestants": [], "options": {}}
VOTE = {"battle_id": "b1", "round": 1, "verdict": "a", "entry_a": 0, "entry_b": 1, "created_at": NOW}
ANSWER = {
    "battle_id": "b1",
    "entry": 0,
    "model": "x",
    "text": "",
    "finish_reason": "stop",
    "attempts": 1,
    "tokens": 0,
    "thinking_s": 0.0,
    "cold": False,
    "cached_prompt": False,
    "created_at": NOW,
}


def tables(connection: sa.Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


async def test_a_new_database_is_brought_to_head(empty_url: str) -> None:
    assert await revision(empty_url) is None
    assert await migrate(empty_url) == head() == await revision(empty_url)


def test_there_is_one_line_of_revisions() -> None:
    scripts = ScriptDirectory.from_config(migrating._alembic())
    assert len(scripts.get_heads()) == 1
    assert tuple(script.revision for script in scripts.walk_revisions()) == migrating.revisions()
    numbers = [int(revision) for revision in migrating.revisions()]
    assert numbers == list(range(len(numbers), 0, -1)), "numbered without gaps, the newest first"


async def test_asking_for_the_revision_creates_no_file(tmp_path: Path) -> None:
    assert await revision(f"sqlite:///{tmp_path}/none.db") is None
    assert not (tmp_path / "none.db").exists()


async def test_migrating_again_changes_nothing(url: str, ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    assert await migrate(url) == head()
    assert await ledger.battle("b1") is not None


async def test_the_migrations_build_the_tables_that_the_code_uses(database: Database) -> None:
    def work(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await database.read(work) == []


async def test_migrations_go_down_and_up_with_data_in_the_tables(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())
    await ledger.save_answers("b1", [new_answer()])
    await vote(ledger)
    await database.aclose()

    assert await migrate(empty_url, "base") is None

    database = Database(empty_url)
    assert await database.read(tables) == {"alembic_version"}
    await database.aclose()
    assert await migrate(empty_url) == head()
    database = Database(empty_url)
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())
    assert (await vote(ledger, Verdict.B)).standing == Vote(1, Verdict.B, OPENING)
    await database.aclose()


async def test_what_a_migration_calls_expanding_leaves_to_older_versions_all_that_they_know(empty_url: str) -> None:
    scripts = ScriptDirectory.from_config(migrating._alembic())
    expanding = [script for script in scripts.walk_revisions() if hasattr(script.module, "oldest")]
    assert {script.revision for script in expanding} >= {f"{number:04}" for number in range(10, 16)}
    known = {script.module.oldest for script in expanding}
    shapes = {}
    for script in reversed(list(scripts.walk_revisions())):
        if script.revision >= min(known):
            await migrate(empty_url, script.revision)
            shapes[script.revision] = await shape_of(empty_url)
    for script in expanding:
        assert broken_by(shapes[script.module.oldest], shapes[script.revision]) == [], script.revision


Shape = dict[str, dict[str, tuple[str, bool]]]
"""Of each table its columns, keys and indexes: the type, and whether a row may be written without it."""


async def shape_of(url: str) -> Shape:
    def work(connection: sa.Connection) -> Shape:
        found = sa.inspect(connection)
        return {
            table: {
                column["name"]: (str(column["type"]), column["nullable"] or column["default"] is not None)
                for column in found.get_columns(table)
            }
            | {
                f"keeps {key['referred_table']}": ("", bool(key["options"].get("ondelete")))
                for key in found.get_foreign_keys(table)
            }
            | {f"unique {index['name']}": ("", not index["unique"]) for index in found.get_indexes(table)}
            for table in found.get_table_names()
        }

    database = Database(url)
    try:
        return await database.read(work)
    finally:
        await database.aclose()


def broken_by(before: Shape, after: Shape) -> list[str]:
    """What a version that knows only ``before`` would miss, or could not write."""
    broken = [
        f"{table}.{name}" for table, known in before.items() for name in known if name not in after.get(table, {})
    ]
    for table, known in before.items():
        for name, (kind, optional) in after.get(table, {}).items():
            changed = name in known and known[name] != (kind, optional)
            if changed or (name not in known and not optional):
                broken.append(f"{table}.{name}")
    for table in after.keys() - before.keys():  # rows that an older version can't remove what they refer to for
        keeps = (
            name.removeprefix("keeps ") for name, (_, free) in after[table].items() if name[:6] == "keeps " and not free
        )
        broken += [f"{table} keeps {referred}" for referred in keeps if referred in before]
    return broken


def test_a_column_that_is_gone_or_must_be_written_is_found() -> None:
    before: Shape = {"t": {"a": ("TEXT", False)}}
    assert broken_by(before, {"t": {"a": ("TEXT", False), "b": ("TEXT", True)}, "u": {"c": ("TEXT", False)}}) == []
    assert broken_by(before, {"t": {"b": ("TEXT", True)}}) == ["t.a"]
    assert broken_by(before, {"t": {"a": ("TEXT", False), "b": ("TEXT", False)}}) == ["t.b"]
    assert broken_by(before, {"t": {"a": ("INTEGER", False)}}) == ["t.a"]
    assert broken_by(before, {}) == ["t.a"]
    assert broken_by(before, {**before, "u": {"keeps t": ("", False)}}) == ["u keeps t"]
    assert broken_by(before, {**before, "u": {"keeps t": ("", True)}}) == []


async def test_migrations_run_under_the_eyes_of_those_who_serve(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())

    await migrate(empty_url, "base")
    await migrate(empty_url)

    assert await ledger.battle("b1") is None
    assert (await ledger.open_battle(new_battle())).created
    await database.aclose()


async def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    printed = await asyncio.to_thread(run_together, [("tests.records.migrator", empty_url)] * 2)
    assert printed == [f"{head()}\n"] * 2
    assert await revision(empty_url) == head()


async def test_several_tasks_may_migrate_at_once(empty_url: str) -> None:
    assert await asyncio.gather(*(migrate(empty_url) for _ in range(4))) == [head()] * 4


async def test_a_newer_schema_is_refused_and_left_alone(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())
    update = sa.text("UPDATE alembic_version SET version_num = '9999'")
    await database.transaction(lambda connection: connection.execute(update) and None)

    with pytest.raises(ConfigurationError, match=r"9999.*newer.*install the newer version"):
        await migrate(empty_url)

    assert await revision(empty_url) == "9999"
    assert await ledger.battle("b1") is not None
    await database.aclose()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "arena.db"
    file.write_text("my diary\n" * 1000)

    with pytest.raises(ConfigurationError, match=r"arena\.db can't be used.*not a database"):
        await migrate(f"sqlite:///{file}")

    assert file.read_text() == "my diary\n" * 1000


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file.*can't be written.*ARENA_DATA_DIR"):
        await migrate(f"sqlite:///{tmp_path}/file/arena.db")


async def test_a_database_that_does_not_exist_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere.*does not exist.*correct DATABASE_URL"):
        await migrate(postgres.url("nowhere"))


async def test_a_server_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        await migrate(f"postgresql://postgres@/arena?host={tmp_path}")
    assert refused.value.code == "database_away"


async def test_who_waits_too_long_for_another_process_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "MIGRATION_WAIT", migrating.BUSY / 50)
    lock = os.open(tmp_path / "arena.db.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(Unavailable, match="Another process is migrating"):
        await migrate(f"sqlite:///{tmp_path}/arena.db")

    os.close(lock)
    assert await migrate(f"sqlite:///{tmp_path}/arena.db") == head()


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (battles, BATTLE | {"id": "b2", "status": "lost"}),
        (battles, BATTLE | {"id": "b2", "round": 0}),
        (battles, BATTLE | {"id": "b1"}),
        (answers, ANSWER | {"finish_reason": "tired"}),
        (answers, ANSWER | {"entry": -1}),
        (answers, ANSWER | {"battle_id": "nobody"}),
        (votes, VOTE | {"verdict": "x"}),
        (votes, VOTE | {"entry_b": 0}),
        (votes, VOTE | {"battle_id": "nobody"}),
    ],
)
async def test_the_tables_refuse_what_makes_no_sense(
    database: Database, table: sa.Table, row: dict[str, object]
) -> None:
    def work(connection: sa.Connection) -> None:
        connection.execute(battles.insert(), BATTLE | {"created_at": NOW})
        connection.execute(table.insert().inline(), {"created_at": NOW} | row)

    with pytest.raises(sa.exc.IntegrityError):
        await database.transaction(work)


async def test_one_vote_stands_for_a_round_beside_any_number_taken_back(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        connection.execute(battles.insert(), BATTLE | {"created_at": NOW})
        for _ in range(3):
            connection.execute(votes.insert().inline(), VOTE | {"retracted_at": NOW})
        connection.execute(votes.insert().inline(), VOTE)

    def second(connection: sa.Connection) -> None:
        connection.execute(votes.insert().inline(), VOTE | {"verdict": "b"})

    await database.transaction(work)
    with pytest.raises(sa.exc.IntegrityError):
        await database.transaction(second)


async def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    naive = Ledger(database, clock=lambda: datetime(2026, 3, 1))
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        await naive.open_battle(new_battle())


def _insert(row: dict[str, Any], connection: sa.Connection) -> None:
    connection.execute(battles.insert(), row)


async def test_the_status_of_a_battle_has_the_words_of_the_code(database: Database) -> None:
    for status in Status:
        row = BATTLE | {"id": status.value, "status": status.value, "created_at": NOW}
        await database.autocommit(partial(_insert, row))
    kept = await database.read(lambda connection: set(connection.execute(sa.select(battles.c.status)).scalars()))
    assert kept == {status.value for status in Status}
