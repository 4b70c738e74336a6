"""Training data as files under ``ARENA_DATA_DIR/exports``, in the memory of some votes, one export at a time.

There is one file for each type and form, replaced when a new one is whole: whoever reads the old one keeps it, and a
disk never holds more than nine of them. Whose turn it is to write is a lock of the system's on ``exports/.lock``: it
holds among all processes on this machine, and ends with the process that has it.
"""

from __future__ import annotations

import asyncio
import csv
import errno
import fcntl
import io
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import orjson

from app.battle.battle import Status
from app.errors import Unavailable
from app.files import to_disk, written
from app.legible import harmless
from app.records.comparisons import Comparison
from app.records.export.formats import Format, header, lines

T = TypeVar("T")

FOLDER = "exports"
BUSY = "another export is being written; try again when it is done"


class ExportType(StrEnum):
    """What is exported, by the words of the older contract."""

    DPO = "dpo"
    RLHF = "rlhf"
    ANALYTICS = "analytics"


class FileFormat(StrEnum):
    """How it is written: a JSON object on each line, one JSON array, or a table after RFC 4180."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


_COLUMNS = {
    ExportType.DPO: ("schema", "prompt", "system", "chosen", "rejected", "preference_strength", "metadata"),
    ExportType.RLHF: ("schema", "prompt", "responses", "metadata"),
}
_SCHEMAS = {ExportType.DPO: Format.DPO, ExportType.RLHF: Format.RLHF, ExportType.ANALYTICS: Format.ARENA}


@dataclass(slots=True)
class ExportCounts:
    """How much an export holds: battles of which a vote was read, and lines or rows.

    Votes come in the order in which they were given, so a battle is remembered only until its last one.
    """

    battles: int = 0
    examples: int = 0
    _open: set[str] = field(default_factory=set)

    def add(self, votes: Sequence[Comparison]) -> None:
        """Count the battles of some votes."""
        for vote in votes:
            battle = vote.battle
            if battle.id not in self._open:
                self.battles += 1
                self._open.add(battle.id)
            if battle.status is not Status.RUNNING and vote.round >= battle.round:
                self._open.discard(battle.id)


@dataclass(frozen=True, slots=True)
class Written:
    """A finished export; ``path`` is relative to ``ARENA_DATA_DIR``."""

    path: str
    battles: int
    examples: int


class Writing:
    """What one export writes, as bytes; pure but for its count. Ties are two opposite pairs of half the strength."""

    def __init__(self, kind: ExportType, form: FileFormat) -> None:
        self.tally = ExportCounts()
        self._kind, self._form = kind, form

    def begin(self) -> bytes:
        """What stands before the first vote."""
        if self._form is FileFormat.CSV:
            return header(Format.CSV) if self._is_table else _csv_line(_COLUMNS[self._kind])
        return b"[\n" if self._form is FileFormat.JSON else b""

    def piece(self, votes: Sequence[Comparison]) -> bytes:
        """Some votes."""
        self.tally.add(votes)
        if self._is_table:
            self.tally.examples += len(votes)
            return lines(Format.CSV, votes)
        rendered = lines(_SCHEMAS[self._kind], votes, with_ties=True)
        before, self.tally.examples = self.tally.examples, self.tally.examples + rendered.count(b"\n")
        if self._form is FileFormat.CSV:
            return b"".join(_csv_line(orjson.loads(line).values()) for line in rendered.splitlines())
        if self._form is FileFormat.JSONL or not rendered:
            return rendered
        return (b",\n" if before else b"") + rendered.removesuffix(b"\n").replace(b"\n", b",\n")

    def end(self) -> bytes:
        """What stands behind the last vote."""
        return b"\n]\n" if self._form is FileFormat.JSON else b""

    @property
    def _is_table(self) -> bool:
        """Whether there is a row for each vote, which is a format of its own."""
        return self._kind is ExportType.ANALYTICS and self._form is FileFormat.CSV


async def export_to_file(
    data_dir: Path, kind: ExportType, form: FileFormat, comparisons: Callable[[], AsyncGenerator[list[Comparison]]]
) -> Written:
    """Write the votes that stand to a file; the event loop only reads, a thread makes the lines and writes them.

    Raises:
        Unavailable: another export is being written, the folder can't be written, or the database is unavailable.
    """
    name, writing = f"{kind.value}.{form.value}", Writing(kind, form)
    with _write_errors_named(data_dir / FOLDER), _turn(data_dir / FOLDER), _anew(data_dir / FOLDER / name) as sink:
        await _in_thread(lambda: sink.write(writing.begin()))
        async with aclosing(comparisons()) as chunks:
            async for votes in chunks:
                await _in_thread(partial(_write, sink, writing, votes))
        await _in_thread(lambda: _finish(sink, writing.end()))
    return Written(f"{FOLDER}/{name}", writing.tally.battles, writing.tally.examples)


def _write(sink: IO[bytes], writing: Writing, votes: Sequence[Comparison]) -> None:
    sink.write(writing.piece(votes))


async def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread, and stay until it is done: what it writes to is closed afterwards."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(Exception):
            await asyncio.wait({task})
        raise


@contextmanager
def _write_errors_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sentence = f"{folder.name} in ARENA_DATA_DIR can't be written ({error.strerror}); make room or fix its rights"
        raise Unavailable(sentence, code="export_failed", retry_after_s=60) from None


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold the lock on the folder.

    Raises:
        Unavailable: somebody else has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(BUSY, code="export_running", retry_after_s=10) from None
        yield
    finally:
        os.close(lock)


@contextmanager
def _anew(file: Path) -> Iterator[IO[bytes]]:
    """A file that is replaced when the new one is whole; who has the turn may drop what a dead process left."""
    for left in file.parent.glob("*.part"):
        left.unlink(missing_ok=True)
    if file.exists() and not file.is_file():  # to open a FIFO would wait for its reader, and everybody with it
        raise OSError(errno.EINVAL, f"{file.name} is not a file")
    # It holds what people asked: for the account that serves only.
    with written(file, 0o600) as sink:
        yield sink


def _finish(sink: IO[bytes], end: bytes) -> None:
    sink.write(end)
    to_disk(sink)


def _csv_line(cells: Iterable[object]) -> bytes:
    """A line of a table; what is no text is written as in JSON."""
    line = io.StringIO()
    plain = [_cell(cell) for cell in cells]
    csv.writer(line, lineterminator="\r\n").writerow(plain)
    return line.getvalue().encode()


def _cell(cell: object) -> str | None:
    """A text that no spreadsheet takes for a formula; what is no text, as in JSON."""
    if cell is None:
        return None
    return harmless(cell) if isinstance(cell, str) else orjson.dumps(cell).decode()
