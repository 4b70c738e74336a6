"""What happened to an answer on its way, in steps: kept in Redis while it is written, then in SQL for ``arena why``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import orjson

Event = Literal["begun", "waited", "retried", "moved", "ended", "failed", "left", "interrupted"]
"""``begun`` and ``interrupted`` are written by the script that begins attempts, the others by the driver."""

_EVENTS = frozenset(get_args(Event))


@dataclass(frozen=True, slots=True)
class Step:
    """One step at ``at`` (Unix time in seconds) on ``host``; what else is set goes with the event.

    ``begun``: the number of the ``attempt``. ``waited``: since when it was in the queue (``since``), when its model's
    load began and ended, and which models were unloaded for that. ``retried``, ``failed`` and ``moved``: the
    ``cause``, a backend's error code; ``moved``: the ``target`` host. ``left``: why its driver stopped writing, if
    it was not refused from outside.
    """

    at: float
    event: Event
    host: str
    attempt: int | None = None
    since: float | None = None
    load_began: float | None = None
    load_ended: float | None = None
    made_room: tuple[str, ...] = ()
    cause: str | None = None
    target: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return what is set, by name."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in fields.items() if value not in (None, (), "")}

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Step | None:
        """Read what ``to_dict`` or the script wrote; None for an event of a newer version, whose fields are ignored."""
        if stored.get("event") not in _EVENTS:
            return None
        known = {name: value for name, value in stored.items() if name in cls.__slots__}
        return cls(**known | {"made_room": tuple(stored.get("made_room") or ())})  # type: ignore[arg-type]


def to_json(steps: Iterable[Step]) -> str:
    """Return steps as the scripts append them: JSON objects, with a comma between them."""
    return ",".join(orjson.dumps(step.to_dict()).decode() for step in steps)


def from_json(appended: str | bytes | None) -> tuple[Step, ...]:
    """Read what the scripts have appended."""
    if not appended:
        return ()
    text = appended.decode() if isinstance(appended, bytes) else appended
    return from_list(orjson.loads(f"[{text}]"))


def from_list(stored: Iterable[Mapping[str, object]] | None) -> tuple[Step, ...]:
    """Read a list of what ``Step.to_dict`` gave; None is a record that is older than its story."""
    return tuple(step for one in stored or () if (step := Step.from_dict(one)) is not None)
