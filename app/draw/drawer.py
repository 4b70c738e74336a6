"""The draw of a battle's contestants, as one worker makes it: from the shared rotation, or uniformly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Protocol

from redis.exceptions import RedisError

from app.draw.planning.pairs import draw
from app.draw.store import DrawnSets, DrawStore, Known
from app.metrics.counters import Counters
from app.records.values import DrawRecord


@dataclass(frozen=True, slots=True)
class DrawnContestants:
    """Models in entry order, and what the battle keeps of how they were drawn."""

    models: tuple[str, ...]
    record: DrawRecord


class ContestantDraw(Protocol):
    """Who decides who enters a battle."""

    async def draw(self, models: Sequence[str], count: int, *, named: bool) -> DrawnContestants:
        """Draw ``count`` of ``models``; ``named``: the opener chose these.

        Raises:
            ValueError: fewer than two, or more than there are, or a model twice.
        """
        ...

    async def count(self, drawn: DrawnContestants) -> None:
        """The battle was opened."""
        ...


class UniformDraw:
    """Every set of contestants is as likely as any other."""

    def __init__(self, chance: Random | None = None) -> None:
        self._chance = chance or SystemRandom()

    async def draw(self, models: Sequence[str], count: int, *, named: bool) -> DrawnContestants:  # noqa: ARG002 - alike
        """Draw ``count`` of ``models``."""
        drawn = draw(models, (), count, {}, self._chance)
        return DrawnContestants(drawn.contestants, DrawRecord(drawn.probability))

    async def count(self, drawn: DrawnContestants) -> None:
        """Nobody asks."""


class SharedDraw:
    """The draw that all workers share: a model that a host refused is drawn by none of them.

    With ``rotates`` contestants come from the rotation, else from all models alike. ``hosts_of`` gives the hosts that
    are believed to have a model. While Redis is unavailable no battle can be opened, so the draw raises what it raises.
    """

    def __init__(
        self,
        store: DrawStore,
        *,
        rotates: bool,
        hosts_of: Callable[[str], Collection[str]] = lambda model: (),  # noqa: ARG005 - nobody knows
        chance: Random | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._counters = counters or Counters()
        self._store = store
        self._rotates = rotates
        self._hosts_of = hosts_of
        self._chance = chance or SystemRandom()
        self._uniform = UniformDraw(self._chance)

    async def draw(self, models: Sequence[str], count: int, *, named: bool) -> DrawnContestants:
        """Draw ``count`` of ``models``: of the rotation, but for what was ``named``.

        Raises:
            ValueError: fewer than two, or more than there are, or a model twice.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if named:
            return await self._uniform.draw(models, count, named=named)
        known = await self._store.read()
        drawable = self._drawable(models, known)
        if known.sets is None or not self._rotates:
            return await self._uniform.draw(drawable, min(count, len(drawable)), named=named)
        return self._rotated(known.sets, drawable, min(count, len(drawable)))

    async def count(self, drawn: DrawnContestants) -> None:
        """Count who met; what Redis does not take now is counted for the metrics only."""
        self._counters.drawn(drawn.models)
        with suppress(RedisError, OSError):
            await self._store.count(drawn.record.set_id, drawn.models)

    def _drawable(self, models: Sequence[str], known: Known) -> Sequence[str]:
        """Without those that each of their hosts refused; all, if too few were left."""
        left = [model for model in models if not self._is_gone(model, known)]
        return left if len(left) >= 2 else models

    def _is_gone(self, model: str, known: Known) -> bool:
        hosts = self._hosts_of(model)
        return bool(hosts) and all((host, model) in known.gone for host in hosts)

    def _rotated(self, sets: DrawnSets, drawable: Sequence[str], count: int) -> DrawnContestants:
        members = [model for model in sets.rotation.members if model in drawable]
        ordered = [model for model in sets.rotation.reserve if model in drawable]
        reserve = [*ordered, *(model for model in drawable if model not in (*members, *ordered))]
        drawn = draw(members, reserve, count, sets.by_pair, self._chance)
        record = DrawRecord(drawn.probability, sets.set_id, sets.rotation.probability)
        return DrawnContestants(drawn.contestants, record)
