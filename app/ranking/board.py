"""The leaderboard as a value: every figure rounded, so that the same votes give the same bytes everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from app.ranking.choices import Clustering, Effect, StyleFeature, Ties
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


class Bounds(StrEnum):
    """Which ends the interval of a rating has."""

    BOTH = "both"
    AT_LEAST = "at_least"
    """No upper end: the model never lost to those that the scale is fixed by."""
    AT_MOST = "at_most"
    """No lower end."""
    OPEN = "open"
    """Neither end."""
    FIXED = "fixed"
    """The anchor, which has its rating by definition."""
    UNKNOWN = "unknown"
    """Nobody compared the model."""


class Provisional(StrEnum):
    """Why a rating is not to be believed as it stands."""

    NO_VOTES = "no_votes"
    """Nobody compared it with anything; its rating is the middle."""
    UNCONNECTED = "unconnected"
    """No chain of votes leads from it to the ranked models."""
    UNBEATEN = "unbeaten"
    """It never lost or tied, nor did those it is connected with: how much better it is can't be told."""
    WINLESS = "winless"
    """The same the other way round."""
    ONE_SIDED = "one_sided"
    """It only won against some, and only lost to the others."""
    FEW_VOTES = "few_votes"
    """Fewer votes than the board asks for; its place is never called clear."""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One model. The first six fields are the older clients' contract.

    ``win_rate`` is a share from 0 to 1; ``app.leaderboard.making`` serves it in per cent, and the share as
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
class PairRecord:
    """The votes between two models, as ``model`` saw them; it stands above ``opponent`` on the board.

    ``share`` is what it won of the votes that compare (a tie is half), ``expected`` what the ratings expect of it.
    ``surprise`` is the difference in standard errors. All three are None where no vote compares the two.
    """

    model: str
    opponent: str
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: float | None
    expected: float | None
    surprise: float | None


@dataclass(frozen=True, slots=True)
class EntryPosition:
    """One place in the entry order, from 0: votes it was in, its share of points in them, and of battles won.

    ``battles`` are those in which it was judged; ``battles_won_share`` is None without any.
    """

    entry: int
    votes: int
    win_rate: float | None
    battles: int
    battles_won_share: float | None


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One model on one host: medians and 95th percentiles.

    The slow tail is the 95th percentile of ``ttft`` but the 5th of tokens per second, so both ends of that are given.
    """

    model: str
    host: str
    answers: int
    cold_answers: int
    ttft_s_p50: float | None
    ttft_s_p95: float | None
    warm_ttft_s_p50: float | None
    warm_ttft_s_p95: float | None
    tokens_per_s_p50: float | None
    tokens_per_s_p95: float | None
    tokens_per_s_p5: float | None


class Inconsistency(StrEnum):
    """What is wrong with an order."""

    CIRCLE = "circle"
    LACK_OF_FIT = "lack_of_fit"


@dataclass(frozen=True, slots=True)
class OrderWarning:
    """A doubt about the order of ``models``, in words."""

    kind: Inconsistency
    sentence: str
    models: tuple[str, ...]


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
