"""Keeps the rotation: one worker at a time changes it, every process knows it.

The worker that has the turn (a lock in Redis) looks at the field once a second and changes the rotation when that is
due. Which battles are drawn from it and what the votes teach is read anew every ``LEARN_EVERY``: a fit comes every
few seconds at most. What changes later is only the draw; a rotation that nobody changes for a while does no harm.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random, SystemRandom
from time import monotonic, time

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.draw.observed import Learned, field_of, learned_from
from app.draw.planning.field import Field, HostField
from app.draw.planning.pairs import Pair, PairVotes
from app.draw.planning.rotation import Rotation, Stay, turned
from app.draw.store import DrawnSets, DrawStore, Known
from app.hosts.catalog import Contender
from app.redis.lock import WorkerLock
from app.tasks import until_beat

EVERY = timedelta(seconds=1)
LEARN_EVERY = timedelta(seconds=10)
TURN = "arena:draw:turn"
TURN_TERM = timedelta(seconds=10)

log = structlog.get_logger(__name__)

Observe = Callable[[], Awaitable[tuple[Sequence[Contender], tuple[HostField, ...]]]]
"""The contenders, and what each host could hold."""

ReadVotes = Callable[[], Awaitable[Sequence[PairVotes]]]
"""The votes on each pair that the board counts, by model."""


async def no_votes() -> Sequence[PairVotes]:
    """Nobody has judged yet."""
    return ()


@dataclass(frozen=True, slots=True)
class Moments:
    """Unix time for the rotation, a monotonic clock for intervals."""

    now: Callable[[], float] = time
    monotonic: Callable[[], float] = monotonic


@dataclass(slots=True)
class _Lately:
    """What was learned of which models, and when (monotonic)."""

    models: tuple[str, ...] = ()
    learned: Learned = field(default_factory=lambda: Learned({}, {}))
    at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Observed:
    """What ``Observe`` gives, how often each pair was drawn lately, and the battles that were drawn from a set."""

    contenders: Sequence[Contender]
    hosts: tuple[HostField, ...]
    exposures: Counter[Pair]
    drawn: int


class Rotator:
    """``run`` it in every process. ``rotates``: whether there is a rotation; else only what is gone is shared.

    ``contestants`` is how many a battle has, unless its opener says otherwise.
    """

    def __init__(
        self,
        redis: Redis,
        store: DrawStore,
        observe: Observe,
        votes: ReadVotes = no_votes,
        *,
        rotates: bool = True,
        contestants: int = 2,
        stay: Stay | None = None,
        moments: Moments | None = None,
        chance: Random | None = None,
    ) -> None:
        self._store = store
        self._observe = observe
        self._votes = votes
        self._rotates = rotates
        self._contestants = contestants
        self._stay = stay or Stay()
        self._moments = moments or Moments()
        self._chance = chance or SystemRandom()
        self._turn = WorkerLock(redis, TURN, TURN_TERM)
        self._renewed_at = float("-inf")
        self._known = Known()
        self._refused: set[tuple[str, str]] = set()
        self._lately = _Lately()

    def held_on(self, host: str) -> tuple[str, ...]:
        """The models that battles are drawn from on ``host``, as of a second ago; none where nobody rotates."""
        sets = self._known.sets
        return () if sets is None or not self._rotates else tuple(sets.rotation.sets.get(host, ()))

    def refused(self, host: str, model: str) -> None:
        """The host does not have the model: within a second no worker draws it any more."""
        self._refused.add((host, model))

    async def run(self) -> None:
        """Look every second until cancelled; whoever had the turn gives it back at the end."""
        try:
            while True:
                with suppress(RedisError, OSError, TimeoutError):
                    await self.refresh()
                await asyncio.sleep(until_beat(EVERY.total_seconds()))
        finally:
            with suppress(RedisError, OSError, TimeoutError):
                await self._turn.release()

    async def refresh(self) -> None:
        """Share what was refused, read the rotation, and change it if it is this worker's turn and that is due.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        await self._share_refused()
        if not (self._rotates and self._turn.held):
            self._known = await self._store.read()
            if self._rotates and await self._has_turn():
                await self._change_if_due(await self._observed(self._known))
            return
        # Asked together: one round trip, and not three.
        set_id = self._known.set_id
        self._known, mine, hosts, drawn = await asyncio.gather(
            self._store.read(), self._has_turn(), self._observe(), self._store.drawn(set_id)
        )
        if mine:
            is_same = self._known.set_id == set_id
            await self._change_if_due(_Observed(*hosts, *drawn) if is_same else await self._observed(self._known))

    async def _share_refused(self) -> None:
        gone, self._refused = self._refused, set()
        try:
            await self._store.refused(gone)
        except (RedisError, OSError):
            self._refused |= gone
            raise

    async def _has_turn(self) -> bool:
        now = self._moments.monotonic()
        if self._turn.held and now - self._renewed_at < TURN_TERM.total_seconds() / 3:
            return True
        self._renewed_at = now
        return await self._turn.renew() if self._turn.held else await self._turn.acquire()

    async def _observed(self, known: Known) -> _Observed:
        """What a change of ``known`` is decided from."""
        hosts, drawn = await asyncio.gather(self._observe(), self._store.drawn(known.set_id))
        return _Observed(*hosts, *drawn)

    async def _change_if_due(self, seen: _Observed) -> None:
        before, drawn = self._known.sets, seen.drawn
        known = await self._field(seen)
        if known is None:
            return
        sets = self._turned(before, known, drawn)
        if sets == before:
            return
        if await self._store.replace(self._known.raw, sets):
            if before is None or sets.rotation.number != before.rotation.number:
                _log_change(sets, drawn)
            self._known = await self._store.read()

    def _turned(self, before: DrawnSets | None, known: Field, drawn: int) -> DrawnSets:
        """The sets that follow those of ``before``, of which ``drawn`` battles were drawn."""
        rotation = turned(
            None if before is None else before.rotation,
            known,
            self._stay,
            now=self._moments.now(),
            drawn=drawn,
            chance=self._chance,
        )
        return DrawnSets(secrets.token_hex(4) if before is None else before.epoch, rotation, _shares(known, rotation))

    async def _field(self, seen: _Observed) -> Field | None:
        """The field as of now; None while fewer than two models can be held by hosts of which anything is known."""
        gone = self._known.gone
        contenders = [one for one in seen.contenders if not all((host, one.model) in gone for host in one.hosts)]
        models = tuple(one.model for one in contenders)
        await self._learn(models)
        known = field_of(contenders, seen.hosts, self._lately.learned, seen.exposures, self._contestants)
        return known if len(known.models) >= 2 else None

    async def _learn(self, models: tuple[str, ...]) -> None:
        lately, now = self._lately, self._moments.monotonic()
        if lately.models == models and now - lately.at < LEARN_EVERY.total_seconds():
            return
        votes = await self._votes()
        self._lately = _Lately(models, await asyncio.to_thread(learned_from, models, votes), now)


def _shares(known: Field, rotation: Rotation) -> tuple[tuple[str, str, float], ...]:
    """The shares of the pairs of the set, rounded: so they are written only when they changed."""
    drawn = known.shares(rotation.members).items()
    return tuple(sorted((min(pair), max(pair), round(share, 3)) for pair, share in drawn))


def _log_change(sets: DrawnSets, drawn: int) -> None:
    rotation = sets.rotation
    log.info(
        "rotation_changed",
        set=sets.set_id,
        models=rotation.members,
        came=rotation.came,
        went=rotation.went,
        why=rotation.why,
        probability=round(rotation.probability, 4),
        battles_before=drawn,
    )
