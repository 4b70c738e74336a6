"""A closed terminal ends what was started in it; what was started under nohup goes on."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import HUNG_S, wait_until
from tests.process.test_serve import alive, children_of
from tests.whole.client import call
from tests.whole.harness import Instance, ModelServer, arena


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Start a command that is gone after the test, beside a model server."""
    with ExitStack() as stack:
        models = ModelServer(("zircon:7b", "quokka:8b"))
        stack.callback(models.close)
        settings = {"OLLAMA_HOST": models.url, "ARENA_DATA_DIR": str(tmp_path / "data"), "ARENA_DRAIN": "1"}

        def start(*arguments: str, first: Callable[[], object]) -> Instance:
            instance = arena(tmp_path, settings, *arguments, first=first)
            stack.callback(instance.close)
            return instance

        yield start


def controlled_by(terminal: int) -> None:
    """Make ``terminal`` the controlling terminal of this process, which leads its session and heeds its end."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may be run under nohup
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def ignores_hangups(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (signal.SIGHUP - 1) & 1)


@pytest.mark.parametrize(
    "command",
    [("serve", "--port", "0"), ("serve", "--port", "0", "--workers", "2")],
    ids=["one worker", "two workers"],
)
async def test_a_closed_terminal_ends_everything(started: Callable[..., Instance], command: tuple[str, ...]) -> None:
    master, terminal = pty.openpty()
    running = started(*command, first=partial(controlled_by, terminal))
    os.close(terminal)
    await asyncio.to_thread(running.wait_for_line)
    family = children_of(running.process.pid)
    assert family, "a Redis at least"
    os.close(master)
    await asyncio.to_thread(running.process.wait, HUNG_S)
    await wait_until(lambda: not any(map(alive, family)))
    assert "draining" in running.log.read_text(), "it ended in order, as at SIGTERM"


async def test_under_nohup_a_closed_terminal_changes_nothing(started: Callable[..., Instance]) -> None:
    ignoring = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    serving = started("serve", "--port", "0", "--workers", "2", first=ignoring)
    await asyncio.to_thread(serving.wait_for_address)
    family = children_of(serving.process.pid)
    assert all(map(ignores_hangups, {serving.process.pid, *family}))
    os.killpg(serving.process.pid, signal.SIGHUP)
    assert (await call("GET", f"{serving.url}/readyz")).status_code == 200
    assert children_of(serving.process.pid) == family
