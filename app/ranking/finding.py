"""What can be said of the first place, in a sentence and in figures, by one standard: P(best) of 97.5 % is clear."""

from __future__ import annotations

from collections.abc import Sequence

from app.ranking.board import Conclusion, Provisional
from app.ranking.consistency import describe_circle
from app.ranking.counts import figure
from app.ranking.rated import Rated

NO_DATA = Conclusion("not_enough_data", "Not enough data: fewer than two models have votes that rank them.")


def find_first(rated: Rated, models: Sequence[str], names: Sequence[str]) -> Conclusion:
    """Say who is first, and how sure that is; ``names`` are what the board shows of ``models``."""
    standing, flips = rated.standing, rated.firmness.flips
    first, second, contender = standing.first, standing.second, standing.contender
    if first is None or second is None:
        return NO_DATA
    if contender is not None and not standing.is_clear:
        return Conclusion("not_enough_data", _doubt(names[contender], names[first], rated.missing[contender]))
    sentence, to_separate = _lead(rated, first, second, names)
    return Conclusion(
        state="clear" if standing.is_clear else "open",
        sentence=sentence,
        first=models[first],
        second=models[second],
        p_best=figure(float(standing.best[first]), 4),
        votes_to_separate=to_separate,
        flips=flips.votes if flips else None,
        flips_to=models[flips.rival] if flips else None,
    )


def _lead(rated: Rated, first: int, second: int, names: Sequence[str]) -> tuple[str, int | None]:
    """How sure the lead of the first is, in a sentence, and how many votes may make it clear."""
    circle = next((circle for circle in rated.circles if first in circle), None)
    if circle is not None and not rated.standing.is_clear:
        return f"{describe_circle(circle, names)}.", None
    if Provisional.FEW_VOTES in rated.standing.reasons[first]:
        missing = rated.missing[first]
        return f"{names[first]} leads, but lacks {_votes(missing)} for that to be called clear.", missing
    needed = rated.firmness.to_separate
    return _sentence(names[first], names[second], needed), needed


def _doubt(contender: str, first: str, missing: int) -> str:
    return f"Not enough data: {contender} is probably better than {first}, but lacks {_votes(missing)} for a rank."


def _sentence(first: str, second: str, needed: int | None) -> str:
    if needed == 0:
        return f"{first} is clearly better than {second}."
    if needed is None:
        return f"{first} and {second} are too close to be told apart."
    return f"{first} leads, but is not clearly better than {second}: {_more(needed)} between them may tell."


def _more(votes: int) -> str:
    """Two figures of an estimate: more would only look exact."""
    return "one more vote" if votes == 1 else f"about {round(votes, 2 - len(str(votes))):,} more votes"


def _votes(number: int) -> str:
    return "1 vote" if number == 1 else f"{number:,} votes"
