"""Which host writes which answer, said once: an answer must never be in two hosts' queues.

The first who enqueues an answer assigns it; whoever enqueues it again, perhaps because a worker died in between, learns
where it is. Only the host that has it can give it away. Needed only where there are several hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from redis.asyncio import Redis

KEEP = timedelta(hours=24)
"""How long assignments outlive the newest one."""

# KEYS: assignments. ARGV: TTL in ms, then per answer: id, host. Returns the host of each, the one that was there first.
# Sent twice, it changes nothing.
_ASSIGN = """
local hosts = {}
for i = 2, #ARGV, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  hosts[#hosts + 1] = redis.call('HGET', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return hosts
"""

# KEYS: assignments. ARGV: id, from, to, TTL in ms. Returns whose it is then; sent twice, it changes nothing.
_MOVE = """
local host = redis.call('HGET', KEYS[1], ARGV[1])
if host == false or host == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  host = ARGV[3]
end
return host
"""


class Assignments(Protocol):
    """Answer id -> host, shared by every process."""

    async def assign(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Assign answers to hosts; return whose each one is, which is the first that was ever wanted."""
        ...

    async def move(self, job_id: str, origin: str, target: str) -> str:
        """Give an answer of ``origin`` to ``target``; return whose it is then."""
        ...

    async def of(self, job_id: str) -> str | None:
        """The host of an answer; None when it is nobody's."""
        ...

    async def forget(self, ids: Iterable[str]) -> None:
        """Forget answers that have ended, or that nobody wants any more."""
        ...


class HostAssignments:
    """The assignments in Redis.

    ================== ==== ================== ================== ==============================================
    key                type holds              written by         bound
    ================== ==== ================== ================== ==============================================
    ``arena:assigned`` hash answer id -> host  this class         deleted with the job; 24 h after the newest
    ================== ==== ================== ================== ==============================================
    """

    KEY = "arena:assigned"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._assign = redis.register_script(_ASSIGN)
        self._move = redis.register_script(_MOVE)
        self._ttl_ms = int(KEEP.total_seconds() * 1000)

    async def assign(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Assign answers to hosts; return whose each one is.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if not wanted:
            return {}
        pairs = [text for pair in wanted.items() for text in pair]
        hosts: Any = await self._assign(keys=[self.KEY], args=[self._ttl_ms, *pairs])
        return {job_id: host.decode() for job_id, host in zip(wanted, hosts, strict=True)}

    async def move(self, job_id: str, origin: str, target: str) -> str:
        """Give an answer of ``origin`` to ``target``; return whose it is then.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        host: Any = await self._move(keys=[self.KEY], args=[job_id, origin, target, self._ttl_ms])
        return str(host.decode())

    async def of(self, job_id: str) -> str | None:
        """Return the host of an answer, None when it is nobody's.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        host: Any = await self._redis.hget(self.KEY, job_id)
        return None if host is None else str(host.decode())

    async def forget(self, ids: Iterable[str]) -> None:
        """Forget answers that have ended, or that nobody wants any more.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        gone = list(ids)
        if gone:
            await self._redis.hdel(self.KEY, *gone)


class MemoryAssignments:
    """The assignments in a dictionary."""

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}

    async def assign(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Assign answers to hosts; return whose each one is."""
        return {job_id: self._hosts.setdefault(job_id, host) for job_id, host in wanted.items()}

    async def move(self, job_id: str, origin: str, target: str) -> str:
        """Give an answer of ``origin`` to ``target``; return whose it is then."""
        if self._hosts.get(job_id, origin) == origin:
            self._hosts[job_id] = target
        return self._hosts[job_id]

    async def of(self, job_id: str) -> str | None:
        """Return the host of an answer, None when it is nobody's."""
        return self._hosts.get(job_id)

    async def forget(self, ids: Iterable[str]) -> None:
        """Forget answers."""
        for job_id in ids:
            self._hosts.pop(job_id, None)
