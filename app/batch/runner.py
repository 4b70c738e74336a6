"""Works one run off: a window of jobs, stage by stage, until all have ended.

One step at a time: take what was answered, judge it, end jobs, admit others, render what is due, give it to hosts. What
a step decides is in SQL before the next begins. A step that fails because a store is unavailable is forgotten, and the
next one starts from what SQL has; calls that are under way meanwhile are found again by their ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from app.batch.caching import RunCache
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, largest_window, missing, window
from app.batch.feeding import feed
from app.batch.hosts import RunHosts, what_is_missing
from app.batch.hours import is_open, opens_at
from app.batch.jobs_file import too_many
from app.batch.judging import INVALID, judged
from app.batch.load_notes import LoadNotes
from app.batch.outage import STORES_UNAVAILABLE, Outage
from app.batch.parts import RunnerParts
from app.batch.prompts import Flying, OpenJob, Prompts, end_of
from app.batch.rendering.renderer import Renderer
from app.batch.requests import asked_again
from app.batch.runs import ACTIVE, CallChange, Changes, Run
from app.errors import QueueFull

CHECK_EVERY_S = 0.25
"""How often SQL is asked for answers that other processes stored."""
PUT_AGAIN_S = 10.0
"""How often calls under way are queued again: nothing changes unless Redis has lost them."""
LONGEST_PAUSE_S = 30.0
STORE_AGAIN_S = 1.0
"""How long a store that is unavailable is left alone."""

NEVER_MADE = CallRecord("open")

log = structlog.get_logger(__name__)


class BatchRunner:
    """Works the run ``run`` off; ``outage`` is what it waits for while a store is unavailable.

    ``waits`` says whether it waits for the run's hours, or leaves the run to be taken up again then.
    """

    def __init__(self, parts: RunnerParts, run: Run, *, waits: bool) -> None:
        self._parts = parts
        self._run = run
        self._waits = waits
        self._spec = run.spec
        self._hosts = 1
        self._renderer = Renderer(run.spec)
        self._prompts = Prompts(run.spec, self._renderer, parts.options_of, parts.chat_of)
        self._cache = RunCache(parts.records, parts.cache, parts.digests_of, run)
        self._open: dict[int, OpenJob] = {}
        self._flying: dict[str, Flying] = {}
        self._not_before: dict[CallKey, float] = {}
        self._loads = LoadNotes(parts.records)
        self._put_at = 0.0
        self._worked_at: float | None = None
        self._note = run.note
        self._news = asyncio.Event()
        self.outage = Outage(parts.records, parts.time.monotonic)

    def answer_stored(self) -> None:
        """An answer of the run was stored by this process: go on at once."""
        self.outage.unstored = False
        self._news.set()

    def answer_not_stored(self, error: Exception) -> None:
        """An answer of the run can't be stored by this process now; it is tried again."""
        self.outage.unstored = True
        self.outage.seen(error)

    async def work(self) -> None:
        """Work until the run ends, is paused or cancelled."""
        try:
            while await self._patient_step():
                await self._wait(CHECK_EVERY_S)
        finally:
            await self._renderer.aclose()

    async def withdraw(self) -> None:
        """Take back what hosts have; what they have answered is stored already."""
        flying, self._flying = tuple(self._flying), {}
        if flying:
            await self._parts.hosts.take_back(flying)

    async def _patient_step(self) -> bool:
        """One step, also while stores are unavailable; False: there is nothing more to do."""
        try:
            goes_on = await self.step()
            await self.outage.over(self._run.id, ended=not goes_on)
        except STORES_UNAVAILABLE as error:
            log.warning("batch_waits", run=self._run.id, why=self.outage.seen(error), error=str(error))
            self._open, self._worked_at, self._put_at = {}, None, 0.0
            await asyncio.sleep(STORE_AGAIN_S)
            return True
        return goes_on

    async def step(self) -> bool:
        """Do what can be done now; False when the run does not go on here."""
        self._news.clear()
        run = self._run = await self._parts.records.run(self._run.id)
        if run.status not in ACTIVE:
            await self.withdraw()
            return False
        if run.status == "queued":
            await self._parts.records.move(run.id, ("queued",), "running")
        await self._collect()
        if await self._ended(run):
            return False
        if not is_open(run.between, self._parts.time.now()):
            await self._say(f"waits for its hours, from {opens_at(run.between)} on")
            return self._waits or bool(self._flying)
        await self._admit()
        await self._render()
        await self._give()
        return True

    # ── answers ──

    async def _collect(self) -> None:
        """Take what was answered, judge it, end jobs."""
        numbers = sorted({flying.call.n for flying in self._flying.values()} | set(self._open))
        answered = await self._parts.records.answered(self._run.id, numbers)
        changes = await judged(self._spec, self._renderer, answered, self._working_models)
        asked = {flying.call.key: flying.call.request for flying in self._flying.values()}
        await self._cache.keep(changes, answered, asked)
        for change in changes:
            self._pause(change)
            self._take(change, answered[change.key.n][change.key.stage, change.key.part])
        await self._apply(changes)

    async def _working_models(self) -> frozenset[str]:
        seen = await self._seen()
        return frozenset(model for host in seen.hosts for model in host.models)

    def _pause(self, change: CallChange) -> None:
        """A call that its host failed is made again after a while that doubles."""
        if change.status == "open" and change.error_code != INVALID:
            pause_s = min(2.0 ** min(change.tries, 10), LONGEST_PAUSE_S)
            self._not_before[change.key] = self._parts.time.monotonic() + pause_s

    def _take(self, change: CallChange, call: CallRecord) -> None:
        """Keep in mind what became of a call."""
        key = change.key
        for id_, flying in list(self._flying.items()):
            if flying.call.key == key:
                del self._flying[id_]
        job = self._open.get(key.n)
        if job is not None:
            became = {name: getattr(change, name) for name in ("status", "tries", "faults", "error_code", "error")}
            job.calls[key.stage, key.part] = replace(call, **became)

    async def _apply(self, changes: Iterable[CallChange]) -> None:
        """Store what was decided, and the ends of jobs that follow from it."""
        ends = [end for job in self._open.values() if (end := end_of(self._spec, job)) is not None]
        await self._parts.records.apply(self._run.id, Changes(tuple(changes), tuple(ends), self._worked()))
        for end in ends:
            await self._forget(end.n)

    async def _forget(self, n: int) -> None:
        """Drop a job that has ended, and what hosts still have of it."""
        self._open.pop(n, None)
        self._cache.forget(n)
        left = [id_ for id_, flying in self._flying.items() if flying.call.n == n]
        for id_ in left:
            del self._flying[id_]
        if left:
            await self._parts.hosts.take_back(left)

    def _worked(self) -> timedelta:
        """How long the run has worked since this was asked last."""
        now, before = self._parts.time.monotonic(), self._worked_at
        self._worked_at = now
        return timedelta(0) if before is None else timedelta(seconds=now - before)

    async def _ended(self, run: Run) -> bool:
        """Whether the run is over, and how."""
        now = await self._parts.records.run(run.id)
        if now.jobs_ended >= now.jobs:
            await self._parts.records.move(run.id, ACTIVE, "completed")
            return True
        if too_many(now.max_failures, now.jobs_failed, now.jobs):
            await self.withdraw()
            code = await self._parts.records.commonest_error(run.id)
            note = f"stopped: {now.jobs_failed} jobs failed (limit {now.max_failures}), most often with {code}"
            await self._parts.records.move(run.id, ACTIVE, "failed", note)
            return True
        self._run = now
        return False

    # ── what is due ──

    async def _admit(self) -> None:
        room = window(self._run.jobs_ended, self._spec.window or largest_window(self._hosts)) - len(self._open)
        if room > 0:
            for job in await self._parts.records.waiting(self._run.id, frozenset(self._open), room):
                self._open[job.n] = OpenJob(job, dict(job.calls))

    async def _render(self) -> None:
        """Render what is due, until no stage is skipped or fails."""
        while True:
            changes = await self._prompts.rendered(self._open)
            for change in changes:
                record = CallRecord(change.status, change.tries, error_code=change.error_code, error=change.error)
                self._open[change.key.n].calls[change.key.stage, change.key.part] = record
            if not changes:
                return
            await self._apply(changes)

    # ── hosts ──

    async def _seen(self) -> RunHosts:
        in_flight: dict[str, Counter[str]] = {}
        for flying in self._flying.values():
            in_flight.setdefault(flying.host, Counter())[flying.call.request.model] += 1
        models = {request.model for job in self._open.values() for request in job.requests.values()}
        models |= {flying.call.request.model for flying in self._flying.values()}
        return await self._parts.hosts.seen(sorted({*self._spec.models, *models}), in_flight)

    async def _give(self) -> None:
        """Give hosts what is ready, deepest stage and lowest job first; say so when nobody takes it."""
        await self._put_again()
        ready_calls = self._ready()
        waiting = await self._cache.without_known(ready_calls)
        if len(waiting) < len(ready_calls):
            self._news.set()  # what the cache has is judged at once
        seen = await self._seen()
        self._hosts = len(seen.hosts)
        await self._loads.note(self._run, seen.loads)
        ready = Counter(call.request.model for call in waiting)
        by_model: dict[str, list[BatchCall]] = {}
        for call in waiting:
            by_model.setdefault(call.request.model, []).append(call)
        chosen = []
        for one in feed(seen.hosts, ready, self._spec.shares):
            calls, by_model[one.model] = by_model[one.model][: one.count], by_model[one.model][one.count :]
            chosen += [(call, one.host) for call in calls]
        await self._put(chosen)
        await self._say(what_is_missing(seen, ready))

    def _ready(self) -> list[BatchCall]:
        """The calls that no host has yet, the deepest stage first."""
        flown = {flying.call.key for flying in self._flying.values()}
        now = self._parts.time.monotonic()
        ready = []
        for n, job in self._open.items():
            for stage, part in missing(self._spec, job.calls):
                key = CallKey(n, stage, part)
                request = job.requests.get((stage, part))
                if request is not None and key not in flown and self._not_before.get(key, 0.0) <= now:
                    known = job.calls.get((stage, part), NEVER_MADE)
                    ready.append(BatchCall(self._run.id, *key, known.tries, asked_again(request, known.faults)))
        return sorted(ready, key=lambda call: (-call.stage, call.n, call.part))

    async def _put(self, chosen: list[tuple[BatchCall, str]]) -> None:
        if not chosen:
            return
        try:
            hosts = await self._parts.hosts.put(chosen)
        except QueueFull:
            return  # they are asked for again in a moment
        for call, host in chosen:
            self._flying[call.id] = Flying(call, hosts.get(call.id, host))

    async def _put_again(self) -> None:
        now = self._parts.time.monotonic()
        if now - self._put_at < PUT_AGAIN_S:
            return
        self._put_at = now
        await self._put([(flying.call, flying.host) for flying in self._flying.values()])

    async def _say(self, note: str) -> None:
        if note != self._note:
            self._note = note
            await self._parts.records.note(self._run.id, note)
            if note:
                log.warning("batch_waits", run=self._run.id, why=note)

    async def _wait(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._news.wait()
        except TimeoutError:
            return
