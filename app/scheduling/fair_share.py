"""How many hosts each process drives: a fair share, so that no process drives all while others idle.

The lease (``app.scheduling.lease``) makes sure that one drives a host; this only decides who asks for it. Safety does
not depend on it: when processes disagree for a moment about who lives, a host is asked for later or by two at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil, inf
from secrets import token_hex
from time import monotonic
from typing import Any, Protocol
from zlib import crc32

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.tasks import until_beat

REFRESH_EVERY = timedelta(milliseconds=250)
ALONE_EVERY = timedelta(seconds=1)
"""A process that has all hosts and is alone can only wait for another to come, and to be seen within ``ALIVE``."""
ALIVE = timedelta(seconds=2)
"""A process that announced itself no later than this is alive: shorter than a lease, so that those who are to take a
dead one's hosts know it before its leases end."""
GRACE = timedelta(milliseconds=750)
"""A host that nobody took for so long may be taken beyond the fair share."""
STEP_BACK = timedelta(seconds=2)
"""A host that was given up is left to others for so long."""
BLIND = timedelta(seconds=3)
"""With nothing heard from Redis for so long, shares are unknown and everybody may ask."""
KEPT = timedelta(seconds=60)
"""A host that nobody took when it was given up is kept for so long, or until processes come or go."""
AT_ONCE = timedelta(milliseconds=1500)
"""A lease that was given up is seen to be free within this; a driver's is not free so soon after it was taken."""

# KEYS: drivers, then the hosts' leases. ARGV: member, ms after which a member is dead, "stay" or "leave".
# The score is Redis' clock, so that those of the machines don't matter. Returns the living members, and for each lease
# whether somebody has it.
_ANNOUNCE = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[3] == 'stay' then redis.call('ZADD', KEYS[1], ms, ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms - ARGV[2])
redis.call('PEXPIRE', KEYS[1], 10 * ARGV[2])
local held = {}
for i = 2, #KEYS do held[i - 1] = redis.call('EXISTS', KEYS[i]) end
return {redis.call('ZRANGE', KEYS[1], 0, -1), held}
"""


class Share(Protocol):
    """Which hosts the drivers of one process should drive. No method waits, and any driver may ask at any time.

    What a driver does with it:

    - Without the lease, it asks for it only when ``may_ask(host)``.
    - Once it has the lease, it calls ``taken(host)``; when it no longer has it, for whatever reason, ``lost(host)``.
    - With the lease and nothing in flight, whenever ``should_give_up(host)``, it calls ``lost(host)`` at once, before
      its next await (or two drivers would go where one should), and then releases the lease. It goes on asking
      ``may_ask``, which is false for some time.
    """

    def may_ask(self, host: str) -> bool:
        """Whether the driver of ``host`` may try to become its driver now; cheap, false is no reason to stop asking."""
        ...

    def should_give_up(self, host: str) -> bool:
        """Whether the driver of ``host`` should leave it to another process, if it has nothing in flight."""
        ...

    def taken(self, host: str) -> None:
        """Note that this process drives ``host``."""
        ...

    def lost(self, host: str) -> None:
        """Note that this process no longer drives ``host``; nothing if it didn't."""
        ...


class AllHosts:
    """The share of a process that is alone: every host, always."""

    def may_ask(self, host: str) -> bool:  # noqa: ARG002 - the Protocol's
        """Yes."""
        return True

    def should_give_up(self, host: str) -> bool:  # noqa: ARG002 - the Protocol's
        """No."""
        return False

    def taken(self, host: str) -> None:
        """Nothing to note."""

    def lost(self, host: str) -> None:
        """Nothing to note."""


class FairShare:
    """The share of this process in ``hosts`` among all that announce themselves in Redis.

    ================= ====== ================================================== ========== ======================
    key               type   holds                                              written by bound
    ================= ====== ================================================== ========== ======================
    ``arena:drivers`` zset   a random id of each process that has drivers -> when this class 2 s for a member, 20 s
                             it last said so (Redis' time in ms)                           for the key
    ================= ====== ================================================== ========== ======================

    A fair share is the number of hosts divided by that of living processes, rounded up. Below its share a process
    asks for hosts that nobody drives, each process for other ones first; from its share on, only for one that nobody
    took for ``GRACE``. Above its share it gives up hosts, as they become idle. ``run`` it as a task, after ``refresh``;
    ``clock`` is monotonic, ``member`` this process' id.
    """

    def __init__(
        self, redis: Redis, hosts: Sequence[str], *, clock: Callable[[], float] = monotonic, member: str = ""
    ) -> None:
        self._hosts = tuple(hosts)
        self._clock = clock
        self._member = member or token_hex(8)
        self._announce = redis.register_script(_ANNOUNCE)
        self._keys = ["arena:drivers", *(f"arena:host:{{{host}}}:lease" for host in self._hosts)]
        self._drivers: frozenset[str] = frozenset()
        self._seen = clock()
        self._free: dict[str, float] = {}
        self._held: set[str] = set()
        self._given_up: dict[str, float] = {}
        self._kept: dict[str, float] = {}
        self._leaving = False
        self._left = asyncio.Event()
        self._log = structlog.get_logger("app.scheduling.fair_share")

    @property
    def fair(self) -> int:
        """How many hosts this process should drive."""
        return ceil(len(self._hosts) / max(len(self._drivers), 1))

    @property
    def drivers(self) -> int:
        """How many processes live, this one among them."""
        return len(self._drivers)

    def may_ask(self, host: str) -> bool:
        """Whether the driver of ``host`` may try to become its driver now."""
        now = self._clock()
        if self._leaving or now - self._given_up.get(host, -inf) < STEP_BACK.total_seconds():
            return False
        if self._blind(now):
            return True
        free_since = self._free.get(host)
        if free_since is None:
            return False
        return host in self._preferred() or now - free_since >= GRACE.total_seconds()

    def should_give_up(self, host: str) -> bool:
        """Whether the driver of ``host`` should leave it to another process, if it has nothing in flight."""
        now = self._clock()
        if host not in self._held or self._leaving or self._blind(now) or now < self._kept.get(host, -inf):
            return False
        return len(self._held) > self.fair

    def taken(self, host: str) -> None:
        """Note that this process drives ``host``, and keep it if nobody else wanted it when it was given up."""
        self._held.add(host)
        given_up, now = self._given_up.pop(host, -inf), self._clock()
        if self._free.pop(host, now) - given_up < AT_ONCE.total_seconds():
            self._kept[host] = now + KEPT.total_seconds()

    def lost(self, host: str) -> None:
        """Note that this process no longer drives ``host``, and leave it to others if there were too many."""
        if len(self._held) > self.fair and host in self._held:
            self._given_up[host] = self._clock()
        self._held.discard(host)
        self._free.pop(host, None)

    def leave(self) -> None:
        """Ask for nothing more and, in the task of ``run``, count no longer as alive: this process ends."""
        self._leaving = True
        self._left.set()

    async def refresh(self) -> None:
        """Say that this process lives (or leaves), and see who else does and which hosts nobody drives.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        what = "leave" if self._leaving else "stay"
        args = [self._member, int(ALIVE.total_seconds() * 1000), what]
        members, held = await self._read_members(args)
        now = self._clock()
        drivers = frozenset(member.decode() for member in members)
        if drivers != self._drivers:
            self._kept.clear()
            self._log.info("drivers_changed", drivers=len(drivers), hosts=len(self._hosts))
        self._drivers, self._seen = drivers, now
        free = [host for host, somebody in zip(self._hosts, held, strict=True) if not somebody]
        self._free = {host: self._free.get(host, now) for host in free}

    async def run(self) -> None:
        """Refresh until ``leave``; without Redis what was seen last holds for ``BLIND``."""
        while not self._leaving:
            await self._try_refresh()
            try:
                async with asyncio.timeout(until_beat(self._every().total_seconds())):
                    await self._left.wait()
            except TimeoutError:
                continue
        await self._try_refresh()

    def _every(self) -> timedelta:
        """``REFRESH_EVERY`` while another process lives or a host may be free to take."""
        alone = self._drivers == {self._member} and self._held == set(self._hosts)
        return ALONE_EVERY if alone and not self._blind(self._clock()) else REFRESH_EVERY

    async def _try_refresh(self) -> None:
        try:
            async with asyncio.timeout(ALIVE.total_seconds() / 2):
                await self.refresh()
        except (RedisError, OSError):
            return

    async def _read_members(self, args: list[Any]) -> tuple[list[bytes], list[int]]:
        members, held = await self._announce(keys=self._keys, args=args)
        return members, held

    def _preferred(self) -> list[str]:
        """The hosts below our share that we would take, each process in an order of its own."""
        order = sorted(self._free, key=lambda host: crc32(f"{self._member} {host}".encode()))
        return order[: max(self.fair - len(self._held), 0)]

    def _blind(self, now: float) -> bool:
        return now - self._seen >= BLIND.total_seconds()
