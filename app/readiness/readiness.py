"""What is missing for battles: a store that does not answer, or one that takes no writes."""

from __future__ import annotations

from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.database.database import Database
from app.errors import ArenaError
from app.readiness.write_probe import Writes, database_refusal, redis_refusal
from app.store_errors import Trouble, redis_trouble

log = structlog.get_logger(__name__)


class Stores:
    """Redis and the database as ``/readyz`` sees them.

    Whether they answer is asked each time; whether they take writes once a second at most. The log has a line when a
    store gets lost and one when nothing is missing any more, however often somebody asks.
    """

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis, self._database = redis, database
        self._writes = {
            "Redis": Writes(partial(redis_refusal, redis)),
            "The database": Writes(partial(database_refusal, database)),
        }
        self._missing: tuple[str, ...] = ()

    async def missing(self) -> tuple[str, ...]:
        """A sentence for each store that battles can't do with; it is for whoever asks ``/readyz``."""
        lost = (*await self._redis_lost(), *await self._database_lost())
        missing = lost or await self._refusals()
        if missing != self._missing:
            self._missing = missing
            if missing:
                log.warning("not_ready", missing=list(missing))
            else:
                log.info("ready_again")
        return missing

    async def usable(self) -> dict[str, bool]:
        """Whether each store answers and takes writes, by ``redis`` and ``database``."""
        lost = {"Redis": await self._redis_lost(), "The database": await self._database_lost()}
        found = {store: not gone and await self._writes[store].refusal() is None for store, gone in lost.items()}
        return {"redis": found["Redis"], "database": found["The database"]}

    async def _redis_lost(self) -> list[str]:
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            trouble = redis_trouble(error)
            return [_sentence("Redis", trouble) if trouble.refuses_writes else "Redis is unavailable"]
        return []

    async def _database_lost(self) -> list[str]:
        try:
            await self._database.ping()
        except ArenaError as error:
            return [error.sentence]
        return []

    async def _refusals(self) -> tuple[str, ...]:
        refused = [(store, await writes.refusal()) for store, writes in self._writes.items()]
        return tuple(_sentence(store, trouble) for store, trouble in refused if trouble is not None)

    async def aclose(self) -> None:
        """End the probes under way."""
        for writes in self._writes.values():
            await writes.aclose()


def _sentence(store: str, trouble: Trouble) -> str:
    """The server's own reason; not where it is unavailable, for that may name addresses."""
    return f"{store} takes no writes: {trouble.reason}" if trouble.refuses_writes else f"{store} is unavailable"
