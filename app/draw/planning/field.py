"""What the rotation is decided from: the models, the hosts that could hold them, and what is known. Pure values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.draw.planning.pairs import Pair, pairs_of, shares
from app.scheduling.planning.budget import Budget


@dataclass(frozen=True, slots=True)
class HostField:
    """A host: the ``models`` that it has, what is ``resident``, what fits, and what a load and an answer cost there.

    ``sizes`` are bytes in memory, ``load_s`` and ``answer_s`` seconds, by model; what is not known counts as the
    largest that is, or as ``USUAL_LOAD_S`` and ``USUAL_ANSWER_S``. ``waiting`` answers wait there.
    """

    host: str
    models: tuple[str, ...]
    budget: Budget = field(default_factory=Budget)
    resident: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    load_s: Mapping[str, float] = field(default_factory=dict)
    answer_s: Mapping[str, float] = field(default_factory=dict)
    waiting: int = 0

    def fits(self, models: Iterable[str]) -> bool:
        """Whether they are in memory together, whichever comes last: the largest is the hardest to find room for."""
        kept: list[int] = []
        for size in sorted(map(self.size, models)):
            if not self.budget.takes(kept, size):
                return False
            kept.append(size)
        return True

    def size(self, model: str) -> int:
        """Predicted bytes in memory."""
        return self.sizes.get(model, max(self.sizes.values(), default=0))


USUAL_LOAD_S = 10.0
USUAL_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Field:
    """All that can be drawn now: ``models``, the ``places`` that can hold them, and what is known of the order.

    ``gains`` are what votes on a pair would teach, ``votes`` how many each model has, ``shown`` how often each pair
    was drawn together within the last day. ``contestants`` is how many a battle has, unless its opener says otherwise.
    """

    models: tuple[str, ...]
    places: tuple[HostField, ...]
    gains: Mapping[Pair, float] = field(default_factory=dict)
    votes: Mapping[str, float] = field(default_factory=dict)
    shown: Mapping[Pair, int] = field(default_factory=dict)
    contestants: int = 2

    @property
    def waiting(self) -> int:
        """How many answers wait on all hosts."""
        return sum(place.waiting for place in self.places)

    def shares(self, models: Collection[str]) -> dict[Pair, float]:
        """The probability of each pair to be drawn, if these are drawn from."""
        return shares(pairs_of(models), self.gains, self.votes)

    def rate(self, models: Collection[str]) -> float:
        """What a battle of two of ``models`` teaches, for each second that their answers take."""
        drawn = self.shares(models)
        taught = sum(share * self._taught(pair) for pair, share in drawn.items())
        seconds = sum(share * sum(map(self.answer_s, pair)) for pair, share in drawn.items())
        return taught / seconds if seconds > 0 else 0.0

    def _taught(self, pair: Pair) -> float:
        return self.gains.get(pair, 1.0 if not self.gains else 0.0)

    def answer_s(self, model: str) -> float:
        """Seconds that an answer takes."""
        known = [place.answer_s[model] for place in self.places if model in place.answer_s]
        return min(known, default=USUAL_ANSWER_S)

    def lack(self, model: str, beside: Collection[str]) -> float:
        """How far the pairs of ``model`` with the others are short of their due over the last day, from 0 to 1.

        A pair's due is ``DUE`` of what it would have if all were drawn alike.
        """
        even = sum(self.shown.values()) / max(len(pairs_of(self.models)), 1)
        if even <= 0 or not beside:
            return 0.0
        short = [1.0 - self.shown.get(frozenset((model, other)), 0) / (DUE * even) for other in beside]
        return max(0.0, *short)


DUE = 0.5
