"""An upgrade without a gap, rehearsed on SQLite and on PostgreSQL: ``python -m tests.whole.upgrade``, ``make upgrade``.

The schema is expanded under those who serve, then they are replaced one by one. ``test_upgrade.py`` has it on SQLite.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from app.database.database import head
from tests.records.postgres_server import PostgresServer
from tests.whole.client import call, open_battle, play
from tests.whole.harness import ROOT, Deployment, Instance, environment, running_deployment

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


async def rehearse(folder: Path, database: str = "") -> None:
    """Go from this version to one with one more migration while people play; ``database`` is SQLite without one."""
    newer = {"PYTHONPATH": str(next_version(folder / "next"))}
    with running_deployment(folder / "deployment") as deployment:
        deployment.settings["DATABASE_URL"] = database
        if database:  # SQLite's file is made by whoever comes first
            output = await asyncio.to_thread(run, deployment.folder, deployment.settings, "migrate")
            assert f"is at schema {head()}" in output
        old = deployment.driver()
        begun = (await open_battle(old.url, num_models=3))["battle_id"]
        await play(old.url, begun, ["a"])
        output = await asyncio.to_thread(run, deployment.folder, deployment.settings | newer, "migrate")
        assert f"is at schema {NEXT}" in output, "the migration runs while the old version serves"
        await replace(deployment, old, newer, begun)


async def replace(deployment: Deployment, old: Instance, newer: dict[str, str], begun: str) -> None:
    """Replace the instances of the old version, and go on with a battle that was begun there."""
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


def main() -> None:
    """Rehearse it on both databases."""
    for name in ("SQLite", "PostgreSQL"):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            server = PostgresServer() if name == "PostgreSQL" else None
            try:
                asyncio.run(rehearse(Path(folder), "" if server is None else server.url(server.create())))
            finally:
                if server is not None:
                    server.close()
        sys.stdout.write(f"{name}: two versions served side by side, and nothing was lost\n")


if __name__ == "__main__":
    main()
