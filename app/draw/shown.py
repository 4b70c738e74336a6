"""The rotation as operators see it: what is drawn from now, why, and how often models and pairs were drawn.

Nobody else may: who knows the set knows who may be writing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from app.draw.planning.pairs import pairs_of
from app.draw.store import DrawStore, by_model
from app.metrics.families import ENDED, WARM_BATTLES, Series


@dataclass(frozen=True, slots=True)
class PairShown:
    """How often two models were drawn for one battle within the last day, and their ``share`` of the draws now.

    The share is 0 for a pair that is not in the set.
    """

    models: tuple[str, str]
    drawn: int
    share: float


@dataclass(frozen=True, slots=True)
class ShownRotation:
    """What battles are drawn from. Times are Unix time; ``battles`` were drawn from the set, ``drawn`` within a day.

    ``without_load`` is the share of all battles that ended and waited for no load, as /metrics has it; None: none did.
    """

    set_id: str
    sets: Mapping[str, tuple[str, ...]]
    reserve: tuple[str, ...]
    since: float
    earliest: float
    latest: float
    probability: float
    came: str
    went: tuple[str, ...]
    why: str
    battles: int
    drawn: Mapping[str, int]
    pairs: tuple[PairShown, ...]
    without_load: float | None = None


async def nothing_counted() -> Mapping[Series, float]:
    """No battle has ended yet."""
    return {}


def share_without_load(sums: Mapping[Series, float]) -> float | None:
    """The share of battles that ended and waited for no load; None: none has ended."""
    ended = sum(count for series, count in sums.items() if series[0] == ENDED.name)
    return sums.get((WARM_BATTLES.name,), 0.0) / ended if ended else None


async def shown(
    store: DrawStore, sums: Callable[[], Awaitable[Mapping[Series, float]]] = nothing_counted
) -> ShownRotation | None:
    """The rotation as it is shared; None where there is none. ``sums`` reads what all workers counted.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    sets = (await store.read()).sets
    if sets is None:
        return None
    rotation, exposures = sets.rotation, await store.exposures()
    models = sorted((*rotation.members, *rotation.reserve))
    counts, share = by_model(exposures.items()), sets.by_pair
    return ShownRotation(
        set_id=sets.set_id,
        sets=rotation.sets,
        reserve=rotation.reserve,
        since=rotation.since,
        earliest=rotation.earliest,
        latest=rotation.latest,
        probability=rotation.probability,
        came=rotation.came,
        went=rotation.went,
        why=rotation.why,
        battles=await store.battles_of(sets.set_id),
        drawn={model: counts[model] for model in models},
        pairs=tuple(
            PairShown((min(pair), max(pair)), exposures[pair], share.get(pair, 0.0)) for pair in pairs_of(models)
        ),
        without_load=share_without_load(await sums()),
    )
