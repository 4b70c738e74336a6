"""Writes a file that a person or a setting names, as a shell's ``>`` would, but whole or not at all where that can be.

A regular file, or one that is new, is replaced when all is written. Links stay and what they lead to is written; FIFOs,
devices and other things that can't be replaced are written in place.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

#: As the system has it (Linux: 40 links in a path).
_MOST_LINKS = 40
#: What says that a file can be written, but not replaced by another.
_ONLY_IN_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def written(file: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Open ``file`` to be written from its beginning; a new one gets ``mode``, less the umask.

    What is replaced keeps its mode and owner, and stays as it was until the block ends without an error. Written in
    place is what can't be replaced: a FIFO, a device, a descriptor (``/dev/stdout``), a file with several names, one
    that is a mount of its own, one whose owner can't be kept or whose folder takes no new file.

    Raises:
        OSError: it can't be written.
    """
    place = _leads_to(file)
    draft = None if isinstance(place, int) else _draft_of(place, mode)
    if draft is None or isinstance(place, int):
        with os.fdopen(_in_place(place), "wb") as sink:
            yield sink
        return
    with _replacing(place, *draft) as sink:
        yield sink


@contextmanager
def _replacing(place: Path, path: Path, descriptor: int) -> Iterator[IO[bytes]]:
    """Write the draft at ``path``, and put it in the place of the file if the block ends without an error."""
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
        _put(path, place)
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def _in_place(place: Path | int) -> int:
    """A descriptor for what can't be replaced."""
    return os.dup(place) if isinstance(place, int) else os.open(place, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY)


def to_disk(sink: IO[bytes]) -> None:
    """Wait until the disk has what was written to ``sink``, so that a power cut can't leave an empty file.

    Raises:
        OSError: it does not.
    """
    sink.flush()
    if stat.S_ISREG(os.fstat(sink.fileno()).st_mode):
        os.fsync(sink.fileno())


def _leads_to(file: Path) -> Path | int:
    """Where ``file`` ends when all links are followed; a number is an open descriptor of this process."""
    path = str(file)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        path = os.path.join(folder, name)
        if _holds_descriptors(folder) and name.isdigit():
            return int(name)
        if folder.startswith("/proc/") or not os.path.islink(path):
            return Path(path)
        path = os.path.join(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _holds_descriptors(folder: str) -> bool:
    """Whether ``folder`` is ``/proc/self/fd``, of the process or of one of its threads."""
    own = f"/proc/{os.getpid()}"
    return folder == f"{own}/fd" or (folder.startswith(f"{own}/task/") and folder.endswith("/fd"))


def _draft_of(place: Path, mode: int) -> tuple[Path, int] | None:
    """A new file beside ``place`` that can take its name, and its descriptor; None if ``place`` is written in place."""
    before = _status(place)
    if before is None:
        return _new_beside(place, mode)
    if not stat.S_ISREG(before.st_mode) or before.st_nlink > 1 or str(place).startswith("/proc/"):
        return None
    os.close(os.open(place, os.O_WRONLY))  # who may not write it may not replace it either
    try:
        path, descriptor = _new_beside(place, 0o600)
    except OSError as error:
        if error.errno in _ONLY_IN_PLACE:
            return None
        raise
    if _made_like(before, descriptor):
        return path, descriptor
    os.close(descriptor)
    path.unlink()
    return None


def _status(place: Path) -> os.stat_result | None:
    try:
        return place.stat()
    except FileNotFoundError:
        return None


def _new_beside(place: Path, mode: int) -> tuple[Path, int]:
    path = place.with_name(f"{place.name[:60]}.{secrets.token_hex(6)}.part")
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def _made_like(before: os.stat_result, descriptor: int) -> bool:
    """Give a new file the owner and the mode of another; False if that is not allowed."""
    now = os.fstat(descriptor)
    try:
        if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
            os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
    except OSError:
        return False
    return True


def _put(draft: Path, place: Path) -> None:
    try:
        draft.replace(place)
    except OSError as error:
        if error.errno != errno.EBUSY:  # a file that was mounted into a container by itself
            raise
        with draft.open("rb") as source, os.fdopen(os.open(place, os.O_WRONLY | os.O_TRUNC), "wb") as sink:
            shutil.copyfileobj(source, sink)
