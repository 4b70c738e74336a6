"""Whatever dies in between: what a client was told is counted, and nothing is counted twice."""

from __future__ import annotations

from pathlib import Path
from secrets import randbelow

import pytest

from tests.race.race import race

VOTES = 500
#: On two cores of its own it takes a tenth of this; a busy machine may take its time.
LIMIT_S = 240.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_every_vote_is_counted_once_while_workers_are_killed_and_redis_is_emptied(
    database: str, tmp_path: Path
) -> None:
    seed = randbelow(1_000_000)
    report = await race(database, VOTES, seed, tmp_path, LIMIT_S)
    print(report)  # noqa: T201 - with the seed, for a failure to be tried again
    assert report.clean, str(report)
    assert report.accidents["kills"] > 0
