"""``make release``: whether the commit can be released. It builds, installs and runs what users would get.

- two wheels, each from a checkout of its own of the same commit, are the same to the last bit;
- the wheel, with the pinned dependencies, in a clean virtual environment of each Python that is here and far from the
  checkout: its version, a new database, a whole battle against simulated models, the page and the templates inside;
- ``pipx run`` of the wheel, where pipx is.

The wheel and its hash are left in dist/. Pythons that it did not run on are named.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from app.database.database import head

ROOT = Path(__file__).parents[2]
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""What a release should run on: the oldest that is promised, and those of newer Debian suites and Ubuntu."""

INSIDE = (
    "app/database/migrations/env.py",
    "app/database/migrations/versions/r0001_battles_answers_votes.py",
    "app/arena/scripts/write.lua",
    "app/web/page/built/index.html",
    "app/web/reference/",
)
"""What a wheel without its checkout can't do without; a folder ends with a slash."""


def run(command: list[str], folder: Path, **more: str) -> str:
    """Run a command in ``folder``; what it said is shown when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "PYTHON", "VIRTUAL"))}
    ran = subprocess.run(
        command, cwd=folder, env=kept | more, capture_output=True, text=True, timeout=1800, check=False
    )
    if ran.returncode != 0:
        sys.stderr.write(ran.stdout + ran.stderr)
        raise SystemExit(f"FAILED {' '.join(command)}")
    return ran.stdout


def last_commit() -> tuple[str, str]:
    """The commit that is released, and its own time: what SOURCE_DATE_EPOCH has to be. Asked once: more may follow."""
    commit, at = run(["git", "log", "-1", "--format=%H %ct"], ROOT).split()
    return commit, at


def builder(folder: Path) -> str:
    """A Python with nothing but the pinned setuptools, to build with."""
    run([sys.executable, "-m", "venv", str(folder / "build")], folder)
    python = str(folder / "build/bin/python")
    (pinned,) = re.findall(r"^setuptools==\S+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned], folder)
    return python


def build(folder: Path, number: int, python: str, commit: tuple[str, str]) -> Path:
    """A wheel from a checkout of its own of the commit."""
    source = folder / f"checkout-{number}"
    source.mkdir()
    archive = folder / f"{number}.tar"
    run(["git", "archive", "--format=tar", f"--output={archive}", commit[0]], ROOT)
    run(["tar", "-xf", str(archive)], source)
    run([python, "page/build.py"], source)
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", "wheels"]
    epoch = {"SOURCE_DATE_EPOCH": commit[1], "PYTHONHASHSEED": str(number)}
    run([python, "-m", "pip", "wheel", "--quiet", *options, "."], source, **epoch)
    (wheel,) = (source / "wheels").glob("*.whl")
    return wheel


def digest(file: Path) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def differences(one: Path, two: Path) -> Iterator[str]:
    """The files in which two wheels differ."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        left = {info.filename: (info.CRC, info.date_time, info.external_attr) for info in first.infolist()}
        right = {info.filename: (info.CRC, info.date_time, info.external_attr) for info in second.infolist()}
    yield from sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def missing(wheel: Path) -> list[str]:
    """What the wheel should have and has not."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    return [part for part in INSIDE if not any(name.startswith(part) for name in names)]


def interpreters() -> Mapping[str, str]:
    """The Pythons of this machine, by version: those on PATH, and those that pyenv has."""
    folders = [*map(Path, os.get_exec_path()), *(Path.home() / ".pyenv/versions").glob("*/bin")]
    found = {version: [str(folder / f"python{version}") for folder in folders] for version in PYTHONS}
    found[f"{sys.version_info.major}.{sys.version_info.minor}"] = [sys.executable]
    first = {version: next(filter(runs, paths), None) for version, paths in found.items()}
    return {version: path for version, path in first.items() if path is not None}


def runs(python: str) -> bool:
    """Whether it is more than a name: version managers leave programs that only say which versions there are."""
    if not os.access(python, os.X_OK):
        return False
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


def try_out(wheel: Path, python: str, folder: Path) -> None:
    """Install the wheel in a clean environment and play a battle with it."""
    folder.mkdir()
    run([python, "-m", "venv", "venv"], folder)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")], folder)
    run([*pip, "--no-deps", str(wheel)], folder)
    arena = str(folder / "venv/bin/arena")
    said = run([arena, "--version"], folder).strip()
    assert said == f"progressive-arena {VERSION}", said
    data = {"ARENA_DATA_DIR": str(folder / "data")}
    assert "is at schema" in run([arena, "migrate"], folder, **data)
    run([arena, "backup", "copy.db"], folder, **data)
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    run([arena, "demo", "--port", "0"], folder, **data)


def try_pipx(wheel: Path, folder: Path) -> None:
    """``pipx run`` of the wheel, by a pipx that is installed for that."""
    folder.mkdir()
    run([sys.executable, "-m", "venv", "venv"], folder)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "pipx"], folder)
    homes = {"PIPX_HOME": str(folder / "home"), "PIPX_BIN_DIR": str(folder / "bin")}
    said = run([str(folder / "venv/bin/pipx"), "run", "--spec", str(wheel), "arena", "--version"], folder, **homes)
    assert said.strip() == f"progressive-arena {VERSION}", said


def told_schema() -> str:
    """The schema of the newest version, as CHANGELOG.md has it."""
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    (schema,) = re.findall(r"Schema (\d+)", newest)
    return str(schema)


def main() -> int:
    """Check the last commit; 1 if it can't be released."""
    if told_schema() != head():
        sys.stdout.write(f"FAILED CHANGELOG.md tells of schema {told_schema()}, and the newest is {head()}\n")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = builder(folder)
        commit = last_commit()
        one, two = build(folder, 1, python, commit), build(folder, 2, python, commit)
        if digest(one) != digest(two):
            sys.stdout.write(
                f"FAILED two builds differ: {', '.join(islice(differences(one, two), 10)) or 'their order'}\n"
            )
            return 1
        sys.stdout.write(f"ok     reproducible: {one.name} sha256:{digest(one)}\n")
        if lost := missing(one):
            sys.stdout.write(f"FAILED the wheel lacks {', '.join(lost)}\n")
            return 1
        known = interpreters()
        for version, program in known.items():
            try_out(one, program, folder / f"with-{version}")
            sys.stdout.write(f"ok     installed and played with Python {version}\n")
        try_pipx(one, folder / "pipx")
        sys.stdout.write("ok     pipx run\n")
        left = [version for version in PYTHONS if version not in known]
        if left:
            sys.stdout.write(f"not run, for they are not here: Python {', '.join(left)}\n")
        (ROOT / "dist").mkdir(exist_ok=True)
        shutil.copyfile(one, ROOT / "dist" / one.name)
        (ROOT / "dist" / f"{one.name}.sha256").write_text(f"{digest(one)}  {one.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
