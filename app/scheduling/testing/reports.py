"""The reports of hosts without Redis."""

from __future__ import annotations

from collections.abc import Mapping

from app.scheduling.report import HostReport


class MemoryReports:
    """The newest report of each host in a dictionary."""

    def __init__(self) -> None:
        self._reports: dict[str, HostReport] = {}

    async def put(self, report: HostReport) -> None:
        """Replace the report of its host."""
        self._reports[report.host] = report

    async def read(self) -> Mapping[str, HostReport]:
        """Return all reports by host."""
        return dict(self._reports)
