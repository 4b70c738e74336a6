"""How many answers of a model a server really generates at once, from the times of past answers. Pure.

No call returns OLLAMA_NUM_PARALLEL. A request beyond the number of slots waits inside the server: it was sent, but it
gets no token until another answer ends. So where several answers of one model were repeatedly under way at once, and
never as many were being generated, the server has fewer slots than configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.doctor.probing.observation import ObservedAnswer

SURE = 3
"""So many answers must have waited before it counts as more than chance."""

WAITED_S = 1.0
"""A request waited for a slot when its first token came later than this and only after another answer had ended."""

_EDGE_S = 0.25  # an end is known by the time of its row in SQL


@dataclass(frozen=True, slots=True)
class Slots:
    """At most ``under_way`` answers of ``model`` were sent and unfinished, ``writing`` were being generated.

    ``waited`` is how many had their first token late.
    """

    model: str
    under_way: int
    writing: int
    waited: int


def slots_seen(answers: Iterable[ObservedAnswer]) -> tuple[Slots, ...]:
    """The slots of one host, for each model with answers that had to wait for one."""
    by_model: dict[str, list[ObservedAnswer]] = {}
    for answer in answers:
        by_model.setdefault(answer.model, []).append(answer)
    seen = []
    for model, own in by_model.items():
        under_way = _peak((one.sent, one.ended - _EDGE_S) for one in own)
        writing = _peak((one.first, one.ended - _EDGE_S) for one in own)
        waited = sum(_waited(one, own) for one in own)
        if waited >= SURE and writing < under_way:
            seen.append(Slots(model, under_way, writing, waited))
    return tuple(seen)


def _waited(answer: ObservedAnswer, others: Sequence[ObservedAnswer]) -> bool:
    """Whether its first token came late, and after the end of one that was under way when it was sent."""
    return answer.first - answer.sent > WAITED_S and any(
        other.sent <= answer.sent < other.ended and other.ended - _EDGE_S <= answer.first
        for other in others
        if other is not answer
    )


def _peak(spans: Iterable[tuple[float, float]]) -> int:
    changes = sorted(change for begin, end in spans if end > begin for change in ((begin, 1), (end, -1)))
    most = count = 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most
