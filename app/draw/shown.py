"""The rotation as operators see it: what is drawn from now, why, and how often models and pairs were drawn.

Nobody else may: who knows the set knows who may be writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.draw.planning.pairs import pairs_of
from app.draw.store import DrawStore, by_model


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
    """What battles are drawn from. Times are Unix time; ``battles`` were drawn from the set, ``drawn`` within a day."""

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


async def shown(store: DrawStore) -> ShownRotation | None:
    """The rotation as it is shared; None where there is none.

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
    )
