"""What a voter may add to a verdict: reasons for each side, and a comment. Nothing of it moves a battle or a rating."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.battle.battle import Side

MAX_COMMENT = 2000
"""Characters of a comment."""


class Reason(StrEnum):
    """What is said of one answer; the first four speak for it, the others against it."""

    USEFUL = "useful"
    COMPLETE = "complete"
    CREATIVE = "creative"
    CLEAR = "clear"
    INCORRECT = "incorrect"
    SUPERFICIAL = "superficial"
    INSTRUCTIONS_NOT_FOLLOWED = "instructions_not_followed"


@dataclass(frozen=True, slots=True)
class Feedback:
    """Reasons for both sides, in the order of ``Reason``, and the voter's own words."""

    a: tuple[Reason, ...] = ()
    b: tuple[Reason, ...] = ()
    comment: str | None = None

    def of(self, side: Side) -> tuple[Reason, ...]:
        """The reasons for a side."""
        return self.a if side is Side.A else self.b


NOTHING_SAID = Feedback()


def in_order(reasons: Iterable[str]) -> tuple[Reason, ...]:
    """Each reason once, in the order of ``Reason``.

    Raises:
        ValueError: one is none of them.
    """
    given = {Reason(one) for one in reasons}
    return tuple(one for one in Reason if one in given)
