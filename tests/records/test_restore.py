"""A restore fills what is empty, with the same secret, and leaves what is there alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from app.battle.battle import Verdict
from app.cli.restore import restore
from app.database.database import Database, head, migrate, revision
from app.errors import ConfigurationError, InvalidInput
from app.records.backup import back_up
from app.records.ledger import Ledger
from app.records.restore import restore_backup
from tests.helpers import known
from tests.records.builders import judged_battle
from tests.records.postgres_server import PostgresServer
from tests.whole.harness import OURS

OURS_MARK, ANOTHER = "0" * 32, "1" * 32


async def played(url: str) -> None:
    await migrate(url)
    database = Database(url)
    await judged_battle(Ledger(database), "b1", (Verdict.A, Verdict.B))
    await database.aclose()


async def votes_of(url: str) -> int:
    database = Database(url)
    try:
        return len(known(await Ledger(database).battle("b1")).votes)
    finally:
        await database.aclose()


@pytest.fixture
async def backup(tmp_path: Path) -> Path:
    url = f"sqlite:///{tmp_path}/old/arena.db"
    await played(url)
    back_up(url, tmp_path / "copy.db", OURS_MARK)
    return tmp_path / "copy.db"


async def test_a_sqlite_backup_becomes_the_database_of_a_new_folder(backup: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/arena.db"
    before = os.umask(0o022)
    try:
        assert await asyncio.to_thread(restore_backup, backup, url, OURS_MARK) == head()
    finally:
        os.umask(before)
    assert await votes_of(url) == 2
    assert stat.S_IMODE((tmp_path / "new" / "arena.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert [one.name for one in (tmp_path / "new").iterdir() if one.name.startswith(".")] == []


async def test_another_secret_is_refused_unless_that_is_meant(backup: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/arena.db"
    with pytest.raises(InvalidInput, match="another ARENA_SECRET"):
        restore_backup(backup, url, ANOTHER)
    assert not (tmp_path / "new" / "arena.db").exists()
    await asyncio.to_thread(lambda: restore_backup(backup, url, ANOTHER, other_secret=True))
    assert await votes_of(url) == 2


async def test_what_is_there_is_left_alone(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "arena.db"
    target.write_text("mine")
    with pytest.raises(ConfigurationError, match="there already"):
        restore_backup(backup, f"sqlite:///{target}", OURS_MARK)
    assert target.read_text() == "mine"


async def test_what_is_no_backup_is_named_and_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/arena.db"
    text, empty, newer = tmp_path / "text", tmp_path / "empty.db", tmp_path / "newer.db"
    text.write_text("hello")
    with closing(sqlite3.connect(empty)) as other:
        other.execute("CREATE TABLE t (x)")
    shutil.copyfile(backup, newer)
    with closing(sqlite3.connect(newer)) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    for file, said in ((text, "is no backup"), (empty, "no whole backup"), (tmp_path / "none", "can't be read")):
        with pytest.raises(InvalidInput, match=said):
            restore_backup(file, url, OURS_MARK)
    with pytest.raises(ConfigurationError, match="newer than this version"):
        restore_backup(newer, url, OURS_MARK)
    with pytest.raises(InvalidInput, match="is a backup of sqlite"):
        restore_backup(backup, "postgresql://db/arena", OURS_MARK)
    assert list((tmp_path / "new").iterdir()) == []


async def test_postgres_is_restored_by_its_own_program_into_an_empty_database(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(postgres.programs), prepend=os.pathsep)
    old, new = postgres.url(postgres.create()), postgres.url(postgres.create())
    await played(old)
    file = tmp_path / "arena.dump"
    await asyncio.to_thread(back_up, old, file, OURS_MARK)
    with pytest.raises(InvalidInput, match="another ARENA_SECRET"):
        await asyncio.to_thread(restore_backup, file, new, ANOTHER)
    assert await revision(new) is None
    assert await asyncio.to_thread(restore_backup, file, new, OURS_MARK) == head()
    assert await votes_of(new) == 2
    with pytest.raises(ConfigurationError, match="restore into an empty database"):
        await asyncio.to_thread(restore_backup, file, new, OURS_MARK)


async def test_a_redis_that_is_not_empty_is_refused(
    backup: Path, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.redis.client import commands_client

    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARENA_DATA_DIR", str(tmp_path / "new"))
    monkeypatch.setenv("ARENA_SECRET", "s")
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = commands_client(redis_url)
    await client.set("arena:{b1}", "x", ex=60)
    with pytest.raises(ConfigurationError, match="REDIS_URL: this Redis has keys of an arena"):
        await asyncio.to_thread(restore, backup, True)
    await client.delete("arena:{b1}")
    await client.aclose()
    kept = tmp_path / "new" / "redis" / "data"
    await asyncio.to_thread(restore, backup, True)
    assert "restored, at schema" in capsys.readouterr().out
    monkeypatch.setenv("REDIS_URL", "")
    kept.mkdir(parents=True)
    (kept / "dump.rdb").touch()
    with pytest.raises(ConfigurationError, match="own Redis has kept data"):
        await asyncio.to_thread(restore, backup, True)
