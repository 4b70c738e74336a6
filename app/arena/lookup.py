"""Finds battles and their contestants: in SQL, and in Redis for as long as the database is unavailable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from redis.exceptions import RedisError

from app.arena.store import Store
from app.battle.battle import Vote
from app.errors import NotFound, Unavailable
from app.records.ledger import Ledger
from app.records.values import BattleRecord


class UnknownBattle(NotFound):
    """No battle has that id; its sentence comes from the contract that is asked."""

    def __init__(self, battle_id: str) -> None:
        super().__init__(f"there is no battle {battle_id!r}")


class UnknownSession(NotFound):
    """No battle and no session has that id; its sentence comes from the contract that is asked."""

    def __init__(self, battle_or_session: str) -> None:
        super().__init__(f"there is no battle and no session {battle_or_session!r}")


@dataclass(frozen=True, slots=True)
class Entered:
    """The models of a battle in entry order, and its votes.

    ``voted_at`` and the ``options`` that it was opened with are empty where only Redis could be read.
    """

    contestants: tuple[str, ...]
    votes: tuple[Vote, ...]
    voted_at: tuple[datetime, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


class Lookup:
    """Finds battles; changes nothing."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    async def record(self, battle_id: str) -> BattleRecord:
        """The battle as SQL holds it: its contestants by name and the votes that stand. Not for viewers.

        Raises:
            NotFound: there is no such battle.
        """
        record = await self._ledger.battle(battle_id)
        if record is None:
            raise UnknownBattle(battle_id)
        return record

    async def check_known(self, battle_id: str) -> None:
        """Make sure that there is such a battle: one that is in Redis was committed before.

        Raises:
            NotFound: there is no such battle.
            Unavailable: the database is unavailable, and Redis does not know it.
        """
        with suppress(RedisError, OSError):
            if await self._store.name_of(battle_id) is not None:
                return
        await self.record(battle_id)

    async def entered(self, battle_id: str) -> Entered:
        """The contestants and the votes that stand; while the database is unavailable, as Redis holds them.

        Raises:
            NotFound: there is no such battle.
            Unavailable: the database is unavailable, and Redis has no such battle.
        """
        try:
            record = await self.record(battle_id)
        except Unavailable:
            state = await self._store.state(battle_id)
            if state is None:
                raise
            battle = state.document.battle
            return Entered(tuple(contestant.model for contestant in battle.contestants), battle.votes)
        return Entered(record.contestants, record.votes, record.voted_at, record.options)

    async def resolve(self, battle_or_session: str) -> str:
        """A battle's id from itself or from the session whose newest battle is meant.

        While the database is unavailable only battles can be found, in Redis.

        Raises:
            UnknownSession: neither is known.
        """
        try:
            return await self._resolved(battle_or_session)
        except Unavailable:
            if await self._store.name_of(battle_or_session) is None:
                raise
            return battle_or_session

    async def _resolved(self, battle_or_session: str) -> str:
        if await self._ledger.battle(battle_or_session) is not None:
            return battle_or_session
        newest = await self._ledger.newest_of_session(battle_or_session)
        if newest is None:
            raise UnknownSession(battle_or_session)
        return newest
