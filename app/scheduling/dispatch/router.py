"""Which host writes an answer, and the way to its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from app.errors import QueueFull, Unavailable
from app.hosts.host import Host
from app.hosts.names import key_of
from app.metrics.counters import Counters
from app.scheduling.dispatch.assignments import Assignments, MemoryAssignments
from app.scheduling.dispatch.host_states import HostStates
from app.scheduling.dispatch.placement import Candidate, ranked
from app.scheduling.dispatch.queue import queue_full
from app.scheduling.job import Job
from app.scheduling.ports import Queue
from app.scheduling.report import BUDGET_SPENT, Reports
from app.timing.time import Time
from app.tracing.spans import current

WANTED_FOR = timedelta(minutes=5)
"""How long a visitor is expected to begin a battle."""


class Router:
    """The way to all hosts' queues; it is the drivers' ``Reroute``, too.

    ``models`` says what each host has, and may change meanwhile; ``alive`` whether this process could reach it.
    ``bound`` is the largest number of jobs that a host takes. Jobs are counted when they are put into a queue, there.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        queues: Mapping[str, Queue],
        models: Mapping[str, Collection[str]],
        bound: int,
        reports: Reports,
        *,
        assignments: Assignments | None = None,
        alive: Callable[[str], bool] = lambda _host: True,
        counters: Counters | None = None,
        time: Time | None = None,
    ) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._queues = dict(queues)
        self._models = models
        self._bound = bound
        self._assignments = assignments or MemoryAssignments()
        self._counters = counters or Counters()
        self._time = time or Time()
        self._states = HostStates(hosts, queues, reports, bound, alive, self._time.monotonic)

    def hosts_of(self, model: str) -> list[str]:
        """Names of the hosts that have ``model`` and may write it, in the configured order."""
        wanted = key_of(model)
        return [
            name
            for name, host in self._hosts.items()
            if any(key_of(known) == wanted for known in self._models.get(name, ()))
            and (not host.models or any(key_of(allowed) == wanted for allowed in host.models))
        ]

    async def written(self, models: Iterable[str]) -> tuple[str, ...]:
        """Those of ``models`` that a host can write now: one that has it and is not known to be down.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        candidates = await self._states.read()
        return tuple(model for model in models if ranked(model, [candidates[host] for host in self.hosts_of(model)]))

    async def over_budget(self) -> tuple[str, ...]:
        """The hosts that nothing wakes any more today, because their budget is spent."""
        candidates = await self._states.read()
        return tuple(
            name for name, one in candidates.items() if one.report is not None and one.report.why == BUDGET_SPENT
        )

    async def room(self, models: Iterable[str]) -> None:
        """Check that all ``models`` could be enqueued now, before a battle is accepted; nothing is reserved.

        Raises:
            QueueFull: the hosts have no room for them.
            Unavailable: no host has one of them, or none that has it works.
        """
        candidates = dict(await self._states.read())
        for model in models:
            best = self._best(model, candidates)
            if best.room < 1:
                raise queue_full()
            candidates[best.host] = best.with_more()

    async def enqueue(self, jobs: Iterable[Job]) -> None:
        """Put each job into a host's queue; to repeat it is harmless, also after it half succeeded.

        Raises:
            QueueFull: a host has no room; the jobs of other hosts are in.
            Unavailable: no host is known to have one of the models yet; the other jobs are in.
        """
        by_host: dict[str, list[Job]] = {}
        nowhere: Unavailable | None = None
        candidates = dict(await self._states.read())
        wanted: dict[str, str] = {}
        todo = list(jobs)
        for job in todo:
            try:
                host = self._destination(job.model, candidates)
            except Unavailable as error:
                nowhere = error
                continue
            wanted[job.id] = host
            candidates[host] = candidates[host].with_more()
        hosts = wanted if self._single else await self._assigned(wanted)
        for job in todo:
            if hosts.get(job.id) in self._queues:
                by_host.setdefault(hosts[job.id], []).append(job)
        await self._put(by_host)
        if nowhere is not None:
            raise nowhere

    def likely_host(self, model: str) -> str | None:
        """The host that an answer of ``model`` would be given now, by what was last read; None: it is not known."""
        seen = self._states.last
        able = ranked(model, [seen[host] for host in self.hosts_of(model) if host in seen])
        return able[0].host if able else None

    async def candidates(self) -> Mapping[str, Candidate]:
        """All hosts as they were seen a moment ago, for those who choose one themselves.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        return dict(await self._states.read())

    async def put(self, wanted: Mapping[Job, str]) -> dict[str, str]:
        """Put each job into the queue of the host that was chosen for it; return the host of each by job id.

        A job that was put somewhere before is there, whatever is wanted now; to repeat it is harmless.

        Raises:
            QueueFull: a host has no room; the jobs of other hosts are in.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        chosen = {job.id: host for job, host in wanted.items()}
        hosts = chosen if self._single else await self._assigned(chosen)
        by_host: dict[str, list[Job]] = {}
        for job in wanted:
            by_host.setdefault(hosts[job.id], []).append(job)
        await self._put(by_host)
        return hosts

    async def move(self, job: Job, origin: str, *, begun: bool = True) -> str | None:
        """Give ``job`` of the host ``origin`` to another; return whose it is, None: nobody else's.

        What was ``begun`` there doesn't come back, and goes to no host that has tried it. What only waited there goes
        wherever it can be written, and may come back.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable; the job is somewhere, and is found there.
        """
        if self._single:
            return None
        candidates = await self._states.read()
        able = [candidates[host] for host in self.hosts_of(job.model)]
        tried = (*job.tried, origin) if begun else job.tried
        best = ranked(job.model, able, (*tried, origin)) or ([] if begun else ranked(job.model, able, (origin,)))
        target = next((candidate.host for candidate in best if candidate.room > 0), None)
        if target is None:
            return None
        target = await self._assignments.move(job.id, origin, target)
        if target not in self._queues:  # a host that only another process knows
            return None
        try:
            await self._queues[target].enqueue([_traced(replace(job, tried=tried))], self._bound)
        except QueueFull:
            await self._assignments.move(job.id, target, origin)
            return None
        self._states.dispatched(target, 1)
        await self._queues[origin].remove([job.id])
        self._counters.moved(origin, target)
        return target

    async def forward(self, job: Job, origin: str) -> bool:
        """See whether ``job``, which is in the queue of ``origin``, is another host's; if so it is put there.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if self._single:
            return False
        owner = await self._assignments.of(job.id)
        if owner is None or owner == origin or owner not in self._queues:
            return False
        await self._queues[owner].enqueue([job], self._bound + 1)
        await self._queues[origin].remove([job.id])
        return True

    async def forget(self, job: Job) -> None:
        """Forget where a job was: it has ended."""
        if not self._single:
            await self._assignments.forget([job.id])

    async def cancel(self, jobs: Iterable[Job | str]) -> None:
        """Take jobs (or job ids) back, wherever they are: their drivers close the sockets."""
        ids = [job if isinstance(job, str) else job.id for job in jobs]
        if ids:
            forget = () if self._single else (self._assignments.forget(ids),)
            await asyncio.gather(*(queue.remove(ids) for queue in self._queues.values()), *forget)

    async def warm(self, models: Sequence[str]) -> None:
        """Announce to the hosts that would write ``models`` that somebody is about to play with them.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        requests: dict[str, list[str]] = {}
        for model in models:
            best = await self.best_of(self.hosts_of(model), model)
            if best is not None:
                requests.setdefault(best, []).append(model)
        until = self._time.now() + WANTED_FOR.total_seconds()
        await asyncio.gather(*(self._queues[host].request_prewarm(names, until) for host, names in requests.items()))

    async def best_of(self, hosts: Iterable[str], model: str) -> str | None:
        """Which of ``hosts`` would write ``model`` now; None: none of them works.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        candidates = await self._states.read()
        return next((one.host for one in ranked(model, [candidates[host] for host in hosts])), None)

    @property
    def _single(self) -> bool:
        return len(self._queues) == 1

    async def _assigned(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Assign answers; one of a host that is no longer configured, where nobody would write it, is given anew."""
        hosts = await self._assignments.assign(wanted)
        for job_id, host in hosts.items():
            if host not in self._queues:
                hosts[job_id] = await self._assignments.move(job_id, host, wanted[job_id])
        return hosts

    async def _put(self, by_host: Mapping[str, list[Job]]) -> None:
        for host, group in by_host.items():
            self._states.dispatched(host, len(group))
        calls = (
            self._queues[host].enqueue([_traced(job) for job in group], self._bound) for host, group in by_host.items()
        )
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def _best(self, model: str, candidates: Mapping[str, Candidate]) -> Candidate:
        """The candidate that would write ``model``.

        Raises:
            Unavailable: no host has it, or none that has it works.
        """
        names = self.hosts_of(model)
        if not names:
            raise Unavailable("No model host has this model now; pull it there or take it off the list of models")
        able = ranked(model, [candidates[name] for name in names])
        if not able:
            raise Unavailable("No host of one of the models works now; try again in a few seconds", retry_after_s=5)
        return able[0]

    def _destination(self, model: str, candidates: Mapping[str, Candidate]) -> str:
        """The host that writes ``model``, or the one that finds out that it can't be written now.

        A model may be deleted while its battle runs, and a host may die. Once every host has said what it has, the
        first one with the model, else the first of all, fails the answer, as it would if it had waited there.

        Raises:
            Unavailable: no host has it, but one has not said yet.
        """
        names = self.hosts_of(model)
        able = ranked(model, [candidates[name] for name in names])
        if able:
            return able[0].host
        if names:
            return names[0]
        if any(host not in self._models for host in self._queues):
            raise Unavailable("No model host has this model now; pull it there or take it off the list of models")
        return next(iter(self._queues))


def _traced(job: Job) -> Job:
    """``job`` with the trace of what asks for it here, unless it has one."""
    context = current.get()
    return replace(job, trace=context) if context and not job.trace else job
