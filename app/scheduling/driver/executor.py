"""Executes the plan of one host: starts answers, loads and unloads models, each in a task of its own.

A task that crashes is logged; its job stays in the queue and is tried again after a pause that doubles. What crashes
too often (``retries``) fails; what only needs Redis or the database to come back waits for them, however long.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import structlog

from app.backends.base import BackendError, BackendUnavailable, GenerationRequest, residency_control
from app.hosts.host import Host
from app.scheduling.driver.answering_host import AnsweringHost
from app.scheduling.driver.answers import RunningAnswers
from app.scheduling.driver.attempt import AttemptRunner
from app.scheduling.driver.condemned import CondemnedAnswers
from app.scheduling.driver.early import NOTHING_EARLY, EarlyAnswers
from app.scheduling.driver.jobs import JobTable
from app.scheduling.driver.load_limit import LoadLimits
from app.scheduling.driver.loader import Loader, NothingToLoad
from app.scheduling.driver.policy import Policy
from app.scheduling.driver.rerouter import Rerouter
from app.scheduling.driver.retries import Retries
from app.scheduling.driver.signing import Signing
from app.scheduling.driver.state import DriverState
from app.scheduling.driver.store_retries import STORE_UNAVAILABLE
from app.scheduling.driver.tasks import DriverTasks
from app.scheduling.job import Job, Priority
from app.scheduling.planning.planner import Action, Load, Start, Unload, View
from app.scheduling.planning.trial import is_plannable, would_start
from app.scheduling.ports import Ports
from app.timing.time import Time

CLOSE_LIMIT_S = 2.0  # for tasks to close their sockets when the driver ends


class Executor:
    """What is under way on ``host``; ``changed`` is called whenever a new plan may come out differently."""

    def __init__(
        self, host: Host, ports: Ports, policy: Policy, state: DriverState, time: Time, changed: Callable[[], None]
    ) -> None:
        self._host = host
        self._ports = ports
        self._intervals = policy.intervals
        self._state = state
        self._time = time
        self._changed = changed
        self._retries = Retries(time.monotonic)
        self._jobs = JobTable(self._retries)
        self._running = RunningAnswers(state)
        signing = Signing(host.name, state.residency, ports.observer)
        self._answering = AnsweringHost(host, ports, CondemnedAnswers(ports.sink), signing, time)
        self._loader = Loader(
            host.name,
            residency_control(ports.backend) or NothingToLoad(),
            state.residency,
            policy.options,
            state.history,
            state.events,
            now=time.now,
            costs=state.costs,
            limits=LoadLimits(policy.load_limit),
        )
        self._tasks = DriverTasks(host.name, changed)
        self.early = EarlyAnswers(ports.backend, self._tasks, time.monotonic)
        self._rerouter = Rerouter(
            host.name, ports, self._jobs, self._running, state, policy.intervals, time, self._fail
        )
        self._rerouting = False
        self.asked: Callable[[], None] = lambda: None
        """Called for each request that is sent."""
        self._log = structlog.get_logger("app.scheduling.driver.executor").bind(host=host.name)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting and nothing under way."""
        return not self._jobs and not self._tasks

    @property
    def writing(self) -> bool:
        """Whether an answer is being written."""
        return self._running.anybody_writes()

    def add(self, jobs: Iterable[Job]) -> None:
        """Take jobs that were just enqueued or became more urgent."""
        self._jobs.add(jobs)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget jobs that were just removed from the queue; who still writes one of them is cut off."""
        for job_id in ids:
            self._jobs.forget(job_id)
            self._running.cancel(job_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Callable[[Iterable[Job]], None]]:
        """Give the function that takes all jobs as they are read inside of the block; who is gone is cut off."""
        async with self._jobs.reading() as take_jobs:

            def take(jobs: Iterable[Job]) -> None:
                take_jobs(jobs)
                self._running.cut_those_not_in({job.id for job in self._jobs.all()})

            yield take

    def view(self) -> View:
        """Return all that the planner wants to know; jobs that pause after a mishap aren't waiting."""
        residency, prewarmer = self._state.residency, self._state.prewarmer
        begun, moving = self._running.ids, self._rerouter.moving
        rested = [job for job_id, job in self._jobs.rested() if job_id not in begun and job_id != moving]
        # Before the residents are read: a server that manages its own memory has whatever is asked for.
        waiting = tuple(job.by(residency.spelling(job.model)) for job in rested)
        return View(
            now=self._time.now(),
            residents=residency.residents,
            waiting=waiting,
            in_flight=self.early.beside(self._running.by_model(), self._jobs),
            batch=self._running.of_class(Priority.BATCH),
            direct=self._running.of_class(Priority.DIRECT),
            people_at=self._running.people_at,
            loading=residency.loading,
            loading_since=residency.loading_since,
            leaving=frozenset(residency.leaving),
            slots=self._state.slots(self._host),
            sizes=residency.sizes,
            budget=residency.memory.budget,
            change_s=self._state.costs.known(),
            usual_change_s=self._state.costs.usual_s,
            prewarm=prewarmer.requests(lambda model: not residency.has(model) or model in residency.degraded),
            foreign=residency.foreign,
            empty_bytes=residency.memory.total_bytes,
            pins=frozenset(residency.spelling(model) for model in self._host.pins),
            rotation=frozenset(self._state.rotation()),
            to_load=self._state.requests.wanting("load"),
            to_unload=self._state.requests.wanting("unload"),
        )

    def perform(self, action: Action) -> None:
        """Begin what the planner decided."""
        residency = self._state.residency
        match action:
            case Start(job):
                residency.used(job.model)
                if job.id not in self.early:
                    self.asked()
                self._start(self._jobs[job.id], job.model)
            case Load(model, prewarm):
                self._state.costs.begun(model)
                residency.begin_load(model)
                self._tasks.spawn(self._load(model, prewarm=prewarm), f"load {model}")
            case Unload(model, reason, for_model):
                residency.leaving.add(model)
                self._state.costs.begun(for_model)
                if reason in ("makes_room", "requested"):
                    self._state.requests.settle(model)
                    self._state.prewarmer.evicted(model, by_operator=reason == "requested")
                self._tasks.spawn(self._unload(action), f"unload {model}")

    def begin_early(self, job: Job, request: GenerationRequest) -> None:
        """Send the request of a job that is about to come, if the plan with it would start it now."""
        job, view = job.by(self._state.residency.spelling(job.model)), self.view()
        if job.id in self._jobs or job.id in self.early or not would_start(view, job):
            return
        self._state.residency.used(job.model)
        self.asked()
        self.early.begin(job, request)

    def reroute_waiting(self) -> None:
        """The host is down: give what waits to other hosts."""
        if not self._rerouting and any(job.id not in self._running for job in self._jobs.all()):
            self._rerouting = True
            self._tasks.spawn(self._reroute_waiting(), "reroute")

    async def drained(self, limit: timedelta) -> None:
        """Wait until nothing is under way, at most ``limit``."""
        await self._tasks.drained(limit)

    async def aclose(self) -> None:
        """Cut the answers that are left, without an end, then everything else."""
        self._running.cut("the driver ends")
        await self.drained(timedelta(seconds=CLOSE_LIMIT_S))
        self._tasks.cancel()
        await self.drained(timedelta(seconds=CLOSE_LIMIT_S))

    def _start(self, job: Job, model: str, failure: BackendError | None = None) -> None:
        runner = AttemptRunner(
            job,
            model,
            self._answering,
            load=self._loader.window(model),
            failure=failure,
            early=self.early.take(job.id) or NOTHING_EARLY,
            on_free=self._freed,
        )
        self._running.add(runner, self._time.now())
        self._tasks.spawn(self._see_through(runner), f"answer {job.id}")

    def _fail(self, job: Job, failure: Exception) -> None:
        """End the answer of ``job`` with ``failure``, without asking the host."""
        error = failure if isinstance(failure, BackendError) else self._crash(failure)
        self._start(job, self._state.residency.spelling(job.model), error)

    async def _see_through(self, runner: AttemptRunner) -> None:
        outcome = "crashed"
        try:
            outcome = await runner.run()
        except Exception as error:
            self._log.warning("answer_crashed", battle=runner.job.battle, answer=runner.job.answer, exc_info=error)
            if not isinstance(error, STORE_UNAVAILABLE) and await self._is_given_up(runner):
                outcome = "done"
        finally:
            self._running.remove(runner)
        if outcome in ("done", "moved"):
            self._jobs.forget(runner.job.id)
        else:
            self._retries.pause(runner.job.id)

    async def _is_given_up(self, runner: AttemptRunner) -> bool:
        """Fail the answer of a job that crashes each time it is tried, or its viewers would wait for ever."""
        if not self._retries.crashed(runner.job.id):
            return False
        try:
            return await runner.give_up()
        except Exception as error:
            self._log.warning("answer_not_given_up", battle=runner.job.battle, exc_info=error)
            return False

    def fail_unplannable(self, failure: Exception) -> bool:
        """Fail the jobs that no plan can be made with, so that others are not held up; False: it is none of them."""
        view = self.view()
        unplannable = [job for job in view.waiting if not is_plannable(replace(view, waiting=(job,)))]
        for job in unplannable:
            self._start(self._jobs[job.id], job.model, self._crash(failure))
        return bool(unplannable)

    def _freed(self, runner: AttemptRunner) -> None:
        """Learn from an answer that ended, and let the next one start."""
        if self._running.learn(runner):
            self._tasks.spawn(self._check(), "check")
        self._changed()

    async def _check(self) -> None:
        if await self._state.health.check():
            self._state.residency.note_broken()

    def tend(self) -> None:
        """Keep what came without our load as long as ours, and send away what hangs, once nothing waits for it."""
        residency = self._state.residency
        while residency.unrequested:
            model = residency.unrequested.pop()
            self._tasks.spawn(self._loader.keep(model), f"keep {model}")
        failures = residency.failures
        for model in failures.hung & (residency.present - residency.leaving - set(self._running.by_model())):
            if not failures.try_anew(model):
                continue  # that did not help
            self._state.events.record("hung", model, "no answer came of it while the server answered: loaded anew")
            self.perform(Unload(model, "degraded", model))

    async def _load(self, model: str, *, prewarm: bool) -> None:
        """Load ``model``; when that fails, all who wait for it get the error, or another host."""
        state = self._state
        try:
            seconds = await self._loader.load(model)
        except Exception as failure:
            error = failure if isinstance(failure, BackendError) else self._crash(failure)
            state.breaker.failed(error)
            state.prewarmer.failed(model)
            state.requests.settle(model)
            for job in self._jobs.all():
                if job.id not in self._running and state.residency.spelling(job.model) == model:
                    self._start(job, model, error)
            await state.health.check()
            return
        if model not in state.residency.failures.loaded_anew:  # no sign that it answers now
            state.breaker.succeeded()
        state.prewarmer.loaded(model, prewarm=prewarm)
        self._ports.counters.loaded(self._host.name, model, seconds, prewarm=prewarm)

    def _crash(self, failure: Exception) -> BackendError:
        """A bug must not leave voters without an end, nor load for ever."""
        self._log.error("backend_crashed", exc_info=failure)
        return BackendUnavailable(type(failure).__name__)

    async def _unload(self, unload: Unload) -> None:
        if await self._loader.unload(unload):
            self._ports.counters.unloaded(self._host.name, unload.model)

    async def _reroute_waiting(self) -> None:
        try:
            await self._rerouter.reroute_all()
        finally:
            self._rerouting = False
