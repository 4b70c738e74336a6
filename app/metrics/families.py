"""What is counted: each family's name, meaning, labels and, for measured durations and rates, its buckets.

``public`` are the labels that everybody may read. Sums of answers go out without ``host`` and ``model``: whoever reads
them twice, before and after a side of his battle was complete, would know who wrote it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

Series = tuple[str, ...]
"""A family's name, its labels' values in order and, in a histogram, the bucket's upper bound or ``sum``."""

SUM = "sum"


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter; its name ends in ``_total``."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    public: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A histogram with the upper bounds ``buckets``, and one without a bound."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    bounds: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", (*(str(bound) for bound in self.buckets), "+Inf"))

    def bound_of(self, value: float) -> str:
        """The upper bound of the bucket that ``value`` is in, as Prometheus writes it."""
        return self.bounds[bisect_left(self.buckets, value)]


Family = Counted | Measured

_SOON = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
_LATER = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 600.0)
_LOADS = (0.5, 1.0, 2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 120.0, 300.0)
_RATES = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0)
_WHO = ("host", "model")

ANSWERS = Counted(
    "arena_answers_total",
    "Answers that ended: reason is stop, length, error or cancelled; cause is the class of error, empty for none.",
    (*_WHO, "reason", "cause"),
    ("reason", "cause"),
)
FALLBACK = Counted(
    "arena_fallback_answers_total", "Answers that a fallback host wrote because no other could.", ("host",)
)
COLD = Counted("arena_cold_answers_total", "Answers that waited for their model to be loaded.", _WHO)
TOKENS = Counted("arena_answer_tokens_total", "Tokens written, thinking included.", _WHO)
QUEUE = Measured(
    "arena_queue_seconds", "From enqueued to dispatched, less the load it waited for.", _WHO, (), (0.01, *_SOON)
)
TTFT = Measured("arena_ttft_seconds", "From dispatched to the first content token.", _WHO, (), _SOON)
ANSWER = Measured("arena_answer_seconds", "From enqueued to the end, of complete answers.", _WHO, (), _LATER)
RATE = Measured("arena_tokens_per_second", "Tokens per second of writing, of complete answers.", _WHO, (), _RATES)
LOAD = Measured(
    "arena_load_seconds",
    "Loads that succeeded; wished is yes when nobody waited for them.",
    (*_WHO, "wished"),
    ("wished",),
    _LOADS,
)
UNLOADS = Counted("arena_unloads_total", "Models that the arena itself took out of memory.", _WHO)
EVENTS = Counted(
    "arena_host_events_total",
    "What happened to a host and its models, such as unloaded_by_others or host_down.",
    ("host", "kind"),
    ("kind",),
)
FAILOVERS = Counted(
    "arena_failovers_total",
    "Answers that moved to another host, because theirs could not write them.",
    ("origin", "target"),
)
TAKEOVERS = Counted(
    "arena_takeovers_total", "Times that a worker began to drive a host which another had left.", ("host",), ("host",)
)
OPENED = Counted("arena_battles_opened_total", "Battles that were opened.")
ENDED = Counted(
    "arena_battles_ended_total", "Battles that ended: finished, stopped or failed.", ("status",), ("status",)
)
WARM_BATTLES = Counted(
    "arena_warm_battles_total", "Battles that ended and had no answer that waited for its model to be loaded."
)
DRAWN = Counted("arena_drawn_total", "Contestants that were drawn, by model.", ("model",))
DRAWN_PAIRS = Counted(
    "arena_drawn_pairs_total",
    "Pairs that were drawn for one battle, by their models in alphabetical order.",
    ("model", "other"),
)
REFUSED = Counted(
    "arena_refused_total",
    "Calls that were answered with an error, by the route's template, the status and the error's code.",
    ("route", "status", "code"),
    ("route", "status", "code"),
)
VOTES = Counted("arena_votes_total", "Verdicts given, those taken back later included.", ("verdict",), ("verdict",))

FAMILIES: tuple[Family, ...] = (
    ANSWERS,
    FALLBACK,
    COLD,
    TOKENS,
    QUEUE,
    TTFT,
    ANSWER,
    RATE,
    LOAD,
    UNLOADS,
    EVENTS,
    FAILOVERS,
    TAKEOVERS,
    OPENED,
    ENDED,
    WARM_BATTLES,
    DRAWN,
    DRAWN_PAIRS,
    REFUSED,
    VOTES,
)
