"""How many answers a model really writes at once, seen from the times of past answers. Pure.

OLLAMA_NUM_PARALLEL can't be asked for. Who asks for more answers at once than there are slots waits inside the
server: sent, but without a token until another answer ends. So where several answers of one model were under way at
once, again and again, and never as many were being written, the server has fewer slots than it was told to have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.doctor.probing.observation import AnswerSeen

SURE = 3
"""So many answers must have waited before it is called more than chance."""

WAITED_S = 1.0
"""A first token that comes later than this, and only after another answer has ended, was waited for."""

_EDGE_S = 0.25  # ends are known by when they were written down


@dataclass(frozen=True, slots=True)
class Slots:
    """At most ``under_way`` answers of ``model`` were sent and unfinished, ``writing`` were being written.

    ``waited`` is how many had their first token late.
    """

    model: str
    under_way: int
    writing: int
    waited: int


def slots_seen(answers: Iterable[AnswerSeen]) -> tuple[Slots, ...]:
    """What the answers of one host tell, for each model with answers that had to wait for a slot."""
    by_model: dict[str, list[AnswerSeen]] = {}
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


def _waited(answer: AnswerSeen, others: Sequence[AnswerSeen]) -> bool:
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
