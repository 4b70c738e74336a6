"""The logs that the fold in TypeScript is tested with are those that the store writes today."""

from __future__ import annotations

import json

from tests.page.logs import FILE, record, refolded


async def test_the_logs_tell_what_the_store_tells_today(redis_url: str) -> None:
    """Ids, times and the draw differ from run to run; what happens, and in which order, does not."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    fresh = await record(redis_url)
    shape = [(log["name"], [(one["event"], sorted(one["data"])) for one in log["events"]]) for log in kept]
    now = [(log["name"], [(one["event"], sorted(one["data"])) for one in log["events"]]) for log in fresh]
    assert shape == now, "run make page-logs"
    assert [sorted(log["opened"]) for log in kept] == [sorted(log["opened"]) for log in fresh]


def test_the_python_fold_gives_the_snapshots_that_typescript_is_held_to() -> None:
    for log in json.loads(FILE.read_text(encoding="utf-8")):
        assert refolded(log) == log["cuts"], log["name"]
