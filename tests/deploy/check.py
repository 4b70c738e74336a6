"""``make deploy-check``: the tools of others over docker/ and deploy/; one that is missing is named, and it fails.

CI runs ``make deploy-lint``, which is all of it but docker-compose: to build that takes a quarter of an hour.

hadolint                the Dockerfile               deploy/tools.lock
check-jsonschema        the compose file             deploy/tools.lock
docker-compose config   every profile, resolved      docker/compose's release; else built from its Go module
systemd-analyze         the units and their rights   systemd
cfn-lint                the template for AWS         deploy/tools.lock
promtool                the alerts and their tests   Debian: prometheus; .ci/run unpacks it
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_EXPOSED = "20"
"""In tenths: 2.0 of 10, systemd's own score for what a service could do."""


def commands(folder: Path, *, compose: bool) -> Iterator[list[str]]:
    """Every check, that of ``compose`` itself only where it is wanted; units are given a program that is there."""
    yield ["hadolint", str(ROOT / "docker/Dockerfile")]
    yield ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker/compose.yaml")]
    for profile in ("demo", "gpu", "prod") if compose else ():
        file = str(ROOT / "docker/compose.yaml")
        yield [compose_program(), "--profile", profile, "--file", file, "config", "--quiet"]
    for unit in sorted((ROOT / "deploy/systemd").glob("*.service")):
        copy = folder / unit.name
        copy.write_text(unit.read_text().replace("/opt/arena/bin/arena", "/bin/true"))
        yield ["systemd-analyze", "verify", str(copy)]
        yield ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(copy)]
    yield ["cfn-lint", str(ROOT / "deploy/aws/arena.yaml")]
    yield ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(ROOT / "deploy/prometheus/alerts.yml")]
    yield ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(ROOT / "deploy/prometheus/genai.yml")]
    for name in ("alerts", "genai"):
        yield ["promtool", "test", "rules", str(ROOT / f"deploy/prometheus/{name}.test.yml")]
    yield ["promtool", "check", "rules", str(dashboard_rules(folder))]


COMPOSE = "v2.40.3"


def compose_program() -> str:
    """The compose program: that on PATH, else built from its Go module in a throw-away module, and kept in the cache.

    It takes a quarter of an hour on two cores, once. Without Go the name is returned, and named as missing.
    """
    kept = Path.home() / ".cache" / "progressive-arena" / f"docker-compose-{COMPOSE}"
    if shutil.which("docker-compose") or (shutil.which("go") is None and not kept.exists()):
        return "docker-compose"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            module = "github.com/docker/compose/v2/cmd"
            for words in (["mod", "init", "throwaway"], ["get", f"{module}@{COMPOSE}"]):
                subprocess.run(["go", *words], cwd=folder, check=True, capture_output=True)
            subprocess.run(["go", "build", "-mod=mod", "-o", str(kept), module], cwd=folder, check=True)
    return str(kept)


def dashboard_rules(folder: Path) -> Path:
    """The dashboard's queries as rules, so that promtool reads each of them; its variables have values."""
    dashboard = json.loads((ROOT / "deploy/grafana/arena.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = [
        {"record": f"dashboard:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$job", "arena")}
        for number, query in enumerate(queries)
    ]
    file = folder / "dashboard.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    return file


def failed(command: list[str]) -> bool:
    """Run one check; ``verify`` is silent when all is well, and ends with 0 for unknown keys, too."""
    program = shutil.which(command[0]) or shutil.which(command[0], path=str(Path(sys.executable).parent))
    if program is None:
        sys.stderr.write(f"{command[0]} is missing; see tests/deploy/check.py\n")
        return True
    ran = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=120, check=False)
    bad = ran.returncode != 0 or (command[1] == "verify" and bool(ran.stderr.strip()))
    shown = " ".join(command[: 3 if "compose" in command[0] else 2])
    sys.stdout.write(f"{'FAILED' if bad else 'ok    '} {shown} {Path(command[-1]).name}\n")
    if bad:
        sys.stdout.write(ran.stdout + ran.stderr)
    return bad


def main() -> int:
    """Run all checks; 1 if one failed."""
    compose = "--without-compose" not in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        # all of them, whatever the first says
        results = [failed(command) for command in commands(Path(folder), compose=compose)]
    return int(any(results))


if __name__ == "__main__":
    raise SystemExit(main())
