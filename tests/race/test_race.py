"""Whatever dies in between: what a client was told is counted, and nothing is counted twice."""

from __future__ import annotations

from pathlib import Path
from secrets import randbelow

import pytest

from tests.race.race import race

VOTES = 500
LIMIT_S = 100.0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_every_vote_is_counted_once_while_workers_are_killed_and_redis_is_emptied(
    database: str, tmp_path: Path
) -> None:
    seed = randbelow(1_000_000)
    report = await race(database, VOTES, seed, tmp_path, LIMIT_S)
    print(report)  # noqa: T201 - with the seed, for a failure to be tried again
    assert report.clean, str(report)
    assert report.accidents["kills"] > 0
