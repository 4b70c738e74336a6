"""Where the browser is; ``python -m tests.page.chromium`` stops with the command that installs one."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = """There is no Chromium, which the tests of the page need. Install it:

    sudo apt-get install -y --no-install-recommends chromium fonts-dejavu-core

or name one that you have: CHROMIUM=/path/to/chromium make test
"""


def chromium() -> str | None:
    """The path of a Chromium: the one that the environment names, else the first on PATH."""
    named = os.environ.get("CHROMIUM", "")
    if named:
        return shutil.which(named)
    return next((found for name in NAMES if (found := shutil.which(name))), None)


if __name__ == "__main__":
    if chromium() is None:
        sys.exit(HELP)
