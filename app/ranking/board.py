"""The leaderboard as a value: every figure rounded, so that the same votes give the same bytes everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.ranking.clusters import Clustering
from app.ranking.consistency import OrderWarning
from app.ranking.effects import Effect
from app.ranking.gauge import Bounds
from app.ranking.head_to_head import PairRecord
from app.ranking.likelihoods import Ties
from app.ranking.positions import EntryPosition
from app.ranking.standing import Provisional
from app.ranking.style import StyleFeature
from app.ranking.votes import Selection


@dataclass(frozen=True, slots=True)
class Gauge:
    """Where the scale is fixed: the mean of the ranked models is ``at``, or ``anchor`` has ``at`` exactly.

    Intervals of an anchored board are those of the difference to the anchor, so they are wider.
    """

    at: float = 1000.0
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How to rank. ``level`` is that of the intervals.

    ``features`` of style and ``effects`` of seats are fitted and set aside, none by default.
    """

    ties: Ties = Ties.HALF_WIN
    gauge: Gauge = Gauge()
    features: tuple[StyleFeature, ...] = ()
    selection: Selection = field(default_factory=Selection)
    level: float = 0.95
    minimum_votes: int = 10
    draws: int = 10_000
    effects: tuple[Effect, ...] = ()
    clustering: Clustering = Clustering.AUTO


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the board shows of a model; a retired one keeps its votes and its row."""

    model: str
    display_name: str
    retired: bool = False


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One model. The first six fields are the older clients' contract.

    ``win_rate`` is a share from 0 to 1; ``app.leaderboard.bodies`` serves it in per cent, and the share as
    ``win_share``. Ratings are Elo points. ``rating_lower`` and ``rating_upper`` are None where ``bounds`` says that
    there is no such end: a model that never lost has ``at_least`` its lower one. ``rank`` is shared by models that
    can't be told apart, ``rank_high`` is the worst rank that is not ruled out. ``p_best`` is None for a model without a
    rank. ``battles_fought`` counts battles, ``votes`` the verdicts in them; ``both_bad`` is part of neither ties nor
    ``win_rate``. ``chance_over_next`` is that of being preferred to the row below, among votes that prefer one.
    ``entries[i]`` counts the votes in which it was entrant number i. ``style`` figures don't enter here.
    """

    rank: int
    model: str
    display_name: str
    elo_rating: float
    battles_fought: int
    win_rate: float
    rating_lower: float | None
    rating_upper: float | None
    rank_high: int
    tied_with: int
    p_best: float | None
    provisional: bool
    reasons: tuple[Provisional, ...]
    island: int
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    entries: tuple[int, ...]
    chance_over_next: float | None
    retired: bool
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class EffectSize:
    """What a seat is worth in Elo points, with its interval; the ends are None where the votes don't tell it."""

    elo: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Method:
    """How the figures were made. ``ties`` is what was used, half a win where nothing could be fitted.

    ``gauge`` is ``centred`` or ``anchored``; an anchor that is not among the ranked island's models leaves it centred.
    ``prior`` names the one that the order of the rows and P(best) have; ratings have none. None without votes.
    ``effects`` are those of seats. ``clustered_by``: which votes are taken to err together. ``since`` is Unix time.
    ``style`` are the coefficients in Elo points for a difference of one root mean square.
    """

    ties: Ties
    tie_parameter: float | None
    gauge: str
    gauge_at: float
    anchor: str | None
    interval: str
    level: float
    minimum_votes: int
    category: str | None
    language: str | None
    admitted: tuple[str, ...]
    style: dict[str, float]
    prior: str | None
    effects: dict[str, EffectSize]
    clustered_by: tuple[str, ...]
    since: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The votes behind the board: ``votes`` counted, ``rated`` of them compare, ``left_out`` by reason.

    ``a_wins`` far from ``b_wins`` means that voters prefer a side. ``voters`` are those known of rated
    votes, ``prompts`` the different ones where some repeat (else None). The shares are of all rated votes, None where
    nobody is known.
    """

    votes: int = 0
    rated: int = 0
    a_wins: int = 0
    b_wins: int = 0
    ties: int = 0
    both_bad: int = 0
    battles: int = 0
    islands: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    voters: int = 0
    largest_voter_share: float | None = None
    prompts: int | None = None
    largest_prompt_share: float | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What can be said of the first place, in words and figures.

    ``state`` is ``clear`` (``p_best`` is 0.975 or more), ``open`` or ``not_enough_data``. ``second`` is who most likely
    beats the first. ``votes_to_separate`` are direct votes of the two; ``flips`` cast for the other side would put
    ``flips_to`` first.
    """

    state: str
    sentence: str
    first: str | None = None
    second: str | None = None
    p_best: float | None = None
    votes_to_separate: int | None = None
    flips: int | None = None
    flips_to: str | None = None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A snapshot. ``last_updated`` is the time of the newest vote (Unix seconds), not of the fit."""

    leaderboard: tuple[BoardRow, ...]
    last_updated: float | None
    method: Method
    counts: Counts
    finding: Conclusion
    positions: tuple[EntryPosition, ...]
    head_to_head: tuple[PairRecord, ...]
    warnings: tuple[OrderWarning, ...]
