"""Files that clients of OpenAI's Batch API upload, in the database: every process has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.spool import Spool
from app.database.database import Database
from app.records.batch_tables import batch_file_parts, batch_files

PART = 1_000_000
_F, _P = batch_files.c, batch_file_parts.c


@dataclass(frozen=True, slots=True)
class BatchFile:
    """An uploaded file without its content."""

    id: str
    owner: str | None
    filename: str
    bytes: int
    created_at: datetime
    expires_at: datetime | None = None


class FileStore:
    """The files; ``now`` is the clock of all machines. Calls raise ``Unavailable`` while the database is."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def put(self, spool: Spool, owner: str | None, filename: str, keep: timedelta | None) -> BatchFile:
        """Store what was uploaded; until all of it is there, nobody sees it."""
        await spool.flush()
        now = self._now()
        expires_at = None if keep is None else now + keep
        file = BatchFile(f"file-{token_hex(12)}", owner, filename, spool.size, now, expires_at)
        row = {name: getattr(file, name) for name in BatchFile.__dataclass_fields__}
        await self._write(batch_files.insert().values(status="uploading", **row))
        stored = False
        try:
            pieces = spool.pieces(PART)
            n = 0
            while piece := await asyncio.to_thread(next, pieces, None):
                await self._write(batch_file_parts.insert().values(file_id=file.id, n=n, data=piece))
                n += 1
            await self._write(batch_files.update().where(_F.id == file.id).values(status="processed"))
            stored = True
        finally:
            if not stored:
                await self.remove(file.id)
        return file

    async def file(self, id_: str) -> BatchFile | None:
        """A file; None if there is none of that id."""
        found = await self._found(_F.id == id_)
        return found[0] if found else None

    async def files(self, owner: str | None, *, everybody: bool) -> list[BatchFile]:
        """The files of an owner, or all."""
        return await self._found(sa.true() if everybody else _F.owner == owner)

    async def content(self, id_: str) -> AsyncGenerator[bytes]:
        """Yield a file's content."""
        n = 0
        while (part := await self._part(id_, n)) is not None:
            yield part
            n += 1

    async def remove(self, id_: str) -> None:
        """Remove a file; once more changes nothing."""
        await self._write(batch_file_parts.delete().where(_P.file_id == id_))
        await self._write(batch_files.delete().where(_F.id == id_))

    async def remove_old(self, half_done: timedelta) -> None:
        """Remove what has expired, and what a process that died left half stored."""
        now = self._now()
        old = sa.or_(_F.expires_at < now, sa.and_(_F.status == "uploading", _F.created_at < now - half_done))
        query = sa.select(_F.id).where(old)
        for id_ in await self._database.read(lambda connection: list(connection.execute(query).scalars())):
            await self.remove(id_)

    async def _found(self, where: sa.ColumnElement[bool]) -> list[BatchFile]:
        query = sa.select(batch_files).where(where, _F.status == "processed").order_by(_F.created_at, _F.id)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [BatchFile(**{name: row[name] for name in BatchFile.__dataclass_fields__}) for row in rows]

    async def _part(self, id_: str, n: int) -> bytes | None:
        query = sa.select(_P.data).where(_P.file_id == id_, _P.n == n)

        def work(connection: Connection) -> bytes | None:
            data: bytes | None = connection.execute(query).scalar_one_or_none()
            return data

        return await self._database.read(work)

    async def _write(self, statement: sa.Insert | sa.Update | sa.Delete) -> None:
        await self._database.transaction(lambda connection: connection.execute(statement))
