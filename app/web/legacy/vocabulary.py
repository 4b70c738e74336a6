"""The words of existing clients for a verdict, in both directions."""

from __future__ import annotations

from collections.abc import Mapping

from app.battle.battle import Side, Verdict
from app.errors import InvalidInput
from app.web.legacy.history import BattleHistory

SPELLINGS: Mapping[str, Verdict] = {
    "a": Verdict.A,
    "left": Verdict.A,
    "b": Verdict.B,
    "right": Verdict.B,
    "tie": Verdict.TIE,
    "bad": Verdict.BOTH_BAD,
    "both_bad": Verdict.BOTH_BAD,
}

#: What a verdict is called in a battle's history.
CHOICES: Mapping[Verdict, str] = {
    Verdict.A: "left",
    Verdict.B: "right",
    Verdict.TIE: "tie",
    Verdict.BOTH_BAD: "both_bad",
}

SIDES: Mapping[Side, str] = {Side.A: "left", Side.B: "right"}


def verdict_of(word: str, history: BattleHistory, field: str = "choice") -> Verdict:
    """A verdict in any spelling, or as who sits on a side: by its alias, and by its name once that is shown.

    A model's real name is not taken before: whether it is accepted would reveal who sits where.

    Raises:
        InvalidInput: it is no verdict; ``field`` is the part of the body to fix.
    """
    plain = word.strip().lower()
    if plain in SPELLINGS:
        return SPELLINGS[plain]
    for side in Side:
        contestant = history.contestant_on(side)
        if plain in (contestant.alias.lower(), history.name(contestant.entry).lower()):
            return Verdict(side.value)
    raise InvalidInput(f"{field} must be left, right, tie, both_bad or one of the two aliases on stage", field=field)
