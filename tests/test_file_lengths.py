"""No file of the service is longer than one can read at once."""

from __future__ import annotations

from pathlib import Path

import app

ROOT = Path(app.__path__[0])
MOST_LINES = 300


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}
    assert len(lengths) > 400
