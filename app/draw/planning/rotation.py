"""Which models are drawn from, and until when: a pure function of the field, what is drawn from now, the time, chance.

A *rotation* has a set of models for each host, which are in its memory together; different hosts hold different sets,
and battles are drawn from all of them. One model is exchanged at a time:

- never before ``earliest``, and only for a set that teaches more for each second of the card by ``MARGIN``, its load
  included (and the time that those who wait now would wait for it), once ``BATTLES`` were drawn from the present one,
  or 0.12 of all votes, at most ``MANY_BATTLES``. ``FEW_BATTLES`` are enough while a model outside has hardly any votes:
  nothing can be said of the first place without it. Where a battle has more contestants than fit it takes
  ``MANY_BATTLES`` in any case: battles of two sets wait for different models, and each load serves half as many;
- always after ``latest``, if anything was drawn since: a rotation that nobody plays stays as it is;
- at once where a model or a host has gone, and where there is room for one more.

Which exchange it is, is drawn: by a softmax of what the sets teach and of what their pairs lack of their due over the
last day, with a floor for each. Both moments are jittered. So each set has a known probability below one, every set can
be reached from every other, and sets do not fall on the same hours.

Two models that fit on no host together are a set too, of two: its battles cost loads, and its rate says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from random import Random

from app.draw.planning.field import USUAL_LOAD_S, Field, HostField
from app.draw.planning.pairs import FEW_VOTES

MARGIN = 0.25
FEW_BATTLES, BATTLES, MANY_BATTLES = 15, 20, 300
PER_VOTE = 0.12
FLOOR = 0.1
TEMPERATURE = 0.1
LACKS, HALF_OF_LACKS = 4.0, 1000.0
"""What pairs lack of their due counts by so much more than what a set teaches, and half of that at so many votes (or
draws within a day, if those are more: not everybody votes).

While there are few, a set of the likely first two is worth more than one that nobody has seen yet today.
"""
JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Stay:
    """The shortest and the longest time (seconds) between two exchanges, before jitter."""

    shortest_s: float = 60.0
    longest_s: float = 6000.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is drawn from. ``probability`` is that of this set, given the one before and that there was an exchange.

    ``reserve`` are the other models, in the order in which they enter battles for which the set is too small.
    ``since``, ``earliest`` and ``latest`` are Unix time. ``came`` and ``went`` are what was exchanged, ``why`` is what
    for. ``number`` counts the sets.
    """

    number: int
    sets: Mapping[str, tuple[str, ...]]
    reserve: tuple[str, ...] = ()
    since: float = 0.0
    earliest: float = 0.0
    latest: float = 0.0
    probability: float = 1.0
    came: str = ""
    went: tuple[str, ...] = ()
    why: str = "began"

    @property
    def members(self) -> tuple[str, ...]:
        """The models of all sets, each once, by name."""
        return tuple(sorted({model for models in self.sets.values() for model in models}))


@dataclass(frozen=True, slots=True)
class ModelExchange:
    """One model comes to a host, and those leave that it has no room beside."""

    host: str
    came: str
    went: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]] = field(compare=False, hash=False)
    load_s: float = 0.0

    @property
    def members(self) -> frozenset[str]:
        """The models of all sets afterwards."""
        return frozenset(model for models in self.sets.values() for model in models)


def turned(rotation: Rotation | None, known: Field, stay: Stay, *, now: float, drawn: int, chance: Random) -> Rotation:
    """The rotation as it is to be from ``now`` on: the same one if nothing is due; ``drawn`` battles came from it."""
    if rotation is None:
        return _settled(Rotation(1, _filled({}, known)), known, stay, now, chance)
    sets = _filled(_repaired(rotation.sets, known), known)
    if sets != rotation.sets:
        changed = replace(
            rotation, number=rotation.number + 1, sets=sets, probability=1.0, came="", went=(), why="field"
        )
        return _settled(changed, known, stay, now, chance)
    reserve = _reserve(rotation.reserve, known, rotation.members)
    if reserve != rotation.reserve:
        rotation = replace(rotation, reserve=reserve)
    why = _due(rotation, known, stay, now, drawn)
    return rotation if not why else _exchanged(rotation, known, why, stay, now, chance)


def _due(rotation: Rotation, known: Field, stay: Stay, now: float, drawn: int) -> str:
    """Why there is to be another set now; empty: there is not."""
    late = now >= rotation.latest
    if drawn == 0 or now < rotation.earliest or not (late or drawn >= enough_battles(rotation, known)):
        return ""
    best = max((worth(exchange, known, stay) for exchange in exchanges(rotation, known)), default=None)
    if best is None:
        return ""
    if late:
        return "longest stay"
    return "teaches more" if best > (1 + MARGIN) * known.rate(rotation.members) else ""


def enough_battles(rotation: Rotation, known: Field) -> float:
    """How many battles a set has before another may be worth a load: the more, the more is known already."""
    if _leaves_out_contestants(rotation, known):
        return MANY_BATTLES
    if _has_newcomers(rotation, known):
        return FEW_BATTLES
    votes = sum(known.votes.values()) / 2  # each is one of two models
    return min(max(PER_VOTE * votes, BATTLES), MANY_BATTLES)


def _leaves_out_contestants(rotation: Rotation, known: Field) -> bool:
    """Whether a battle has more contestants than this set or one of those that may follow."""
    after = (len(exchange.members) for exchange in exchanges(rotation, known))
    return known.contestants > min((len(rotation.members), *after))


def _has_newcomers(rotation: Rotation, known: Field) -> bool:
    """Whether a model outside has fewer votes than it takes to be seen."""
    return any(known.votes.get(model, 0.0) < FEW_VOTES for model in rotation.reserve)


def worth(exchange: ModelExchange, known: Field, stay: Stay) -> float:
    """What the set afterwards teaches for each second of the card, its load included, over a longest stay."""
    lost_s = exchange.load_s * (1 + known.waiting)
    lasting = max(stay.longest_s - lost_s, 0.0) / stay.longest_s if stay.longest_s > 0 else 0.0
    return known.rate(exchange.members) * lasting


def exchanges(rotation: Rotation, known: Field) -> list[ModelExchange]:
    """All exchanges of one model, in an order that hangs on names only; what leaves is what makes room."""
    found: dict[tuple[str, str, tuple[str, ...]], ModelExchange] = {}
    for place in sorted(known.places, key=lambda one: one.host):
        held = rotation.sets.get(place.host, ())
        for came in sorted(set(place.models) & set(known.models) - set(rotation.members)):
            for first in sorted(held):
                kept = _room(place, [model for model in held if model != first], came)
                went = tuple(sorted(set(held) - set(kept)))
                sets = {**rotation.sets, place.host: tuple(sorted((*kept, came)))}
                one = ModelExchange(place.host, came, went, sets, place.load_s.get(came, USUAL_LOAD_S))
                if len(one.members) >= 2:
                    found.setdefault((place.host, came, went), one)
    return list(found.values())


def _room(place: HostField, held: Sequence[str], came: str) -> list[str]:
    """Those of ``held`` that stay beside ``came``: the largest leave first; one stays, for a battle takes two."""
    kept = sorted(held, key=lambda model: (place.size(model), model))
    while len(kept) > 1 and not place.fits([*kept, came]):
        kept.pop()
    return kept


def probabilities(found: Sequence[ModelExchange], known: Field, stay: Stay) -> list[float]:
    """The probability of each exchange to be drawn."""
    worths = [worth(exchange, known, stay) for exchange in found]
    best = max(worths, default=0.0) or 1.0
    seen = max(sum(known.votes.values()) / 2, sum(known.shown.values()))  # each vote is one of two models
    lacks = LACKS * seen / (seen + HALF_OF_LACKS)
    scores = [
        value / best + lacks * known.lack(exchange.came, exchange.members - {exchange.came})
        for value, exchange in zip(worths, found, strict=True)
    ]
    top = max(scores, default=0.0)
    weights = [exp((score - top) / TEMPERATURE) for score in scores]
    total = sum(weights)
    return [(1 - FLOOR) * weight / total + FLOOR / len(found) for weight in weights]


def _exchanged(rotation: Rotation, known: Field, why: str, stay: Stay, now: float, chance: Random) -> Rotation:
    found = exchanges(rotation, known)
    each = probabilities(found, known, stay)
    (number,) = chance.choices(range(len(found)), each)
    one = found[number]
    after = Rotation(rotation.number + 1, one.sets, probability=each[number], came=one.came, went=one.went, why=why)
    return _settled(after, known, stay, now, chance)


def _settled(rotation: Rotation, known: Field, stay: Stay, now: float, chance: Random) -> Rotation:
    others = sorted(set(known.models) - set(rotation.members))
    return replace(
        rotation,
        reserve=tuple(chance.sample(others, len(others))),
        since=now,
        earliest=now + stay.shortest_s * chance.uniform(1 - JITTER, 1 + JITTER),
        latest=now + stay.longest_s * chance.uniform(1 - JITTER, 1 + JITTER),
    )


def _repaired(sets: Mapping[str, tuple[str, ...]], known: Field) -> dict[str, tuple[str, ...]]:
    """The sets without what is gone: hosts, models, and what does not fit any more."""
    repaired = {}
    for place in known.places:
        held = [model for model in sets.get(place.host, ()) if model in place.models and model in known.models]
        repaired[place.host] = tuple(_within(place, held))
    return repaired


def _within(place: HostField, held: Sequence[str]) -> list[str]:
    """As many as fit, two in any case."""
    kept = list(held)
    while len(kept) > 2 and not place.fits(kept):
        kept.pop()
    return kept


def _filled(sets: Mapping[str, tuple[str, ...]], known: Field) -> dict[str, tuple[str, ...]]:
    """Add what fits and no host holds yet: first what is resident, then the models in their order.

    Where that leaves one model alone it gets a partner, though they do not fit together.
    """
    filled = {place.host: list(sets.get(place.host, ())) for place in known.places}
    for only_resident in (True, False):
        for model in known.models:
            for place in _emptiest_first(known.places, filled):
                if model not in place.models or _held(filled, model):
                    continue
                if (model in place.resident or not only_resident) and place.fits([*filled[place.host], model]):
                    filled[place.host].append(model)
    members = {model for models in filled.values() for model in models}
    if len(members) == 1:
        _pair_up(filled, known, members)
    return {host: tuple(sorted(models)) for host, models in filled.items()}


def _pair_up(filled: dict[str, list[str]], known: Field, members: set[str]) -> None:
    for place in known.places:
        for model in known.models:
            if model in place.models and model not in members:
                filled[place.host].append(model)
                return


def _emptiest_first(places: Sequence[HostField], filled: Mapping[str, Sequence[str]]) -> list[HostField]:
    return sorted(places, key=lambda place: (len(filled[place.host]), place.host))


def _held(filled: Mapping[str, Sequence[str]], model: str) -> bool:
    return any(model in models for models in filled.values())


def _reserve(before: Sequence[str], known: Field, members: Collection[str]) -> tuple[str, ...]:
    """The order of the reserve stays; new models come last."""
    out = [model for model in known.models if model not in members]
    return (*(model for model in before if model in out), *(model for model in out if model not in before))
