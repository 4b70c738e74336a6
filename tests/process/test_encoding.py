"""Commands on a terminal that can't write every sign."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.helpers import HUNG_S


def test_a_board_is_printed_where_only_ascii_can_be_written(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PYTHONIOENCODING": "ascii",
        "ARENA_DATA_DIR": str(tmp_path),
        "DATABASE_URL": "",
        "COLUMNS": "80",
    }
    vote = {"model_a": "größer:8b", "model_b": "模型:7b", "winner": "model_a", "language": "de"}
    lines = "".join(f"{json.dumps(vote | {'question_id': f'vote-{n:016}'})}\n" for n in range(12))

    def arena(*words: str, given: str = "") -> str:
        run = subprocess.run(
            [sys.executable, "-m", "app.cli", *words],
            input=given.encode(),
            capture_output=True,
            env=env,
            timeout=HUNG_S,
            check=False,
        )
        assert (run.returncode, run.stderr) == (0, b"")
        return run.stdout.decode("utf-8" if "--json" in words else "ascii")

    arena("migrate")
    assert arena("import", "-", given=lines).startswith("12 votes were added")
    board = arena("board")
    assert "gr??er:8b is clearly better than ??:7b." in board
    assert re.search(r"gr\?\?er:8b +1\d{3} +at least \d+ +-+o> +>99 % +12 *$", board, re.MULTILINE)
    assert json.loads(arena("board", "--json"))["leaderboard"][0]["model"] == "größer:8b"


def test_a_sign_that_cannot_be_written_becomes_a_question_mark() -> None:
    code = "import sys; sys.argv = ['arena', '--version']; from app.cli import main as m\n"
    code += "try: m.main()\nexcept SystemExit: pass\nprint('\u2500 \u00b1')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, timeout=HUNG_S, check=False)
    assert run.stdout.endswith(b"? ?\n"), run.stderr
