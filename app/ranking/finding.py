"""What can be said of the first place, in a sentence and in figures, by one standard: P(best) of 97.5 % is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.ranking.board import Conclusion, ModelCard, Provisional
from app.ranking.consistency import describe_circle
from app.ranking.counts import figure
from app.ranking.fragility import Flips
from app.ranking.standing import Standing

NO_DATA = Conclusion("not_enough_data", "Not enough data: fewer than two models have votes that rank them.")


@dataclass(frozen=True, slots=True)
class Firmness:
    """How firm the first place is: votes that would separate the first two, and flips that would change the first."""

    to_separate: int | None
    flips: Flips | None


def find_first(
    models: Sequence[str],
    known: Mapping[str, ModelCard],
    standing: Standing,
    firmness: Firmness,
    missing: Sequence[int],
    circles: Sequence[Sequence[int]],
) -> Conclusion:
    """Say who is first, and how sure that is; ``missing`` are the votes that each model lacks of the least number."""

    def name(n: int) -> str:
        card = known.get(models[n])
        return models[n] if card is None else card.display_name

    first, second = standing.first, standing.second
    if first is None or second is None:
        return NO_DATA
    if standing.contender is not None and not standing.is_clear:
        return Conclusion("not_enough_data", _doubt(name(standing.contender), name(first), missing[standing.contender]))
    to_separate, flips = firmness.to_separate, firmness.flips
    sentence = _sentence(name(first), name(second), to_separate)
    circle = next((circle for circle in circles if first in circle), None)
    if circle is not None and not standing.is_clear:
        to_separate = None
        sentence = f"{describe_circle(circle, [name(n) for n in range(len(models))])}."
    elif Provisional.FEW_VOTES in standing.reasons[first]:
        to_separate = missing[first]
        sentence = f"{name(first)} leads, but lacks {_votes(to_separate)} for that to be called clear."
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
