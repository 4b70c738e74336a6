"""Reads that are asked again and again, whether anybody writes or not."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from app.database.database import Database
from app.database.sqlite import Work

T = TypeVar("T")


class RepeatedRead(Generic[T]):
    """A read whose outcome follows from what is committed alone: not from the time, nor from anything else.

    It is known until somebody commits, where the database tells that without being asked (``Database.version``).
    """

    def __init__(self, database: Database, work: Work[T]) -> None:
        self._database = database
        self._work = work
        self._known: tuple[Hashable, T] | None = None

    async def ask(self) -> T:
        """The outcome as of now. It is the same value for as long as it is known: don't change it.

        Raises:
            Unavailable: the database is unavailable.
        """
        version = self._database.version()  # before the read: what is committed meanwhile is asked for again
        if version is not None and self._known is not None and self._known[0] == version:
            return self._known[1]
        self._known = None
        outcome = await self._database.read(self._work)
        if version is not None:
            self._known = version, outcome
        return outcome
