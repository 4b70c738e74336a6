"""A wheel contains the page, and none is made without it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("app", "alembic", "page", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
SERVE = """
import asyncio, httpx
from types import SimpleNamespace
from app.settings.settings import Settings
from app.web import application
app = application.create(None)
app.state.services = SimpleNamespace(settings=Settings(_env_file=None))
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://arena") as client:
        html = (await client.get("/")).text
        name = html.split('src="')[1].split('"')[0]
        print(application.__file__, (await client.get(name)).status_code)
asyncio.run(main())
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The repository's files, as somebody who builds a wheel has them."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source, clone / part, ignore=shutil.ignore_patterns("node_modules", "__pycache__"), symlinks=False
            )
        else:
            shutil.copy(source, clone / part)
    return clone


def wheel(clone: Path, into: Path) -> subprocess.CompletedProcess[str]:
    into.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", BUILD, str(into)], cwd=clone, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.page
def test_a_wheel_serves_the_page_from_its_own_files(clone: Path, tmp_path: Path) -> None:
    built = wheel(clone, tmp_path / "wheels")
    assert built.returncode == 0, built.stderr[-2000:]
    (file,) = (tmp_path / "wheels").glob("*.whl")
    installed = tmp_path / "installed"
    shutil.unpack_archive(file, installed, "zip")
    ran = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    where, status = ran.stdout.split()
    assert where.startswith(str(installed)), ran.stderr
    assert status == "200"


@pytest.mark.parametrize("fault", ["missing", "old"])
def test_a_wheel_without_the_page_of_its_sources_is_not_made(clone: Path, tmp_path: Path, fault: str) -> None:
    if fault == "missing":
        shutil.rmtree(clone / "app/web/page/built")
    else:
        (clone / "page/src/main.ts").write_text("// changed since the build")
    built = wheel(clone, tmp_path / "wheels")
    assert built.returncode != 0
    assert "make page" in built.stderr
    assert not list((tmp_path / "wheels").glob("*.whl"))
