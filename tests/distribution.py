"""How pytest-xdist spreads the files over its processes: what shares a home stays together, and the longest go first.

A home (several processes of the arena, model servers, a Redis) is started by each process of xdist that runs a test
of it, so all its files are one unit of work. Units are given out by how long they take on an idle machine: a long one
that comes last is waited for by all.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]

ASKS_FOR_A_HOME: Final = {
    "tests/whole": re.compile(r"\bdeployed: SharedDeployment\b"),
    "tests/legacy": re.compile(r"\bdeployed: LegacyDeployment\b"),
    "tests/page": re.compile(r"(?<!own_)\barena: ServedArena\b"),
}
"""By folder with a home, how a test asks for it."""

SECONDS: Final = {
    "tests/whole": 120.0,
    "tests/legacy": 110.0,
    "tests/page": 60.0,
    "tests/process/test_serve.py": 60.0,
    "tests/race/test_race.py": 60.0,
    "tests/whole/test_handover.py": 60.0,
    "tests/whole/test_driving.py": 60.0,
    "tests/whole/test_takeover.py": 50.0,
    "tests/scheduling_virtual/test_hours.py": 50.0,
    "tests/doctor/test_cases.py": 30.0,
    "tests/ranking/test_unbeaten.py": 30.0,
    "tests/records/test_batch_outages.py": 25.0,
    "tests/whole/test_outages.py": 25.0,
    "tests/redis/test_embedded.py": 25.0,
    "tests/records/test_races.py": 20.0,
    "tests/leaderboard/test_taken_back.py": 20.0,
    "tests/whole/test_stores_that_refuse.py": 20.0,
    "tests/records/test_export.py": 20.0,
    "tests/process/test_hangup.py": 20.0,
    "tests/records/test_migrations.py": 20.0,
    "tests/records/test_commands.py": 15.0,
    "tests/records/test_import.py": 15.0,
    "tests/leaderboard/test_filters.py": 15.0,
    "tests/whole/test_upgrade.py": 15.0,
    "tests/ranking/test_clusters.py": 15.0,
    "tests/ranking/test_head_to_head.py": 15.0,
    "tests/ranking/test_intervals.py": 15.0,
    "tests/page/test_typescript.py": 15.0,
    "tests/leaderboard/test_terminal.py": 15.0,
    "tests/arena/test_log.py": 15.0,
    "tests/demo/test_end.py": 15.0,
    "tests/whole/test_database_away.py": 10.0,
    "tests/web/test_runs.py": 10.0,
    "tests/web/test_connection.py": 10.0,
    "tests/web/test_hosts_served.py": 10.0,
    "tests/leaderboard/test_snapshots.py": 10.0,
    "tests/tracing/test_collector.py": 10.0,
    "tests/batch/test_kills.py": 10.0,
    "tests/whole/test_flushed.py": 10.0,
    "tests/whole/test_fallback.py": 10.0,
}
"""What is known to take long, in seconds; all else takes less, and goes by its number of tests."""


@cache
def unit_of(file: str) -> str:
    """The unit of work that a test file belongs to: the folder whose home its tests share, or the file itself."""
    folder = file.rpartition("/")[0]
    asks = ASKS_FOR_A_HOME.get(folder)
    return folder if asks and asks.search((ROOT / file).read_text(encoding="utf-8")) else file


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """xdist's ``loadfile``, with homes as units and an order."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: object) -> None:
        longest = max(self.workqueue, key=lambda unit: SECONDS.get(unit, 0.0))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
