"""An upgrade without a gap on SQLite; ``make upgrade`` has it on PostgreSQL, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.database.database import head
from tests.whole.upgrade import EXPANDING, NEXT, next_version, rehearse, run


async def test_two_versions_serve_side_by_side_while_one_replaces_the_other(tmp_path: Path) -> None:
    await rehearse(tmp_path)


async def test_a_version_that_a_contracting_migration_has_left_behind_does_not_start(tmp_path: Path) -> None:
    folder = next_version(tmp_path / "next")
    migration = folder / "app" / "database" / "migrations" / "versions" / f"r{NEXT}_next.py"
    migration.write_text(EXPANDING.replace(f'oldest = "{head()}"\n', ""))
    settings = {"ARENA_DATA_DIR": str(tmp_path / "data"), "OLLAMA_HOST": "http://127.0.0.1:9"}
    output = await asyncio.to_thread(run, tmp_path, settings | {"PYTHONPATH": str(folder)}, "migrate")
    assert f"is at schema {NEXT}" in output
    refused = await asyncio.to_thread(run, tmp_path, settings, "serve", "--port", "0")
    assert f"schema ({NEXT}) is newer than this version" in refused
