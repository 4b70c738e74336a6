"""Whatever dies in between: what a client was told is counted, and nothing is counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.scheduling.ports import MOST_SILENT
from tests.race.race import race

#: What is drawn is always the same; `make race` draws anew.
SEED = 796867
VOTES = 150
#: Rounds, in each of which but the first so many a worker is killed: three times, or four with what is judged anew.
KILL_EVERY = 40
#: On two cores of its own it takes a tenth of this; a busy machine may take its time.
LIMIT_S = 240.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_every_vote_is_counted_once_while_workers_are_killed_and_redis_is_emptied(
    database: str, tmp_path: Path
) -> None:
    report = await race(database, VOTES, SEED, tmp_path, LIMIT_S, KILL_EVERY)
    assert report.clean, str(report)
    assert report.accidents["Redis emptied"] == 1
    assert 0 < report.accidents["kills"] < MOST_SILENT, "too few for an answer to be given up, however slow it all is"
