"""The answers that a host is writing now, and what is learned from each that ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from app.backends.base import (
    BackendBroken,
    BackendError,
    BadRequest,
    LoadTimedOut,
    Overlong,
    PromptTooLong,
    RunnerStopped,
    Stalled,
)
from app.scheduling.driver.attempt import AttemptRunner
from app.scheduling.driver.state import DriverState
from app.scheduling.job import Priority
from app.scheduling.ports import Finish


class RunningAnswers:
    """The attempts under way, by job id; ``state`` learns from those that end."""

    def __init__(self, state: DriverState) -> None:
        self._state = state
        self._runners: dict[str, AttemptRunner] = {}
        self.people_at = float("-inf")

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._runners

    @property
    def ids(self) -> Collection[str]:
        """The jobs that are under way."""
        return self._runners.keys()

    def by_model(self) -> dict[str, int]:
        """How many slots of each model are occupied."""
        return counted(runner.model for runner in self._runners.values() if runner.occupies)

    def of_class(self, priority: Priority) -> dict[str, int]:
        """How many of those slots are occupied by jobs of one class."""
        return counted([one.model for one in self._runners.values() if one.job.priority is priority and one.occupies])

    def add(self, runner: AttemptRunner, now: float) -> None:
        """Note an attempt that begins ``now`` (Unix time), and whether it has the host to itself."""
        if runner.occupies and runner.job.priority is not Priority.BATCH:
            self.people_at = now
        runner.alone = not self.anybody_writes()
        self._runners[runner.job.id] = runner

    def remove(self, runner: AttemptRunner) -> None:
        """Forget an attempt that ended."""
        del self._runners[runner.job.id]

    def cut(self, why: str) -> None:
        """Stop all attempts, without an end."""
        for runner in self._runners.values():
            runner.cut(why)

    def cancel(self, job_id: str) -> None:
        """Stop the attempt at a job, if there is one: nobody wants it any more."""
        if job_id in self._runners:
            self._runners[job_id].cut("cancelled")

    def cut_those_not_in(self, wanted: set[str]) -> None:
        """Stop the attempts at jobs that are gone from the queue."""
        for job_id in self._runners.keys() - wanted:
            self.cancel(job_id)

    def learn(self, runner: AttemptRunner) -> bool:
        """Learn from an attempt whose slot is free again; True when the server may have lost models."""
        finish = runner.finish
        if runner.error is not None:
            self._state.breaker.failed_answer(runner.error)
            self._note_refusal(runner.model, runner.error)
            self._learn_break(runner, runner.error)
        elif finish is not None and finish.reason != "error":
            self._state.breaker.answered()
            self._state.residency.failures.worked(runner.model)
            self._learn_times(runner, finish)
        unplanned_load = finish is not None and bool(finish.timing.cold) and not runner.load_s
        return runner.error is not None or unplanned_load

    def _note_refusal(self, model: str, error: BackendError) -> None:
        """What a server refuses as it is asked is for operators; a prompt that is too long is its author's affair."""
        if isinstance(error, BadRequest) and not isinstance(error, PromptTooLong):
            self._state.events.refused(model, f"{error.code}: {error}"[:300])

    def _learn_break(self, runner: AttemptRunner, error: BackendError) -> None:
        """A model's process may have ended, or hang, while its server goes on."""
        silent = isinstance(error, Stalled | LoadTimedOut)
        if silent or (isinstance(error, RunnerStopped | BackendBroken) and not isinstance(error, Overlong)):
            self._state.residency.broke(runner.model, silent=silent)

    def _learn_times(self, runner: AttemptRunner, finish: Finish) -> None:
        timing, history = finish.timing, self._state.history
        history.answered(runner.model, (timing.total_s or 0.0) - (timing.queue_s or 0.0) - runner.load_s)
        rate = timing.tokens_per_s
        # Models that write at the same time share the card: only one that was alone shows how fast the host is.
        alone = runner.alone and not self.anybody_writes()
        if rate and history.rates.written(runner.model, rate, alone=alone):
            usual = history.rates.usual()[runner.model]
            self._state.events.record("slow", runner.model, f"{rate:.1f} tokens/s, usually {usual:.1f}")

    def anybody_writes(self) -> bool:
        """Whether any slot is occupied."""
        return any(runner.occupies for runner in self._runners.values())


def counted(models: Iterable[str]) -> dict[str, int]:
    """How often each model is there; a ``Counter`` costs ten times as much to make, and a driver makes many."""
    found: dict[str, int] = {}
    for model in models:
        found[model] = found.get(model, 0) + 1
    return found
