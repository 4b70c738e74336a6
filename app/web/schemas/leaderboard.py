"""The leaderboard and the speed board; docs/ranking.md says how the figures come about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, RootModel

from app.ranking.board import Bounds, Inconsistency, Provisional
from app.ranking.choices import Effect, Ties
from app.ranking.votes import Mark
from app.web.schemas.base import Schema


class LeaderboardRow(Schema):
    """One model. The first six fields are those that existing clients read."""

    rank: int = Field(ge=1, description="The row's place, which no other row has.")
    model: str
    display_name: str
    elo_rating: float = Field(description="Bradley-Terry on the Elo scale.")
    battles_fought: int
    win_rate: float = Field(description="Per cent.")
    win_share: float = Field(description="The same from 0 to 1.")
    rating_lower: float | None = Field(description="Null where ``bounds`` says that there is no lower end.")
    rating_upper: float | None = Field(description="Null where ``bounds`` says that there is no upper end.")
    rank_low: int = Field(ge=1, description="The rank that models share which can't be told apart.")
    rank_high: int = Field(description="The worst rank that is not ruled out.")
    tied_with: int
    p_best: float | None = Field(description="The chance to be the best of the ranked models; null without a rank.")
    provisional: bool
    reasons: list[Provisional]
    island: int
    votes: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    entries: list[int] = Field(description="Votes in which it was entrant number i, from 0.")
    chance_over_next: float | None
    retired: bool
    bounds: Bounds = Field(
        description="Which ends the interval has: a model that never lost has ``at_least`` the lower."
    )


class LeaderboardEffect(Schema):
    """What a seat is worth in Elo points, with its interval."""

    elo: float
    lower: float | None = Field(description="Null where the votes don't tell.")
    upper: float | None


class LeaderboardMethod(Schema):
    """How the figures were made."""

    ties: Ties
    tie_parameter: float | None
    gauge: Literal["centred", "anchored"]
    gauge_at: float
    anchor: str | None
    interval: str
    level: float
    minimum_votes: int
    category: str | None
    language: str | None
    admitted: list[Mark]
    style: dict[str, float] = Field(description="Elo points for a difference of one root mean square.")
    prior: str | None = Field(description="What the order of the rows and P(best) assume of all ratings.")
    both_bad: Literal["tie", "drop"] = Field(description="How the verdict that both are bad counts.")
    effects: dict[Effect, LeaderboardEffect] = Field(description="What seats are worth, where that was asked for.")
    clustered_by: list[Literal["battle", "voter", "prompt"]] = Field(
        description="Which votes are taken to err together."
    )
    since: float | None = Field(description="Unix time: only votes since then count.")


class LeaderboardCounts(Schema):
    """The votes behind the board."""

    votes: int
    rated: int
    a_wins: int
    b_wins: int
    ties: int
    both_bad: int
    battles: int
    islands: int
    left_out: dict[str, int]
    voters: int = Field(description="Those that are known of rated votes.")
    largest_voter_share: float | None = Field(description="Of rated votes; null where no voter is known.")
    prompts: int | None = Field(description="Different prompts, where some repeat; else null.")
    largest_prompt_share: float | None


class LeaderboardFinding(Schema):
    """What can be said of the first place."""

    state: Literal["clear", "open", "not_enough_data"]
    sentence: str
    first: str | None
    second: str | None
    p_best: float | None
    votes_to_separate: int | None
    flips: int | None
    flips_to: str | None


class LeaderboardPosition(Schema):
    """What one place in the entry order did, from 0."""

    entry: int
    votes: int
    win_rate: float | None
    battles: int
    battles_won_share: float | None


class LeaderboardPair(Schema):
    """The votes between two models, as ``model`` saw them; it stands above ``opponent`` on the board."""

    model: str
    opponent: str
    wins: int
    losses: int
    ties: int
    both_bad: int
    share: float | None = Field(description="Of the votes that compare; a tie is half. Null without any.")
    expected: float | None = Field(description="What the ratings expect of it.")
    surprise: float | None = Field(description="The difference in standard errors.")


class LeaderboardWarning(Schema):
    """A doubt about the order of some models."""

    kind: Inconsistency
    sentence: str
    models: list[str]


class LeaderboardContestant(Schema):
    """Who stands behind a name on the board."""

    name: str
    contestant: str | None
    digest: str | None
    quantization: str | None


class SpeedRow(Schema):
    """How fast one model writes on one host: medians and tails."""

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


class QualityBoard(Schema):
    """Who is best, and how sure that is."""

    leaderboard: list[LeaderboardRow]
    last_updated: float = Field(description="Unix time of the newest vote; 0 without votes.")
    method: LeaderboardMethod
    counts: LeaderboardCounts
    finding: LeaderboardFinding
    positions: list[LeaderboardPosition]
    head_to_head: list[LeaderboardPair] = Field(description="Pairs among the first 40 rows.")
    warnings: list[LeaderboardWarning]
    contestants: dict[str, LeaderboardContestant]
    categories: list[str]
    languages: list[str]
    speed: list[SpeedRow]
    votes_of: str


class SpeedBoard(Schema):
    """How fast each model writes on each host (``board=speed``)."""

    speed: list[SpeedRow]
    answers_of: str


class LeaderboardBeingMade(Schema):
    """A board that is being made; the first fields of a leaderboard are there, and empty."""

    state: Literal["being_made"]
    retry_after_s: int
    leaderboard: list[LeaderboardRow] = Field(max_length=0)
    last_updated: float
    speed: list[SpeedRow] = Field(max_length=0)


class Boards(RootModel[QualityBoard | SpeedBoard]):
    """The leaderboard, or the speed board where that was asked for."""
