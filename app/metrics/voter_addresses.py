"""Signs that voters are taken for one another because a proxy stands before them, for the log and for the doctor.

A voter without a session is known by his address. Behind a load balancer that is the balancer's, unless it adds
``X-Forwarded-For`` and is among ``FORWARDED_ALLOW_IPS``: then everybody is one voter.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from time import monotonic
from typing import Literal, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.logs.repeats import Throttle

Sign = Literal["ignored", "alone"]
"""``ignored``: a caller there sent X-Forwarded-For and is not believed; ``alone``: so many battles had only voters
from there."""

MANY = 20
"""When the newest so many battles of a process were all judged from one address, that is worth a word."""

KEEP = timedelta(hours=1)
MOST_SIGNS = 16

_KEY = "arena:voters:addresses"
_REMEDY = "if a load balancer of yours has this address, add it to FORWARDED_ALLOW_IPS and have it add X-Forwarded-For"

log = structlog.get_logger(__name__)


class VoterAddresses:
    """What one process sees of the addresses that voters come from; ``run`` shares it with the others.

    ========================== ==== ==================================== ========== ==============
    key                        type holds                                written by bound
    ========================== ==== ==================================== ========== ==============
    ``arena:voters:addresses`` hash address -> ``ignored`` or ``alone``  here       16 fields, 1 h
    ========================== ==== ==================================== ========== ==============
    """

    def __init__(self, redis: Redis | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._redis = redis
        self._judged: OrderedDict[str, str] = OrderedDict()
        self._throttle = Throttle(KEEP, clock=clock)
        self._signs: dict[str, Sign] = {}
        self._changed = asyncio.Event()

    def voted(self, battle: str, address: str, forwarded_for: str) -> None:
        """Somebody at ``address`` judges a battle; ``forwarded_for`` is the header that came with the request."""
        if forwarded_for and address not in map(_without_port, forwarded_for.split(",")):
            self._note("ignored", address)
        self._judged[battle] = address
        self._judged.move_to_end(battle)
        if len(self._judged) > MANY:
            self._judged.popitem(last=False)
        if len(self._judged) == MANY and set(self._judged.values()) == {address}:
            self._note("alone", address)

    async def run(self) -> None:
        """Share the signs until cancelled; what can't be written is written with the next one."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._redis is not None:
                try:
                    await self._share(self._redis)
                except (RedisError, OSError) as error:
                    log.info("signs_not_shared", why=type(error).__name__)

    def _note(self, sign: Sign, address: str) -> None:
        if self._throttle.due((sign, address)) is None:
            return
        log.warning("voters_look_alike", address=address, sign=sign, remedy=_REMEDY)
        if len(self._signs) < MOST_SIGNS:
            self._signs.setdefault(address, sign)
            self._changed.set()

    async def _share(self, redis: Redis) -> None:
        signs, self._signs = self._signs, {}
        pipeline = redis.pipeline(transaction=True)
        pipeline.hset(_KEY, mapping={address: str(sign) for address, sign in signs.items()})
        pipeline.expire(_KEY, KEEP)
        await pipeline.execute()


def _without_port(forwarded: str) -> str:
    """The address of ``10.0.0.5:80``, ``[::1]:80`` or an address alone."""
    text = forwarded.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


async def read_signs(redis: Redis) -> Mapping[str, Sign]:
    """The signs of all processes, by address.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    stored = await cast("Awaitable[dict[bytes, bytes]]", redis.hgetall(_KEY))
    known = {address.decode(errors="replace"): sign.decode() for address, sign in stored.items()}
    return {address: cast("Sign", sign) for address, sign in known.items() if sign in ("ignored", "alone")}
