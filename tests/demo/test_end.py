"""The demo ends with everything that it started, however it is ended, and reads nobody's settings."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import HUNG_S, wait_until


@dataclass
class Demo:
    """A demo in a terminal of its own; ``temporary`` is where its folder is."""

    process: subprocess.Popen[bytes]
    terminal: int
    temporary: Path

    def folders(self) -> list[Path]:
        return list(self.temporary.glob("arena-demo-*"))

    def children(self) -> list[str]:
        """Command lines of the processes that belong to its folder: the service and its Redis."""
        lines = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                directory = os.readlink(entry / "cwd")
            except OSError:
                continue  # it ended meanwhile
            if str(self.temporary) in line or directory.startswith(str(self.temporary)):
                lines.append(line)
        return lines

    def printed(self) -> bytes:
        """What it has written since it was asked last."""
        os.set_blocking(self.terminal, False)
        try:
            return os.read(self.terminal, 65536)
        except (BlockingIOError, OSError):
            return b""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    folder, temporary = tmp_path / "caller", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    (folder / ".env").write_text("ARENA_SCHEDULER=false\nARENA_CONFIG=nothing.toml\n")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--port", "0"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True,
        env=os.environ | {"TMPDIR": str(temporary), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    yield Demo(process, ours, temporary)
    process.kill()
    process.wait(HUNG_S)
    os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_a_demo_that_is_ended_leaves_neither_processes_nor_a_folder(demo: Demo, number: signal.Signals) -> None:
    seen = b""

    def asked() -> bool:
        nonlocal seen
        seen += demo.printed()
        return b"The question:" in seen

    await wait_until(asked)  # so the settings of the caller's folder kept nothing from starting
    assert len(demo.folders()) == 1
    assert any("app.cli serve" in line for line in demo.children())
    demo.process.send_signal(number)
    await wait_until(lambda: demo.printed() is not None and not demo.children())
    await wait_until(lambda: not demo.folders())
