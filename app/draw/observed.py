"""The field as a worker observes it: the catalog's models, what hosts could hold, the board's pairs. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.draw.planning.field import Field, HostField
from app.draw.planning.pairs import Pair, PairVotes, pairs_of
from app.hosts.catalog import Contender


@dataclass(frozen=True, slots=True)
class Learned:
    """What the votes teach: ``gains`` by pair and ``votes`` by model."""

    gains: Mapping[Pair, float]
    votes: Mapping[str, float]


def learned_from(models: Sequence[str], votes: Sequence[PairVotes]) -> Learned:
    """What ``votes`` teach of ``models``; without any, no pair is known to teach more than another."""
    if not votes:
        return Learned({}, dict.fromkeys(models, 0.0))
    # Here and not at the top: it loads numpy (20 MB), which only the worker that has the turn needs, once people voted.
    from app.draw.planning.first import weights
    from app.draw.planning.knowledge import learned

    known = learned(models, votes)
    found, at = weights(known), {model: number for number, model in enumerate(models)}
    by_pair = {pair: float(found[tuple(at[model] for model in pair)]) for pair in pairs_of(models)}
    return Learned(by_pair, {model: float(count) for model, count in zip(models, known.votes, strict=True)})


def field_of(
    contenders: Sequence[Contender],
    fields: tuple[HostField, ...],
    known: Learned,
    shown: Mapping[Pair, int],
    contestants: int = 2,
) -> Field:
    """All that the rotation is decided from: models that a host can hold."""
    held = {model for one in fields for model in one.models}
    models = tuple(one.model for one in contenders if one.model in held)
    return Field(models, fields, known.gains, known.votes, shown, contestants)
