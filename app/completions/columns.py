"""Two columns of a chat UI that are one battle: who opens it, who joins it, and who stays alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, NamedTuple

from redis.asyncio import Redis

from app.arena.requests import new_battle_id

JOINED_WITHIN = timedelta(seconds=10)
"""How long the other column may take to come."""

Column = Literal["a", "b"]

# KEYS: chat. ARGV: column, id of a new battle, TTL in ms. Returns the battle, and whether it has to be opened.
# A column that comes twice can't be told from a second user's: then all of that time stay alone.
_PAIR = """
local chat = redis.call('HGETALL', KEYS[1])
if #chat == 0 then
  redis.call('HSET', KEYS[1], 'battle', ARGV[2], ARGV[1], 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {ARGV[2], 1}
end
if redis.call('HEXISTS', KEYS[1], 'alone') == 1 then return {ARGV[2], 1} end
if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 1 then return {redis.call('HGET', KEYS[1], 'battle'), 0} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'alone', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {ARGV[2], 1}
"""


class ColumnBattle(NamedTuple):
    """The battle of a column, and whether this column has to open it."""

    battle: str
    opens: bool


class Columns:
    """Pairs columns by what their chats have in common.

    ========================== ==== ====================================== =====
    key                        type holds                                  bound
    ========================== ==== ====================================== =====
    ``arena:columns:<digest>`` hash battle, the columns that came, alone   10 s
    ========================== ==== ====================================== =====
    """

    def __init__(self, redis: Redis) -> None:
        self._pair = redis.register_script(_PAIR)

    async def battle_of(self, digest: str, column: Column) -> ColumnBattle:
        """The battle of ``column`` in the chat ``digest``: the other column's, if that came first.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        ttl_ms = int(JOINED_WITHIN.total_seconds() * 1000)
        found: Any = await self._pair(keys=[f"arena:columns:{digest}"], args=[column, new_battle_id(), ttl_ms])
        return ColumnBattle(found[0].decode(), found[1] == 1)
