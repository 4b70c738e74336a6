"""An upload while it is read: a file without a name, which is gone with whoever has it open, also after kill -9."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from app.batch.jobs_file import LONGEST_LINE
from app.errors import MessageTooLarge, StorageFull

BUFFER = 1_000_000
Room = Callable[[int], Awaitable[None]]
"""Makes room for so many bytes in all, before they are written, or raises what says why there is none."""
_BOM = b"\xef\xbb\xbf"
_FULL = "the arena's disk can't take this file; its operator has to make room"


class Spool:
    """Bytes on disk, written and read in pieces: at most ``most_bytes`` of them, in at most ``most_lines`` lines."""

    def __init__(self, file: IO[bytes], most_bytes: int, most_lines: int, room: Room | None = None) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._most_lines = most_lines
        self._room = room
        self._buffer = bytearray()
        self._ends = 0
        self._last = b"\n"
        self.size = 0

    @classmethod
    async def open(cls, folder: Path, most_bytes: int, most_lines: int, room: Room | None = None) -> Spool:
        """A new one in ``folder``, or where temporary files are if nothing can be written there.

        Raises:
            StorageFull: it can be written nowhere.
        """
        return cls(await asyncio.to_thread(_nameless, folder), most_bytes, most_lines, room)

    async def __aenter__(self) -> Spool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def lines(self) -> int:
        """How many lines there are, the last one also without its end."""
        return self._ends + (self._last != b"\n")

    async def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            MessageTooLarge: they are too many, or too many lines.
            StorageFull: the disk is full.
        """
        self.size += len(data)
        self._ends += data.count(b"\n")
        self._last = data[-1:] or self._last
        if self.size > self._most_bytes:
            raise too_large(self._most_bytes)
        if self.lines > self._most_lines:
            raise MessageTooLarge(f"the file has over {self._most_lines:,} lines; send it as several")
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            await self.flush()

    async def flush(self) -> None:
        """Write what is still in memory.

        Raises:
            StorageFull: the disk is full, or there is no room for so much.
        """
        data, self._buffer = bytes(self._buffer), bytearray()
        if data:
            if self._room is not None:
                await self._room(self.size)
            try:
                await asyncio.to_thread(self._file.write, data)
            except OSError:
                raise StorageFull(_FULL) from None

    def read(self) -> Iterator[bytes]:
        """Its lines from the first on; one that is too long comes cut, so that it never is in memory whole."""
        self._file.seek(0)
        first = True
        while line := self._file.readline(LONGEST_LINE + 1):
            yield line.removeprefix(_BOM) if first else line
            first = False

    def pieces(self, size: int) -> Iterator[bytes]:
        """All of it, ``size`` bytes at a time."""
        self._file.seek(0)
        while piece := self._file.read(size):
            yield piece


def too_large(most_bytes: int) -> MessageTooLarge:
    """The refusal of a file that is over its limit."""
    return MessageTooLarge(f"the file is over {most_bytes:,} bytes; send it as several")


def _nameless(folder: Path) -> IO[bytes]:
    for place in (folder, None):
        try:
            return tempfile.TemporaryFile(dir=place)
        except OSError:
            continue
    raise StorageFull(_FULL)
