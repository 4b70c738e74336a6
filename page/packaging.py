"""No wheel without the page: a build of one fails while the page is missing or older than its sources.

An editable install needs no page: ``make page`` comes after it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

HERE = Path(__file__).resolve().parent


def _builder() -> ModuleType:
    # By its path: while a wheel is built, the repository is not on sys.path, and "build" is another package's name.
    spec = importlib.util.spec_from_file_location("arena_page_build", HERE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildPy(build_py):
    """Copies the package, page included."""

    def run(self) -> None:
        """Refuse to go on without the page."""
        if not self.editable_mode and not _builder().is_current():
            raise SetupError(
                "the page is not built, or older than its sources: run `make page` before building a wheel"
            )
        super().run()
