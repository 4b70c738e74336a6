"""A command that is killed: the same command goes on, nothing is lost and nothing that is stored is made again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.database.database import migrate
from tests.batch.kills import night, texts


def test_a_run_goes_on_after_kills_and_an_emptied_redis(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    asyncio.run(migrate(url))
    with night(tmp_path / "run", 24, url) as found:
        assert found.kill_after(found.run(), 20, empty_redis=True)
        results = found.finish()
        assert [line["custom_id"] for line in results] == [f"j{n}" for n in range(24)]
        assert all(line["status"] == "done" for line in results)
        assert found.made_again() == []
        assert len(found.made) <= 3 * 24 + 4 * 2  # beside those that were cut by the kill, one for each slot
        assert all(text for _, stages in texts(results) for text in stages)
