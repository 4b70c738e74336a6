"""Commands on a terminal that can't write every sign."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_board_is_printed_where_only_ascii_can_be_written(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "ARENA_DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    for command in ("migrate", "board"):
        run = subprocess.run(
            [sys.executable, "-m", "app.cli", command], capture_output=True, env=env, timeout=60, check=False
        )
        assert (run.returncode, b"Traceback" in run.stderr) == (0, False), run.stderr
