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


def test_a_sign_that_cannot_be_written_becomes_a_question_mark() -> None:
    code = "import sys; sys.argv = ['arena', '--version']; from app.cli import main as m\n"
    code += "try: m.main()\nexcept SystemExit: pass\nprint('\u2500 \u00b1')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, timeout=60, check=False)
    assert run.stdout.endswith(b"? ?\n"), run.stderr
