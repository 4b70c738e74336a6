"""Writes the report of a host while its lane drives it: at every change, and every so often as a sign of life."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from app.scheduling.driver.crew import Crew
from app.scheduling.planning.planner import View
from app.scheduling.report import TELL_EVERY, HostReport, Reports, ResidentReport

NOT_OFTENER = timedelta(milliseconds=250)
"""Changes that come sooner after one another go out together."""

PUT_LIMIT_S = 2.0


class Reporter:
    """Puts what ``crew`` knows into ``reports``; ``view`` gives the lane's present view of its work.

    Nothing is told before ``knows`` is true, which is when the host was looked at for the first time.
    """

    def __init__(self, crew: Crew, reports: Reports, view: Callable[[], View], knows: Callable[[], bool]) -> None:
        self._crew = crew
        self._reports = reports
        self._view = view
        self._knows = knows
        self._told: HostReport | None = None
        self._told_at = float("-inf")
        self._log = structlog.get_logger("app.scheduling.driver.reporter").bind(host=crew.host.name)

    async def inherit(self) -> None:
        """Take the events over from the report of an earlier driver; what can't be read is no loss."""
        try:
            async with asyncio.timeout(PUT_LIMIT_S):
                before = (await self._reports.read()).get(self._crew.host.name)
        except Exception as error:  # no host is driven worse for want of its past
            self._log.info("past_unread", why=type(error).__name__)
            return
        if before is not None:
            self._crew.journal.inherit(before.events)
            if self._crew.tally is not None:
                self._crew.tally.taken_over(self._crew.host.name)

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            if self._knows():
                await self._tell()
            await asyncio.sleep(NOT_OFTENER.total_seconds())

    async def _tell(self) -> None:
        report = self.report()
        now = self._crew.clock()
        old = self._told is not None and replace(report, at=self._told.at) == self._told
        if old and now - self._told_at < TELL_EVERY.total_seconds():
            return
        try:
            async with asyncio.timeout(PUT_LIMIT_S):
                await self._reports.put(report)
        except Exception as error:  # Redis is away, or whatever: the next one may get there
            self._log.info("report_not_told", why=type(error).__name__)
            return
        self._told, self._told_at = report, now

    def report(self) -> HostReport:
        """The host as of now."""
        crew, view = self._crew, self._view()
        here, breaker, history = crew.residency, crew.breaker, crew.history
        trouble_s = crew.clock() - breaker.since
        return HostReport(
            host=crew.host.name,
            at=crew.wall(),
            health=breaker.health,
            why=breaker.why,
            since=round(crew.wall() - trouble_s),
            version=crew.version,
            residents=self._residents(),
            loading=here.loading,
            loading_since=here.loading_since if here.loading else 0.0,
            waiting=len(view.waiting),
            running=sum(view.in_flight.values()),
            waiting_by_model=dict(Counter(job.model for job in view.waiting)),
            running_by_model={model: count for model, count in view.in_flight.items() if count},
            load_s=_rounded(history.loads()),
            answer_s=_rounded(history.answers()),
            tokens_per_s=_rounded(history.rates.usual()),
            planned=crew.keeper.plan,
            max_models=here.limits.models,
            events=crew.journal.events,
            failed_answers=breaker.failed_answers,
            failure=breaker.failure,
        )

    def _residents(self) -> tuple[ResidentReport, ...]:
        here = self._crew.residency
        listed = here.listed
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
            for resident in here.residents
        )


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {model: round(value, 2) for model, value in figures.items()}
