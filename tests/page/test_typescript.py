"""The page's own tests: its types, and what needs no browser (the fold, the stream, Markdown, languages)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "page" / "build.py"


@pytest.mark.page
def test_types_are_right_and_unit_tests_pass() -> None:
    ran = subprocess.run([sys.executable, str(BUILD), "test"], capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]
    assert "# pass" in ran.stdout
