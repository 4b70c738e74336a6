"""Notes the loads of models that happen while a run works."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.batch.runs import LoadSeen, Run, RunRecords


class LoadNotes:
    """The loads that this process has seen: each is noted once, those from before the run never."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records
        self._seen: set[tuple[str, float]] = set()

    async def note(self, run: Run, loads: Iterable[LoadSeen]) -> None:
        """Note those of ``loads`` that are new, with how many jobs the run had done by then."""
        for load in loads:
            key = (load.host, load.since)
            if key not in self._seen and run.started_at is not None and load.since > run.started_at.timestamp():
                await self._records.add_load(run.id, replace(load, jobs_done=run.jobs_ended))
            self._seen.add(key)
