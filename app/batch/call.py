"""A call: one answer of one job in one stage, as Redis holds it while it waits or is written.

Its id says which call it is and which try, so a runner that starts anew finds what is under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from app.arena.codec import Codec
from app.backends.base import GenerationRequest

FORMAT = 1
PREFIX = "batch-"
"""What the id of every call begins with; neither a battle's nor a completion's does."""


class CallKey(NamedTuple):
    """Which call of a run: the job's number, the stage's, and the part (model and sample)."""

    n: int
    stage: int
    part: int


@dataclass(frozen=True, slots=True)
class BatchCall:
    """A call and what its model is asked; ``tries`` counts the earlier ones."""

    run: str
    n: int
    stage: int
    part: int
    tries: int
    request: GenerationRequest
    format: int = FORMAT

    @property
    def id(self) -> str:
        """The id of its log and its job in a host's queue."""
        return call_id(self.run, self.key, self.tries)

    @property
    def key(self) -> CallKey:
        """Which call of its run it is."""
        return CallKey(self.n, self.stage, self.part)

    @property
    def answer_count(self) -> int:
        """It has one answer."""
        return 1

    @property
    def request_id(self) -> str:
        """No single request asked for it: the run stands in its place."""
        return self.run


def call_id(run: str, key: CallKey, tries: int) -> str:
    """The id of a call."""
    return f"{PREFIX}{run}-{key.n}-{key.stage}-{key.part}-{tries}"


def is_call(id_: str) -> bool:
    """Whether a job's id is that of a call."""
    return id_.startswith(PREFIX)


CODEC = Codec(BatchCall, format=FORMAT, foreign="this call was queued by another version of the arena")
"""Its runner asks anew for a call that another version wrote."""
