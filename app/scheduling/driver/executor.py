"""The work of one host in this process: its jobs as last read, the answers being written, and changes of models.

Each answer and each change of models is a task of its own, owned here. A task that crashes is logged; its job stays
in the queue and is tried again after a pause that doubles. What crashes too often (``app.scheduling.mishaps``) fails; what
only needs Redis or the database to come back waits for them, however long.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from app.backends.base import BackendError, BackendUnavailable
from app.scheduling.driver.attempt import STORE_UNAVAILABLE, AttemptRunner
from app.scheduling.driver.crew import Crew
from app.scheduling.job import Job
from app.scheduling.mishaps import Mishaps
from app.scheduling.planning.planner import Action, Load, Start, Unload, View, plan
from app.scheduling.ports import Finish

CLOSE_LIMIT_S = 2.0
"""How long tasks get to close their sockets when the lane ends."""


class Executor:
    """What ``crew`` does for its host; ``changed`` is called whenever a new plan may come out differently."""

    def __init__(self, crew: Crew, changed: Callable[[], None]) -> None:
        self._crew = crew
        self._changed = changed
        self._jobs: dict[str, Job] = {}
        self._settled: set[str] = set()
        self._added: dict[str, Job] = {}
        self._mishaps = Mishaps(crew.clock)
        self._runners: dict[str, AttemptRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._shedding = False
        self._moving: str | None = None
        self._log = structlog.get_logger("app.scheduling.driver.executor").bind(host=crew.host.name)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting and nothing under way."""
        return not self._jobs and not self._tasks

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
            self._mishaps.keep(self._jobs)
            for job_id, runner in self._runners.items():
                if job_id not in self._jobs:
                    runner.cut("cancelled")

        yield take

    def view(self) -> View:
        """Return all that the planner wants to know; jobs that pause after a mishap aren't waiting."""
        here, keeper = self._crew.residency, self._crew.keeper
        waiting = (job for job in self._jobs.values() if self._waits(job.id) and not self._mishaps.is_paused(job.id))
        misfits = here.misfits
        return View(
            now=self._crew.wall(),
            residents=here.residents,
            waiting=tuple(replace(job, model=here.spelling(job.model)) for job in waiting),
            in_flight=Counter(runner.model for runner in self._runners.values() if runner.occupies),
            loading=here.loading,
            loading_since=here.loading_since,
            leaving=frozenset(here.leaving),
            slots=self._crew.host.slots,
            sizes=here.sizes,
            budget=here.limits.budget,
            patience=self._crew.pace.patience,
            wishes=keeper.wishes(lambda model: not here.has(model) or model in misfits),
            strangers=here.strangers,
            pins=frozenset(here.spelling(model) for model in self._crew.host.pins),
        )

    def perform(self, action: Action, *, wished: bool = False) -> None:
        """Begin what the planner decided; ``wished`` when nobody waits for it."""
        here = self._crew.residency
        match action:
            case Start(job):
                here.used(job.model)
                self._run(self._jobs[job.id], job.model)
            case Load(model):
                here.begin_load(model)
                self._spawn(self._load(model, wished=wished), f"load {model}")
            case Unload(model):
                here.leaving.add(model)
                if not wished:
                    self._crew.keeper.evicted(model)
                self._spawn(self._unload(model), f"unload {model}")

    def shed(self) -> None:
        """The host is down: give what waits to other hosts; what nobody else can write fails after a while."""
        if not self._shedding and any(job_id not in self._runners for job_id in self._jobs):
            self._shedding = True
            self._spawn(self._shed(), "shed")

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
        load_s = self._crew.loader.waited_s(model, job.enqueued_at)
        runner = AttemptRunner(job, model, self._crew, load_s=load_s, failure=failure, on_free=self._freed)
        runner.alone = not any(other.occupies for other in self._runners.values())
        self._runners[job.id] = runner
        self._spawn(self._see_through(runner), f"answer {job.id}")

    async def _see_through(self, runner: AttemptRunner) -> None:
        job_id = runner.job.id
        outcome = "crashed"
        try:
            outcome = await runner.run()
        except Exception as error:
            self._log.warning("answer_crashed", battle=runner.job.battle, answer=runner.job.answer, exc_info=error)
            if not isinstance(error, STORE_UNAVAILABLE) and await self._is_given_up(runner):
                outcome = "settled"
        finally:
            del self._runners[job_id]
        if outcome in ("settled", "moved"):
            self._gone(job_id)
        else:
            self._mishaps.pause(job_id)

    async def _is_given_up(self, runner: AttemptRunner) -> bool:
        """Fail the answer of a job that crashes each time it is tried, or its viewers would wait for ever."""
        if not self._mishaps.crashed(runner.job.id):
            return False
        try:
            return await runner.give_up()
        except Exception as error:
            self._log.warning("answer_not_given_up", battle=runner.job.battle, exc_info=error)
            return False

    def blame(self, failure: Exception) -> bool:
        """Fail the jobs that no plan can be made with, so that others are not held up; False: it is none of them."""
        view = self.view()
        blamed = [job for job in view.waiting if _can_not_be_planned(replace(view, waiting=(job,)))]
        for job in blamed:
            self._run(self._jobs[job.id], job.model, self._crash(failure))
        return bool(blamed)

    def _gone(self, job_id: str) -> None:
        self._settled.add(job_id)
        self._jobs.pop(job_id, None)

    def _freed(self, runner: AttemptRunner) -> None:
        """Learn from an answer that ended, and let the next one start."""
        crew, finish = self._crew, runner.finish
        unplanned_load = finish is not None and finish.timing.cold and not runner.load_s
        if runner.error is not None:
            crew.breaker.failed_answer(runner.error)
        elif finish is not None and finish.reason != "error":
            crew.breaker.answered()
            self._learn(runner, finish)
        if runner.error is not None or unplanned_load:
            # The server may have lost models that we take to be in memory.
            self._spawn(self._look_again(), "look again")
        self._changed()

    def _learn(self, runner: AttemptRunner, finish: Finish) -> None:
        timing, crew = finish.timing, self._crew
        crew.history.answered(runner.model, (timing.total_s or 0.0) - (timing.queue_s or 0.0) - runner.load_s)
        rate = timing.tokens_per_s
        # Models that write at the same time share the card: only who was alone tells how fast the host is.
        alone = runner.alone and not any(other.occupies for other in self._runners.values())
        if rate and crew.history.rates.written(runner.model, rate, alone=alone):
            usual = crew.history.rates.usual()[runner.model]
            crew.journal.note("slow", runner.model, f"{rate:.1f} tokens/s, usually {usual:.1f}")

    async def _look_again(self) -> None:
        await self._crew.look()

    async def _load(self, model: str, *, wished: bool) -> None:
        """Load ``model``; when that fails, all who wait for it get the error, or another host."""
        crew = self._crew
        try:
            seconds = await crew.loader.load(model)
        except Exception as failure:
            error = failure if isinstance(failure, BackendError) else self._crash(failure)
            crew.breaker.failed(error)
            crew.keeper.failed(model)
            for job in list(self._jobs.values()):
                if job.id not in self._runners and crew.residency.spelling(job.model) == model:
                    self._run(job, model, error)
            await crew.look()
            return
        crew.breaker.succeeded()
        crew.keeper.loaded(model, wished=wished)
        if crew.tally is not None:
            crew.tally.loaded(crew.host.name, model, seconds, wished=wished)

    def _crash(self, failure: Exception) -> BackendError:
        """A bug must not leave voters without an end, nor load for ever."""
        self._log.error("backend_crashed", exc_info=failure)
        return BackendUnavailable(type(failure).__name__)

    async def _unload(self, model: str) -> None:
        if await self._crew.loader.unload(model) and self._crew.tally is not None:
            self._crew.tally.unloaded(self._crew.host.name, model)

    async def _shed(self) -> None:
        """Move all that waits; a job that can't be moved fails when it has waited long enough."""
        try:
            for job in [job for job_id, job in self._jobs.items() if job_id not in self._runners]:
                if self._crew.breaker.health == "down" and self._waits(job.id):
                    await self._shed_or_fail(job)
            await asyncio.sleep(self._crew.pace.ask_every.total_seconds())
        finally:
            self._shedding = False

    async def _shed_or_fail(self, job: Job) -> None:
        """One job that can't be moved for a bug holds up no other."""
        try:
            await self._shed_one(job)
        except Exception as failure:
            self._run(job, self._crew.residency.spelling(job.model), self._crash(failure))

    async def _shed_one(self, job: Job) -> None:
        waited_s = min(self._crew.breaker.down_s, self._crew.wall() - job.enqueued_at)
        self._moving = job.id  # the host may come back meanwhile, and would begin it
        try:
            moved = await self._moved(job)
        finally:
            self._moving = None
        if moved:
            self._gone(job.id)
        elif waited_s >= self._crew.pace.down_patience.total_seconds() and self._waits(job.id):
            error = BackendUnavailable(f"the host is down ({self._crew.breaker.why})")
            self._run(job, self._crew.residency.spelling(job.model), error)

    def _waits(self, job_id: str) -> bool:
        """Whether a job is still here, and nobody has begun it or is giving it away."""
        return job_id in self._jobs and job_id not in self._runners and job_id != self._moving

    async def _moved(self, job: Job) -> bool:
        if self._crew.elsewhere is None:
            return False
        try:
            return await self._crew.elsewhere.move(job, self._crew.host.name, begun=False) is not None
        except STORE_UNAVAILABLE:
            return False

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"{self._crew.host.name}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("lane_task_crashed", task=task.get_name(), exc_info=error)
        self._changed()


def _can_not_be_planned(view: View) -> bool:
    try:
        plan(view)
    except Exception:
        return True
    return False
