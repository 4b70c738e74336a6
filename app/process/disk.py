"""How much room is left where this process' data is: the file of SQLite, and the dump of an embedded Redis."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.database.address import database_url, parse
from app.settings.settings import Settings


def data_folder(settings: Settings) -> Path | None:
    """The folder whose disk must not fill up; None where both stores are servers, whose disks are theirs."""
    url = parse(database_url(settings))
    if url.drivername == "sqlite" and url.database:
        return Path(url.database).absolute().parent
    return None if settings.redis_address else settings.arena_data_dir.absolute()


def disk_of(folder: Path | None) -> tuple[int | None, int]:
    """Free and all bytes of the disk of ``folder``; None when that can't be known. It may block: for a thread."""
    if folder is None:
        return None, 0
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None, 0
    return usage.free, usage.total
