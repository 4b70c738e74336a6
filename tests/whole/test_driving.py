"""Those who serve and those who drive, as processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import HUNG_S, PATIENCE_S, wait_until
from tests.whole.client import call, folded, open_battle, play, watching
from tests.whole.harness import BASALT, GRANITE, Deployment, Instance, environment, running_deployment, wait_for


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with running_deployment(tmp_path, tokens_per_s=60.0) as deployment:
        yield deployment


async def readyz(worker: Instance) -> dict[str, Any]:
    return dict((await call("GET", f"{worker.url}/readyz")).json())


async def test_who_serves_without_drivers_says_so_until_others_drive_who_let_answers_finish_at_their_end(
    deployment: Deployment,
) -> None:
    web = deployment.start("--no-scheduler")
    ready = await readyz(web)
    assert (ready["status"], ready["degraded"]) == ("ok", True)
    assert ready["trouble"] == [f"no process drives host {name} at the moment" for name in (GRANITE, BASALT)]
    opened = await open_battle(web.url)
    async with watching(web.url, opened["battle_id"]) as (watched, viewer):
        drivers = await asyncio.to_thread(deployment.drivers, ARENA_DRAIN="20")
        assert drivers.line == f"driving {GRANITE}, {BASALT}\n"
        end = await play(web.url, opened["battle_id"], ["a", "b"])
        await asyncio.wait_for(viewer, PATIENCE_S)
    assert end["status"] == "finished"
    assert folded(opened, watched.events) == end
    assert (await readyz(web))["degraded"] is False
    assert (len(web.logged("lease_taken")), len(drivers.logged("lease_taken"))) == (0, 2)
    another = await open_battle(web.url, num_models=2)
    async with watching(web.url, another["battle_id"]) as (watched, _):
        await wait_until(lambda: len({event.data["side"] for event in watched.named("delta")}) == 2)
        drivers.terminate()
        assert await asyncio.to_thread(drivers.process.wait, HUNG_S) == 0
        await wait_until(lambda: watched.named("ready"))
        assert not watched.named("reset")
    assert drivers.rest_of_stdout() == ""
    assert (await readyz(web))["degraded"] is True


async def test_workers_of_drivers_that_die_are_started_again(deployment: Deployment) -> None:
    web = deployment.start("--no-scheduler")
    drivers = deployment.drivers("--workers", "2")
    wait_for(lambda: len(drivers.logged("lease_taken")) >= 2)
    children = await asyncio.to_thread(children_of, drivers.process.pid)
    assert len(children) >= 2
    for child in children:
        os.kill(child, signal.SIGKILL)
    await wait_until(lambda: len(drivers.logged("worker_died")) == 2)
    battle = (await open_battle(web.url))["battle_id"]
    assert (await play(web.url, battle, ["a", "b"]))["status"] == "finished"
    drivers.terminate()
    assert await asyncio.to_thread(drivers.process.wait, HUNG_S) == 0
    assert drivers.rest_of_stdout() == ""


def children_of(pid: int) -> list[int]:
    """The ids of the worker processes that ``pid`` has started; not that of Python's tracker of semaphores."""
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    rows = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return [int(child) for child, parent, command in rows if int(parent) == pid and "spawn_main" in command]


async def test_on_one_machine_both_share_the_private_redis_until_ctrl_c(deployment: Deployment) -> None:
    private = {"REDIS_URL": ""}
    web = await asyncio.to_thread(deployment.start, "--no-scheduler", **private)
    drivers = await asyncio.to_thread(deployment.drivers, **private)
    battle = (await open_battle(web.url))["battle_id"]
    assert (await play(web.url, battle, ["a", "b"]))["status"] == "finished"
    assert len(drivers.logged("lease_taken")) == 2
    (warning,) = drivers.logged("redis_is_private")
    assert "REDIS_URL" in warning["remedy"]
    drivers.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(drivers.process.wait, HUNG_S) == 0


def test_drivers_with_bad_settings_say_so_in_one_line(deployment: Deployment) -> None:
    settings = environment(deployment.settings | {"REDIS_URL": "redos://nowhere"})
    command = [sys.executable, "-m", "app.cli", "scheduler"]
    ended = subprocess.run(command, cwd=deployment.folder, env=settings, capture_output=True, text=True, timeout=HUNG_S)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("arena: REDIS_URL can't be understood")
