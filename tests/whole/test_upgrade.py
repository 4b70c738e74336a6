"""An upgrade without a gap, rehearsed: the schema is expanded under those who serve, then they are replaced."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from app.database.database import head
from tests.whole.client import call, open_battle, play
from tests.whole.harness import ROOT, environment, running_deployment

NEXT = "9990"
EXPANDING = f'''
"""A column that the version before leaves alone."""

import sqlalchemy as sa

from alembic import op

revision = "{NEXT}"
down_revision = "{head()}"
branch_labels = None
depends_on = None
oldest = "{head()}"


def upgrade() -> None:
    op.add_column("votes", sa.Column("of_the_next_version", sa.Text))


def downgrade() -> None:
    op.drop_column("votes", "of_the_next_version")
'''


def next_version(folder: Path) -> Path:
    """This version with one more migration, in a folder of its own."""
    ignored = shutil.ignore_patterns("__pycache__", "built")
    shutil.copytree(ROOT / "app", folder / "app", symlinks=False, ignore=ignored)
    migrations = folder / "app" / "database" / "migrations"
    (migrations / "versions" / f"r{NEXT}_next.py").write_text(EXPANDING)
    return folder


def run(folder: Path, settings: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "app.cli", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(settings), capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


async def test_two_versions_serve_side_by_side_while_one_replaces_the_other(tmp_path: Path) -> None:
    newer = {"PYTHONPATH": str(next_version(tmp_path / "next"))}
    with running_deployment(tmp_path / "deployment") as deployment:
        old = deployment.driver()
        begun = (await open_battle(old.url, num_models=3))["battle_id"]
        await play(old.url, begun, ["a"])

        told = await asyncio.to_thread(run, deployment.folder, deployment.settings | newer, "migrate")
        assert f"is at schema {NEXT}" in told, "the migration runs while the old version serves"

        new = deployment.start(**newer)
        after_restart = deployment.start()  # an old process that is restarted in the middle of the upgrade
        assert {line["schema"] for line in after_restart.logged("schema_is_newer")} == {NEXT}
        assert not new.logged("schema_is_newer")
        ended = await play(new.url, begun, ["b"])
        assert ended["status"] == "finished", "begun at the old version, ended at the new one"
        for url in (new.url, after_restart.url, old.url):
            battle = (await open_battle(url, num_models=2))["battle_id"]
            assert (await play(after_restart.url, battle, ["tie"]))["status"] == "finished"

        for instance in (old, after_restart):
            instance.terminate()
            assert instance.process.wait(60) == -signal.SIGTERM
        battle = (await open_battle(new.url, num_models=2))["battle_id"]
        assert (await play(new.url, battle, ["a"]))["status"] == "finished", "the hosts have found new drivers"
        assert (await call("GET", f"{new.url}/readyz")).status_code == 200


async def test_a_version_that_a_contracting_migration_has_left_behind_does_not_start(tmp_path: Path) -> None:
    folder = next_version(tmp_path / "next")
    migration = folder / "app" / "database" / "migrations" / "versions" / f"r{NEXT}_next.py"
    migration.write_text(EXPANDING.replace(f'oldest = "{head()}"\n', ""))
    settings = {"ARENA_DATA_DIR": str(tmp_path / "data"), "OLLAMA_HOST": "http://127.0.0.1:9"}
    told = await asyncio.to_thread(run, tmp_path, settings | {"PYTHONPATH": str(folder)}, "migrate")
    assert f"is at schema {NEXT}" in told
    refused = await asyncio.to_thread(run, tmp_path, settings, "serve", "--port", "0")
    assert f"schema ({NEXT}) is newer than this version" in refused
