"""The work of one host in this process: its jobs as last read, the answers being written, and changes of models.

Each answer and each change of models is a task of its own, owned here. A task that crashes is logged; its job stays
in the queue and is tried again after a pause that doubles.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog

from app.backends.base import BackendError
from app.lanes.job import Job
from app.lanes.planner import Action, Budget, Load, Start, Unload, View
from app.lanes.residency import Residency
from app.lanes.runner import Crew, Runner
from app.settings import HostSettings
from app.timing.history import History

PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

CLOSE_LIMIT_S = 2.0
"""How long tasks get to close their sockets when the lane ends."""

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class LaneHost:
    """What a lane must know of its host: answers at once per model, what fits, the configured models' names."""

    name: str
    slots: int = 1
    budget: Budget = field(default_factory=Budget)
    models: tuple[str, ...] = ()

    @classmethod
    def of(cls, host: HostSettings) -> LaneHost:
        """Read the settings of a host; a card's gigabytes are taken as 2**30 bytes, as its makers do."""
        memory = None if host.memory_gb is None else int(host.memory_gb * GIB)
        budget = Budget(memory) if host.max_loaded is None else Budget(memory, host.max_loaded)
        return cls(host.name, host.num_parallel, budget, host.models)


@dataclass(frozen=True, slots=True)
class _Pause:
    """A job that went wrong waits until ``until`` (by the crew's clock) before it is tried again."""

    until: float
    seconds: float


class Work:
    """What is done for ``host``; ``changed`` is called whenever a new plan may come out differently."""

    def __init__(
        self,
        host: LaneHost,
        crew: Crew,
        residency: Residency,
        history: History,
        changed: Callable[[], None],
        *,
        patience: timedelta,
    ) -> None:
        self._host = host
        self._crew = crew
        self._residency = residency
        self._history = history
        self._changed = changed
        self._patience = patience
        self._jobs: dict[str, Job] = {}
        self._settled: set[str] = set()
        self._added: dict[str, Job] = {}
        self._pauses: dict[str, _Pause] = {}
        self._runners: dict[str, Runner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("app.lanes.work").bind(host=host.name)

    def add(self, jobs: Iterable[Job]) -> None:
        """Take jobs that were just enqueued or became more urgent."""
        for job in jobs:
            if job.id not in self._settled:
                self._jobs[job.id] = self._added[job.id] = job

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Callable[[Iterable[Job]], None]]:
        """Give the function that takes all jobs as they are read inside of the block.

        What is settled meanwhile is left out, and what is added meanwhile is kept: the reading may not know it yet.
        """
        self._settled.clear()
        self._added.clear()

        def take(jobs: Iterable[Job]) -> None:
            read = {job.id: job for job in jobs} | self._added
            self._jobs = {job_id: job for job_id, job in read.items() if job_id not in self._settled}
            self._pauses = {job_id: pause for job_id, pause in self._pauses.items() if job_id in self._jobs}
            for job_id, runner in self._runners.items():
                if job_id not in self._jobs:
                    runner.cut("cancelled")

        yield take

    def view(self) -> View:
        """Return all that the planner wants to know; jobs that pause after a mishap aren't waiting."""
        now = self._crew.clock()
        waiting = (
            job
            for job in self._jobs.values()
            if job.id not in self._runners and (job.id not in self._pauses or self._pauses[job.id].until <= now)
        )
        return View(
            now=self._crew.wall(),
            residents=self._residency.residents,
            waiting=tuple(replace(job, model=self._residency.spelling(job.model)) for job in waiting),
            in_flight=Counter(runner.model for runner in self._runners.values() if runner.occupies),
            loading=self._residency.loading,
            loading_since=self._residency.loading_since,
            leaving=frozenset(self._residency.leaving),
            slots=self._host.slots,
            sizes=self._residency.sizes,
            budget=replace(self._host.budget, overfull_bytes=self._residency.overfull_bytes),
            patience=self._patience,
        )

    def perform(self, action: Action) -> None:
        """Begin what the planner decided."""
        match action:
            case Start(job):
                self._residency.used(job.model)
                self._run(self._jobs[job.id], job.model)
            case Load(model):
                self._residency.loading, self._residency.loading_since = model, self._crew.wall()
                self._spawn(self._load(model), f"load {model}")
            case Unload(model):
                self._residency.leaving.add(model)
                self._spawn(self._residency.unload(model), f"unload {model}")

    async def drained(self, limit: timedelta) -> None:
        """Wait until nothing is under way, at most ``limit``."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=limit.total_seconds())

    async def aclose(self) -> None:
        """Cut the answers that are left, without an end, then everything else."""
        for runner in self._runners.values():
            runner.cut("the lane ends")
        await self.drained(timedelta(seconds=CLOSE_LIMIT_S))
        for task in self._tasks:
            task.cancel()
        await self.drained(timedelta(seconds=CLOSE_LIMIT_S))

    def _run(self, job: Job, model: str, failure: BackendError | None = None) -> None:
        load_s = self._residency.load_waited_s(model, job.enqueued_at)
        runner = Runner(job, model, self._crew, load_s=load_s, failure=failure, on_free=self._freed)
        self._runners[job.id] = runner
        self._spawn(self._see_through(runner), f"answer {job.id}")

    async def _see_through(self, runner: Runner) -> None:
        job_id = runner.job.id
        outcome = "crashed"
        try:
            outcome = await runner.run()
        except Exception as error:
            self._log.warning("answer_crashed", battle=runner.job.battle, answer=runner.job.answer, exc_info=error)
        finally:
            del self._runners[job_id]
        if outcome == "settled":
            self._settled.add(job_id)
            self._jobs.pop(job_id, None)
        else:
            last = self._pauses.get(job_id)
            seconds = PAUSE_S if last is None else min(2 * last.seconds, LONGEST_PAUSE_S)
            self._pauses[job_id] = _Pause(self._crew.clock() + seconds, seconds)

    def _freed(self, runner: Runner) -> None:
        """Learn from an answer that ended, and let the next one start."""
        finish = runner.finish
        if finish is not None and finish.reason != "error":
            timing = finish.timing
            self._history.answered(runner.model, (timing.total_s or 0.0) - (timing.queue_s or 0.0) - runner.load_s)
        if finish is not None and (finish.reason == "error" or (finish.timing.cold and not runner.load_s)):
            # The server may have lost models that we take to be in memory.
            self._spawn(self._look_again(), "look again")
        self._changed()

    async def _look_again(self) -> None:
        await self._residency.refresh()

    async def _load(self, model: str) -> None:
        """Load ``model``; when that fails, all who wait for it get the error."""
        try:
            await self._residency.load(model)
        except BackendError as error:
            for job in list(self._jobs.values()):
                if job.id not in self._runners and self._residency.spelling(job.model) == model:
                    self._run(job, model, error)
            await self._residency.refresh()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"{self._host.name}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("lane_task_crashed", task=task.get_name(), exc_info=error)
        self._changed()
