"""Writes the report of a host while it is driven: at every change, and every so often as a sign of life."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from app.hosts.host import Host
from app.network.addresses import shown
from app.scheduling.driver.state import DriverState
from app.scheduling.job import Job, Priority
from app.scheduling.planning.planner import View
from app.scheduling.ports import Ports
from app.scheduling.report import REPORT_EVERY, HostReport, ResidentReport
from app.timing.time import Time

AT_MOST_EVERY = timedelta(milliseconds=250)
"""Changes that come sooner after one another go out together."""

PUT_LIMIT_S = 2.0
"""How long Redis may take for a report: the next one is due by then (``REPORT_EVERY``)."""


class Reporter:
    """Reports ``state`` of ``host``; ``view`` gives the driver's present view of its work.

    Nothing is reported before ``known`` is true, which is when the host was probed for the first time.
    """

    def __init__(
        self,
        host: Host,
        ports: Ports,
        state: DriverState,
        time: Time,
        *,
        view: Callable[[], View],
        known: Callable[[], bool],
    ) -> None:
        self._host, self._address = host.name, shown(host.url)
        self._ports = ports
        self._state = state
        self._time = time
        self._view = view
        self._known = known
        self.news = asyncio.Event()
        """Set it when the report may have changed; while there is work, that is looked for without being told."""
        self._reported: HostReport | None = None
        self._reported_at = float("-inf")
        self._log = structlog.get_logger("app.scheduling.driver.reporter").bind(host=host.name)

    async def inherit(self) -> None:
        """Take over from the report of an earlier driver of this server; what can't be read is no loss."""
        try:
            async with asyncio.timeout(PUT_LIMIT_S):
                before = (await self._ports.reports.read()).get(self._host)
        except Exception as error:  # no host is driven worse for want of its past
            self._log.info("past_unread", why=type(error).__name__)
            return
        if before is not None and before.address in ("", self._address):
            self._state.inherit(before)
            self._ports.counters.taken_over(self._host)

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            self.news.clear()
            if self._known():
                await self._put_if_due()
            began = self._time.monotonic()
            if self._is_idle():
                await self.news.wait()
            await asyncio.sleep(max(AT_MOST_EVERY.total_seconds() - (self._time.monotonic() - began), 0.0))

    def _is_idle(self) -> bool:
        last = self._reported
        return last is None or not (last.running or last.waiting or last.loading)

    async def _put_if_due(self) -> None:
        report, now = self.report(), self._time.monotonic()
        same = self._reported is not None and replace(report, at=self._reported.at) == self._reported
        if same and now - self._reported_at < REPORT_EVERY.total_seconds():
            return
        try:
            async with asyncio.timeout(PUT_LIMIT_S):
                await self._ports.reports.put(report)
        except Exception as error:  # Redis is unavailable, or whatever: the next one may get there
            self._log.info("report_not_told", why=type(error).__name__)
            return
        self._reported, self._reported_at = report, now

    def report(self) -> HostReport:
        """The host as of now."""
        view, state, now = self._view(), self._state, self._time.now()
        residency, breaker, history = state.residency, state.breaker, state.history
        return HostReport(
            host=self._host,
            at=now,
            health=breaker.health,
            why=breaker.why,
            since=round(now - (self._time.monotonic() - breaker.since)),
            version=state.health.version,
            residents=self._residents(),
            loading=residency.loading,
            loading_since=residency.loading_since if residency.loading else 0.0,
            loading_limit_s=residency.loading_limit_s if residency.loading else 0.0,
            waiting=len(view.waiting),
            running=sum(view.in_flight.values()),
            waiting_by_model=dict(Counter(job.model for job in view.waiting)),
            running_by_model={model: count for model, count in view.in_flight.items() if count},
            load_s=_rounded(history.loads()),
            change_s=_rounded(state.costs.known()),
            answer_s=_rounded(history.answers()),
            tokens_per_s=_rounded(history.rates.usual()),
            planned=state.prewarmer.plan,
            max_models=residency.memory.models,
            events=state.events.newest,
            unloads=state.events.unloads,
            failed_answers=breaker.failed_answers,
            failure=breaker.failure,
            address=self._address,
            slots=view.slots,
            seen_running=state.health.activity.running,
            seen_waiting=state.health.activity.waiting,
            sizes=dict(residency.sizes),
            waiting_since=oldest_wait(view.waiting),
        )

    def _residents(self) -> tuple[ResidentReport, ...]:
        residency = self._state.residency
        listed = residency.listed
        return tuple(
            ResidentReport(
                model=resident.model,
                size_bytes=resident.size_bytes,
                vram_bytes=seen.entry.vram_bytes if (seen := listed.get(resident.model)) else 0,
                context_length=seen.entry.context_length if seen else None,
                expires_at=seen.entry.expires_at if seen else None,
                since=resident.since,
                used=resident.used,
                flags=seen.flaws if seen else (),
                ours=seen.ours if seen else True,
            )
            for resident in residency.residents
        )


def oldest_wait(waiting: Sequence[Job]) -> float:
    """When the oldest answer that somebody waits for was enqueued; 0 when nobody waits."""
    return min((job.enqueued_at for job in waiting if job.priority is not Priority.BATCH), default=0.0)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {model: round(value, 2) for model, value in figures.items()}
