"""The jobs of one host: what waits and what is being written, in one hash.

A job stays in the hash from its enqueue until its battle was reconciled, so whoever takes over a host reads there
all that is left to do. The one reader is the owner of the host's lease.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import QueueFull
from app.scheduling.job import Job, Priority, Removed
from app.scheduling.memory_request import MemoryRequest
from app.turns import Turns

JOBS_TTL = timedelta(hours=24)
"""How long the jobs of a host outlive the newest enqueue."""

PREWARM_TTL = timedelta(minutes=10)
"""How long prewarm requests are kept; those whose time has passed are ignored before that."""

MEMORY_TTL = timedelta(minutes=10)
"""How long operators' requests are kept; each is over before."""

MOST_PREWARM_REQUESTS = 64
"""No more models than this are announced at once."""

_SILENCE_S, _RECONNECT_S = 30.0, 0.5  # of one read of a channel, and before a lost one is opened again

# KEYS: jobs. ARGV: channel, TTL in ms, bound, then per job: id, JSON. Returns 1, or 0 when the bound is in the way.
# A job that is there keeps its time; only a more urgent priority is taken over. Sent twice, it changes nothing.
# The nudge carries what is new or changed, so that the driver needn't read to begin.
_ENQUEUE = """
local jobs, channel, ttl, bound = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local new, added = 0, {}
for i = 4, #ARGV, 2 do
  if redis.call('HEXISTS', jobs, ARGV[i]) == 0 then new = new + 1 end
end
if new > 0 and redis.call('HLEN', jobs) + new > bound then return 0 end
local function put(id, job)
  redis.call('HSET', jobs, id, job)
  added[#added + 1] = job
end
for i = 4, #ARGV, 2 do
  local stored = redis.call('HGET', jobs, ARGV[i])
  if not stored then
    put(ARGV[i], ARGV[i + 1])
  else
    local old, given = cjson.decode(stored), cjson.decode(ARGV[i + 1])
    if given.priority < old.priority then
      old.priority = given.priority
      put(ARGV[i], cjson.encode(old))
    end
  end
end
redis.call('PEXPIRE', jobs, ttl)
redis.call('PUBLISH', channel, '[' .. table.concat(added, ',') .. ']')
return 1
"""

# KEYS: jobs. ARGV: channel, ids as a JSON list, ids. Workers of before this list read all jobs instead.
_REMOVE = """
redis.call('HDEL', KEYS[1], unpack(ARGV, 3))
redis.call('PUBLISH', ARGV[1], '{"removed":' .. ARGV[2] .. '}')
return 1
"""


class _StoredJob(BaseModel):
    """A job as the hash holds it; fields that a newer version adds are ignored."""

    model_config = ConfigDict(extra="ignore")

    battle: str = Field(min_length=1)
    answer: int = Field(ge=0)
    model: str = Field(min_length=1)
    priority: Priority
    enqueued_at: float
    tried: tuple[str, ...] = ()
    trace: str = ""

    def job(self) -> Job:
        """Return the job as it is used inside."""
        return Job(self.battle, self.answer, self.model, self.priority, self.enqueued_at, self.tried, self.trace)


class _StoredRemoval(BaseModel):
    """The jobs that a nudge says were removed."""

    removed: tuple[str, ...]


_REQUEST = TypeAdapter(MemoryRequest)
_NUDGE: TypeAdapter[list[_StoredJob] | _StoredRemoval] = TypeAdapter(list[_StoredJob] | _StoredRemoval)


def _encode(job: Job) -> str:
    # Lua's cjson keeps 14 digits: rounded to them, the time is the same after a change of priority.
    return _StoredJob(
        battle=job.battle,
        answer=job.answer,
        model=job.model,
        priority=job.priority,
        enqueued_at=round(job.enqueued_at, 4),
        tried=job.tried,
        trace=job.trace,
    ).model_dump_json(exclude_defaults=True)


class HostQueue:
    """The jobs of the host ``host`` in Redis.

    ============================== ======= ================================== ============= ==================
    key                            type    holds                              written by    bound
    ============================== ======= ================================== ============= ==================
    ``arena:host:{<host>}:jobs``   hash    answer id -> job as JSON           this class    ``bound`` jobs, 24 h
    ``arena:host:{<host>}:nudge``  channel JSON list of new or changed jobs,  this class    --
                                           or ``{"removed": [id]}``;
                                           empty text: read all
    ``arena:host:{<host>}:wishes`` hash    model -> until when it is wanted   this class    64 models, 10 min
    ``arena:host:{<host>}:memory`` hash    model -> what an operator asks     this class    10 min
                                           for it, as JSON
    ============================== ======= ================================== ============= ==================

    The JSON is ``{"battle", "answer", "model", "priority", "enqueued_at", "tried"?, "trace"?}``. The TTL is renewed
    by every enqueue.
    ``redis`` sends commands; ``subscriber`` waits for nudges and must not time out on a silent socket.
    """

    def __init__(self, redis: Redis, host: str, subscriber: Redis | None = None) -> None:
        self.host = host
        self._redis = redis
        self._subscriber = subscriber or redis
        self._jobs = f"arena:host:{{{host}}}:jobs"
        self._channel = f"arena:host:{{{host}}}:nudge"
        self._prewarm = f"arena:host:{{{host}}}:wishes"
        self._memory = f"arena:host:{{{host}}}:memory"
        self._enqueue = redis.register_script(_ENQUEUE)
        self._remove = redis.register_script(_REMOVE)
        self._seen: dict[bytes, tuple[bytes, Job]] = {}
        self._removals, self._leaving = Turns(), list[str]()
        self._log = structlog.get_logger("app.scheduling.dispatch.queue")

    async def enqueue(self, jobs: Sequence[Job], bound: int) -> None:
        """Add ``jobs`` all together, or none, and nudge the host's driver; sent twice, it changes nothing.

        Raises:
            QueueFull: there would be more than ``bound`` jobs.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if not jobs:
            return
        fields = [text for job in jobs for text in (job.id, _encode(job))]
        ttl_ms = int(JOBS_TTL.total_seconds() * 1000)
        taken: Any = await self._enqueue(keys=[self._jobs], args=[self._channel, ttl_ms, bound, *fields])
        if not taken:
            raise queue_full()

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete jobs, with those that others delete in this moment, and nudge the host's driver.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        self._leaving += ids
        if self._leaving:
            await self._removals.take("remove", self._remove_all)

    async def _remove_all(self) -> None:
        if leaving := list(dict.fromkeys(self._leaving)):
            await self._remove(keys=[self._jobs], args=[self._channel, json.dumps(leaving), *leaving])
        self._leaving = [job_id for job_id in self._leaving if job_id not in leaving]

    async def read(self) -> tuple[Job, ...]:
        """Return all jobs, waiting and running, in no order; what can't be understood is logged and deleted.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        stored: dict[Any, Any] = await self._redis.hgetall(self._jobs)
        # Most jobs are the same as a moment ago: only the new ones are parsed.
        seen, broken = {}, []
        for key, raw in stored.items():
            known = self._seen.get(key)
            try:
                seen[key] = (
                    known if known is not None and known[0] == raw else (raw, _StoredJob.model_validate_json(raw).job())
                )
            except ValidationError as error:
                broken.append(key.decode(errors="replace"))
                self._log.warning("job_unreadable", host=self.host, job=broken[-1], why=error.errors()[0]["msg"])
        self._seen = seen
        await self.remove(broken)
        return tuple(job for _, job in seen.values())

    async def length(self) -> int:
        """Return how many jobs there are, waiting and running.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        return int(await self._redis.hlen(self._jobs))

    async def request_prewarm(self, models: Iterable[str], until: float) -> None:
        """Announce that ``models`` will be wanted soon and nudge the host's driver.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        wanted: dict[Any, Any] = {model: str(until) for model in sorted(models)[:MOST_PREWARM_REQUESTS]}
        if not wanted:
            return
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.delete(self._prewarm)
        pipeline.hset(self._prewarm, mapping=wanted)
        pipeline.expire(self._prewarm, PREWARM_TTL)  # not at a date: that would be by Redis' clock
        pipeline.publish(self._channel, "")
        await pipeline.execute()

    async def prewarm_requests(self) -> dict[str, float]:
        """Return the models that were announced last, and until when.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        stored: dict[Any, Any] = await self._redis.hgetall(self._prewarm)
        return {model.decode(): float(until) for model, until in stored.items()}

    async def request_memory(self, model: str, request: MemoryRequest) -> None:
        """Keep what an operator asks for ``model`` and nudge the host's driver.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(self._memory, model, _REQUEST.dump_json(request))
        pipeline.expire(self._memory, MEMORY_TTL)
        pipeline.publish(self._channel, "")
        await pipeline.execute()

    async def memory_requests(self) -> dict[str, MemoryRequest]:
        """Return what operators asked for, by model; what can't be understood is left out.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        stored: dict[Any, Any] = await self._redis.hgetall(self._memory)
        found = {}
        for model, raw in stored.items():
            with suppress(ValidationError):
                found[model.decode()] = _REQUEST.validate_json(raw)
        return found

    async def nudges(self) -> AsyncGenerator[tuple[Job, ...] | Removed | None]:
        """Yield the jobs that were added or became more urgent, or were removed; None where all have to be read.

        None comes at once when subscribed, and after a lost connection too, since nudges may have been lost.
        """
        while True:
            try:
                async with aclosing(self._messages()) as messages:
                    async for message in messages:
                        yield _changes(message)
            except (RedisError, OSError) as error:
                self._log.warning("nudges_lost", host=self.host, why=type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    async def _messages(self) -> AsyncGenerator[dict[str, Any]]:
        async with self._subscriber.pubsub() as channel:
            await channel.subscribe(self._channel)
            while True:
                message = await channel.get_message(timeout=_SILENCE_S)
                if message is not None:
                    yield message


def _changes(message: dict[str, Any]) -> tuple[Job, ...] | Removed | None:
    # Confirmations of a subscription mean "read all": redis-py subscribes again by itself after a reconnect.
    if message["type"] != "message" or not message["data"]:
        return None
    try:
        found = _NUDGE.validate_json(message["data"])
    except ValidationError:
        return None
    return Removed(found.removed) if isinstance(found, _StoredRemoval) else tuple(stored.job() for stored in found)


def queue_full() -> QueueFull:
    """Return the error for a full queue; it names no host, because callers may be voters."""
    return QueueFull("Too many answers are waiting for the models; try again in a few seconds", retry_after_s=5)
