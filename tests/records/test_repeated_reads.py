"""What is asked of SQLite again and again is asked only when somebody has committed since, whoever it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from app.database.database import Database
from app.database.file_version import AT_MOST, SETTLED, FileVersions
from app.database.repeated import RepeatedRead
from app.errors import Unavailable

COUNT = "SELECT count(*) FROM things"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a new file that commits each statement."""
    connection = sqlite3.connect(tmp_path / "arena.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE things (name TEXT);")
    yield connection
    connection.close()


@dataclass
class Clocks:
    """The file system's clock, which is read ``ahead_s`` later, and a monotonic one."""

    file: Path
    ahead_s: float = SETTLED.total_seconds()
    at: float = 0.0

    def wall(self) -> float:
        return max(os.stat(f"{self.file}{end}").st_mtime for end in ("", "-wal")) + self.ahead_s

    def monotonic(self) -> float:
        return self.at

    def versions(self) -> FileVersions:
        return FileVersions(self.file, wall=self.wall, monotonic=self.monotonic)


@pytest.fixture
def clocks(tmp_path: Path, writer: sqlite3.Connection) -> Clocks:
    writer.execute("INSERT INTO things VALUES ('one')")
    return Clocks(tmp_path / "arena.db")


def test_a_file_that_nobody_writes_to_keeps_its_version(clocks: Clocks, writer: sqlite3.Connection) -> None:
    versions = clocks.versions()
    before = versions.now()
    assert before is not None
    assert writer.execute(COUNT).fetchone() == (1,)
    assert versions.now() == before


def test_each_commit_changes_the_version(clocks: Clocks, writer: sqlite3.Connection) -> None:
    versions = clocks.versions()
    before = versions.now()
    writer.execute("INSERT INTO things VALUES ('two')")
    assert versions.now() != before


def test_a_commit_of_another_process_changes_the_version(clocks: Clocks) -> None:
    versions = clocks.versions()
    before = versions.now()
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute('DELETE FROM things')"
    subprocess.run([sys.executable, "-c", script, clocks.file], check=True)
    assert versions.now() != before


def test_a_commit_into_a_log_that_begins_anew_changes_the_version(clocks: Clocks, writer: sqlite3.Connection) -> None:
    """After a checkpoint the log is overwritten from its beginning: it is no longer than before."""
    writer.execute("PRAGMA wal_checkpoint(RESTART)")
    versions = clocks.versions()
    before = versions.now()
    size = os.stat(f"{clocks.file}-wal").st_size
    writer.execute("INSERT INTO things VALUES ('two')")
    assert os.stat(f"{clocks.file}-wal").st_size == size
    assert versions.now() != before


def test_another_file_of_the_same_content_has_another_version(clocks: Clocks, tmp_path: Path) -> None:
    versions = clocks.versions()
    before = versions.now()
    times = os.stat(clocks.file)
    copy = tmp_path / "copy.db"
    copy.write_bytes(clocks.file.read_bytes())
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.rename(clocks.file)
    assert versions.now() != before


@pytest.mark.parametrize("ahead_s", [0.0, SETTLED.total_seconds() - 0.01])
def test_a_file_that_was_written_to_a_moment_ago_has_no_version(clocks: Clocks, ahead_s: float) -> None:
    """Another write within the same tick of the clock would not show."""
    clocks.ahead_s = ahead_s
    assert clocks.versions().now() is None


def test_a_clock_that_was_set_back_hides_no_version(clocks: Clocks) -> None:
    clocks.ahead_s = -3600.0
    assert clocks.versions().now() is not None


def test_a_version_ends_after_some_seconds(clocks: Clocks) -> None:
    versions = clocks.versions()
    before = versions.now()
    clocks.at = AT_MOST.total_seconds() - 0.01
    assert versions.now() == before
    clocks.at = AT_MOST.total_seconds()
    assert versions.now() not in (before, None)


@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_file_that_is_gone_has_no_version(clocks: Clocks, end: str) -> None:
    versions = clocks.versions()
    os.remove(f"{clocks.file}{end}")
    assert versions.now() is None


@dataclass
class Books:
    """Stands for a database: a version that the test sets, and how often it was asked."""

    current: Hashable | None = "v1"
    asked: int = 0
    unavailable: bool = False

    def version(self) -> Hashable | None:
        return self.current

    async def read(self, work: Any) -> Any:
        self.asked += 1
        if self.unavailable:
            raise Unavailable("no answer")
        return work(None)

    def repeated(self) -> RepeatedRead[int]:
        return RepeatedRead(cast(Database, self), lambda _: self.asked)


async def test_a_repeated_read_is_asked_once_for_a_version() -> None:
    books = Books()
    read = books.repeated()
    assert [await read.ask() for _ in range(3)] == [1, 1, 1]
    books.current = "v2"
    assert [await read.ask() for _ in range(3)] == [2, 2, 2]


async def test_without_a_version_it_is_asked_each_time() -> None:
    books = Books(None)
    read = books.repeated()
    assert [await read.ask() for _ in range(3)] == [1, 2, 3]


async def test_a_version_that_returns_after_one_that_was_not_known_counts_for_nothing() -> None:
    books = Books()
    read = books.repeated()
    await read.ask()
    books.current = None
    await read.ask()
    books.current = "v1"
    assert await read.ask() == 3


async def test_what_is_committed_while_it_reads_is_asked_for_again() -> None:
    books = Books()

    def work(_: object) -> str:
        seen, books.current = books.current, "v2"
        return str(seen)

    read = RepeatedRead(cast(Database, books), work)
    assert [await read.ask(), await read.ask(), await read.ask()] == ["v1", "v2", "v2"]
    assert books.asked == 2


async def test_a_read_that_failed_is_asked_again() -> None:
    books = Books(unavailable=True)
    read = books.repeated()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await read.ask()
    books.unavailable = False
    assert await read.ask() == 3


@pytest.fixture
async def database(clocks: Clocks) -> AsyncIterator[Database]:
    """The file, last written to a minute ago."""
    for end in ("", "-wal"):
        os.utime(f"{clocks.file}{end}", (time.time() - 60, time.time() - 60))
    database = Database(f"sqlite:///{clocks.file}")
    yield database
    await database.aclose()


async def test_whoever_commits_is_seen_by_the_next_repeated_read(
    database: Database, writer: sqlite3.Connection
) -> None:
    """By the machine's own clock, at which each of these commits is new."""
    read = RepeatedRead(database, lambda connection: connection.execute(sa.text(COUNT)).scalar_one())
    assert [await read.ask(), await read.ask()] == [1, 1]
    writer.execute("INSERT INTO things VALUES ('two')")
    assert await read.ask() == 2
    await database.transaction(lambda connection: connection.execute(sa.text("DELETE FROM things")))
    assert await read.ask() == 0
