"""What the command line offers beside its commands: its version, and completion in the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.helpers import HUNG_S


def ran(*words: str, **environment: str) -> str:
    """As it is installed: completion goes by the name of the program."""
    command = [str(Path(sys.executable).with_name("arena")), *words]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=HUNG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_version_is_that_of_the_package() -> None:
    assert ran("--version") == f"progressive-arena {version('progressive-arena')}\n"


def test_the_shell_completes_commands() -> None:
    words = ran(_ARENA_COMPLETE="complete_bash", COMP_WORDS="arena re", COMP_CWORD="1")
    assert words.split() == ["restore"]
