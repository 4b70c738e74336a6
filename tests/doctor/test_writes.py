"""A database file that takes no writes, as the doctor's own process finds it."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copy, rmtree

import pytest

ROOT = Path(__file__).parents[2]

#: Imports all that it needs before it gives up what root may do, for the folders of Python may be root's alone.
PROBE = """
import asyncio, os, sys
from datetime import timedelta
from app.doctor.probing import stores
from app.doctor.checks.database import refused
stores.known_revisions()
if os.geteuid() == 0 and sys.argv[2] == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
seen = asyncio.run(stores.probe_database(sys.argv[1], limit=timedelta(seconds=60)))
print(seen.state, seen.detail, seen.refusal, sep="|")
if seen.refusal:
    print(refused(seen, seen.refusal))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for its user alone."""
    made = Path(tempfile.mkdtemp(prefix="arena-test-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    rmtree(made)


def probe(file: Path, *, most_bytes: int | None = None) -> str:
    """What the doctor sees, as a user who is not root or when no file may grow beyond ``most_bytes`` (a full disk)."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    user = "nobody" if most_bytes is None else "as it is"
    run = subprocess.run(
        [sys.executable, "-c", PROBE, f"sqlite:///{file}", user],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=limit,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_file_that_may_not_be_written_is_read_only(folder: Path, _migrated_file: Path) -> None:
    file = folder / "arena.db"
    copy(_migrated_file, file)
    with closing(sqlite3.connect(file)) as writer:  # the files beside it are there, as in an arena that runs
        writer.execute("UPDATE alembic_version SET version_num = version_num")
        writer.commit()
        for one in folder.iterdir():
            one.chmod(0o444)
        output = probe(file)
    assert output.startswith("ready||Trouble(kind='read_only', reason='attempt to write a readonly database')")
    assert "database_read_only" in output
    assert f'chown "$USER" {file}*' in output


def test_a_folder_that_may_not_be_written_is_named(folder: Path, _migrated_file: Path) -> None:
    copy(_migrated_file, folder / "arena.db")
    folder.chmod(0o555)
    assert probe(folder / "arena.db").startswith(f"folder|{folder}|")


def test_a_full_disk_is_named_and_nothing_when_there_is_room(tmp_path: Path, _migrated_file: Path) -> None:
    file = tmp_path / "arena.db"
    copy(_migrated_file, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        while not (wal := tmp_path / "arena.db-wal").exists() or wal.stat().st_size < 100_000:
            writer.execute("UPDATE alembic_version SET version_num = version_num")
        assert probe(file, most_bytes=10_000_000) == "ready||None\n"
        output = probe(file, most_bytes=wal.stat().st_size)
    assert output.startswith("ready||Trouble(kind='failed', reason='disk I/O error')")
    assert "Finding(code='database_not_writing', severity='error', subject='database'" in output
    assert f"command='df -h {tmp_path}'" in output
