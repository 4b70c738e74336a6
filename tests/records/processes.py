"""Python processes of a test: begun together, waited for with a limit, killed when the test fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def run_together(commands: Sequence[Sequence[str]], limit_s: float = 30.0) -> list[str]:
    """Start ``python -m …`` for each, wait until each has printed a line, let them go on, and return what they print.

    Each command prints one line when it is ready and then waits for a line on its input.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            text=True,
        )
        for command in commands
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=limit_s)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes)
        return printed
    finally:
        for process in processes:
            process.kill()
            process.wait()
