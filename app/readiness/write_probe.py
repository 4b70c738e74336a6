"""Whether Redis and the database take writes, found by writing: one probe for ``/readyz`` and for the doctor.

A store that only answers may still refuse every battle: a standby, a full disk, a user without a right. So each probe
does what opening a battle does, leaves nothing behind, and says in the server's own words why it was refused
(docs/decisions/0009 says what each finds, and what it can't).

- *Redis*: one script, as battles are written by scripts. It writes a key of each kind that the arena uses, deletes it
  in the same call, and publishes to a channel that nobody hears; then a subscription. Keys ``arena:probe:<id>``, with a
  TTL of ten seconds should the script ever be cut short; channel ``arena:probe``.
- *PostgreSQL*: the rights on all tables, then a row of ``battles`` in a transaction that is rolled back.
- *SQLite*: a commit that writes the header's unused ``user_version`` with the value it has: one page of the WAL. What
  is rolled back never gets to the disk, and would find neither a full one nor a broken one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import sqlalchemy as sa
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.tables import answers, battles, contestants, rounds, votes
from app.store_errors import StoreLost, Trouble, redis_trouble, script_trouble

KEPT = timedelta(seconds=1)
"""How long an outcome is good for: more calls than that write nothing."""

PATIENCE = timedelta(seconds=2)
"""How long a caller waits for a probe under way before he takes the outcome of the one before."""

_CHANNEL = "arena:probe"
_SUBSCRIBED_WITHIN_S = 1.0

#: SET comes first: what is made by it ends by itself, whatever else is forbidden; and Redis checks for room only before
#: the first write of a script (in 6.2 not even then, if that is one that needs none, such as DEL).
_SCRIPT = """
local key, channel = ARGV[1], ARGV[2]
local calls = {
  {'SET', key, '1', 'PX', 10000}, {'PEXPIRE', key, 10000}, {'APPEND', key, '1'}, {'DEL', key},
  {'HSET', key, 'f', '1'}, {'HINCRBY', key, 'n', 1}, {'PEXPIRE', key, 10000}, {'DEL', key},
  {'XADD', key, '1-0', 'e', '1'}, {'PEXPIRE', key, 10000}, {'DEL', key},
  {'ZADD', key, 1, '1'}, {'PEXPIRE', key, 10000}, {'DEL', key},
  {'PUBLISH', channel, ''},
}
for _, call in ipairs(calls) do
  local reply = redis.pcall(unpack(call))
  if type(reply) == 'table' and reply.err then
    redis.pcall('DEL', key)
    return {call[1], reply.err}
  end
end
return {}
"""

_RIGHTS = sa.text(
    """
    SELECT p || ' on ' || t FROM unnest(CAST(:tables AS text[])) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p
    WHERE NOT has_table_privilege(t, p)
    UNION ALL
    SELECT 'USAGE on ' || s FROM pg_get_serial_sequence('votes', 'id') AS s
    WHERE s IS NOT NULL AND NOT has_sequence_privilege(s, 'USAGE')
    LIMIT 1
    """
)
_TABLES = [table.name for table in (battles, rounds, contestants, answers, votes)]


async def redis_refusal(redis: Redis) -> Trouble | None:
    """Why Redis takes no writes of ours; None when it does. Raises nothing of Redis'."""
    try:
        refused = await redis.register_script(_SCRIPT)(args=[f"arena:probe:{secrets.token_hex(8)}", _CHANNEL])
        if refused:
            command, reason = (part.decode(errors="replace") for part in refused)
            return script_trouble(command, reason)
        await _subscribe(redis)
    except (RedisError, OSError) as error:
        return redis_trouble(error)
    return None


async def _subscribe(redis: Redis) -> None:
    """Subscribe, over a connection of its own; without the right to, Redis refuses it with an error."""
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(_CHANNEL)
        await pubsub.get_message(timeout=_SUBSCRIBED_WITHIN_S)


async def database_refusal(database: Database) -> Trouble | None:
    """Why the database, whose schema must be at head, takes no writes of ours; None when it does."""
    try:
        await database.transaction(_written)
    except _TakenBack:
        return None
    except StoreLost as lost:
        return lost.trouble
    return None


class _TakenBack(Exception):
    """Has the transaction rolled back: all was well."""


def _written(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
        return
    lacking = connection.scalar(_RIGHTS, {"tables": _TABLES})
    if lacking is not None:
        raise StoreLost("", code="database_away", trouble=Trouble("forbidden", f"this user lacks {lacking}"))
    now = datetime.now(UTC)
    row = {"id": f"probe:{secrets.token_hex(8)}", "message": "", "status": "failed", "round": 1}
    times = {"created_at": now, "ended_at": now, "forgotten_at": now}
    connection.execute(sa.insert(battles).values(**row, **times, contestants=[], options={}))
    raise _TakenBack


class Writes:
    """Whether one store takes writes, for many who ask: one probe at a time, its outcome good for a second.

    A probe ends by the store's own limits, five seconds at most; who asks waits for ``patience`` and then takes the
    outcome before it, so that a store which is merely slow changes nothing, and one that hangs is found by its probe.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[Trouble | None]],
        *,
        kept: timedelta = KEPT,
        patience: timedelta = PATIENCE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._probe = probe
        self._kept_s, self._patience_s = kept.total_seconds(), patience.total_seconds()
        self._clock = clock
        self._outcome: Trouble | None = None
        self._until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def refusal(self) -> Trouble | None:
        """Why it takes no writes, by the newest probe that has ended; None when it does."""
        if self._task is None and self._clock() >= self._until:
            self._task = asyncio.create_task(self._run(), name="probe of writes")
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=self._patience_s)
            for task in done:
                task.result()
        return self._outcome

    async def _run(self) -> None:
        try:
            self._outcome = await self._probe()
        finally:
            self._until = self._clock() + self._kept_s
            self._task = None

    async def aclose(self) -> None:
        """End the probe under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
