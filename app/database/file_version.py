"""Whether anything was committed to a SQLite file since, without asking SQLite.

A question to SQLite costs an idle process two threads that wake, and then wait for each other at every call into
SQLite. What writes to the file, in this process or in another one, changes the size or the time of it or of its
write-ahead log; the file system knows them without reading the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from datetime import timedelta
from pathlib import Path
from time import monotonic, time

SETTLED = timedelta(seconds=2)
"""Two writes within a tick of the file system's clock (some milliseconds) have the same time, and what is in the log
already is committed a moment later. So a file that was written to a moment ago is not compared."""

AT_MOST = timedelta(seconds=10)
"""A version holds no longer, in case that a file system does not tell of a write."""


class FileVersions:
    """The versions of a SQLite file; ``wall`` is Unix time in seconds as the file system has it."""

    def __init__(
        self, file: Path, *, wall: Callable[[], float] = time, monotonic: Callable[[], float] = monotonic
    ) -> None:
        self._files = (str(file), f"{file}-wal")
        self._wall = wall
        self._monotonic = monotonic

    def now(self) -> Hashable | None:
        """What is equal for as long as nothing is committed; None if that can't be told now. Takes microseconds."""
        try:
            found = [os.stat(name) for name in self._files]
        except OSError:  # no log: nobody has written since it was emptied, or SQLite runs without; no file: ask it
            return None
        since_s = self._wall() - max(one.st_mtime for one in found)
        if 0 <= since_s < SETTLED.total_seconds():
            return None
        # Not by st_ctime: as root, SQLite changes that whenever it opens the log.
        seen = tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) for one in found)
        return (*seen, int(self._monotonic() // AT_MOST.total_seconds()))
