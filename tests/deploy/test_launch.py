"""The GPU host's launch script, with a stub for each program that changes the machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/gpu-host/launch.sh"
ID = "46e0c10c039e"

#: Each call is noted; one whose words have those of the file `fail` fails once. `state` is what the machine has.
STUB = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "$STUBS/calls"
if [ -s "$STUBS/fail" ] && echo "$name $*" | grep -qF -- "$(cat "$STUBS/fail")"; then rm "$STUBS/fail"; exit 1; fi
state=$STUBS/state
mkdir -p "$state"
case "$name $*" in
  nvidia-smi*) [ -e "$state/driver" ] ;;
  *"install"*nvidia-driver*) touch "$state/driver" ;;
  "id ollama") [ -e "$state/user" ] ;;
  useradd*) touch "$state/user" ;;
  *"is-active"*) [ -e "$state/active" ] ;;
  *"restart ollama" | *"start ollama") touch "$state/active" ;;
  curl*ollama-linux*) while [ "$1" != -o ]; do shift; done; cp "$STUBS/archive.tgz" "$2" ;;
  curl*/api/version) [ -e "$state/active" ] ;;
  curl*/api/tags) cat "$state/tags" 2> /dev/null || true ;;
  curl*/api/pull*)
    model=$(echo "$*" | sed 's/.*"model":"\\([^"]*\\)".*/\\1/')
    printf '{"name":"%s","digest":"46e0c10c039effff"}' "$model" >> "$state/tags" ;;
  curl*/api/ps) cat "$state/ps" 2> /dev/null || true ;;
  curl*/api/generate*) printf '{"name":"llama3.1:8b"}' > "$state/ps" ;;
esac
"""
PROGRAMS = ("apt-get", "systemctl", "curl", "nvidia-smi", "id", "useradd", "sleep")
CHANGES = ("apt-get", "useradd", "systemctl enable", "systemctl daemon-reload", "systemctl restart", "systemctl start")
CHANGING_CALLS = (*CHANGES, "/api/pull", "/api/generate", "ollama-linux")

STEPS = (
    "apt-get update",
    "nvidia-driver",
    "ollama-linux",
    "useradd",
    "daemon-reload",
    "enable ollama",
    "restart ollama",
    "/api/pull",
    "mistral:7b",
    "/api/generate",
)


@dataclass
class Machine:
    """A machine of stubs under a root of its own."""

    folder: Path
    sha256: str

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "STUBS": str(self.folder),
            "ARENA_ROOT": str(self.folder / "root"),
            "OLLAMA_VERSION": "0.17.0",
            "OLLAMA_SHA256": self.sha256,
            "ARENA_MODELS": f"llama3.1:8b={ID},mistral:7b",
        }
        self.calls.unlink(missing_ok=True)
        command = ["sh", str(SCRIPT)]
        return subprocess.run(command, env=given | more, capture_output=True, text=True, timeout=60, check=False)

    @property
    def calls(self) -> Path:
        return self.folder / "calls"

    def changes(self) -> list[str]:
        """The calls that changed something."""
        lines = self.calls.read_text().splitlines()
        return [line for line in lines if any(word in line for word in CHANGING_CALLS)]

    def files(self) -> dict[str, tuple[int, bytes]]:
        """All that lies under its root, with the times of the last change."""
        root = self.folder / "root"
        found = (path for path in sorted(root.rglob("*")) if path.is_file())
        return {str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    def contents(self) -> dict[str, bytes]:
        return {name: content for name, (_, content) in self.files().items()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return made(tmp_path)


def made(folder: Path) -> Machine:
    (folder / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        stub = folder / "bin" / name
        stub.write_text(STUB)
        stub.chmod(0o755)
    (folder / "ollama").write_text("#!/bin/sh\n")
    with tarfile.open(folder / "archive.tgz", "w:gz") as archive:
        archive.add(folder / "ollama", "bin/ollama")
    return Machine(folder, hashlib.sha256((folder / "archive.tgz").read_bytes()).hexdigest())


def test_a_new_machine_gets_everything_and_the_second_run_changes_nothing(machine: Machine) -> None:
    first = machine.run()
    assert first.returncode == 0, first.stderr + first.stdout
    changes = " ".join(machine.changes())
    assert all(word in changes for word in CHANGING_CALLS if word != "systemctl start")
    before = machine.files()
    assert "opt/ollama/bin/ollama" in before
    assert b"OLLAMA_KEEP_ALIVE=72h" in before["etc/systemd/system/ollama.service.d/arena.conf"][1]
    second = machine.run()
    assert second.returncode == 0
    assert "nothing had to be installed" in second.stdout
    assert machine.changes() == []
    assert machine.files() == before


@pytest.mark.parametrize("step", STEPS)
def test_each_step_that_failed_once_resumes(
    step: str, machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = made(tmp_path_factory.mktemp("whole"))
    assert whole.run().returncode == 0
    (machine.folder / "fail").write_text(step)
    failed = machine.run()
    assert failed.returncode != 0, "what failed is not passed over"
    assert not (machine.folder / "fail").exists(), "the step was reached"
    resumed = machine.run()
    assert resumed.returncode == 0, resumed.stderr + resumed.stdout
    assert machine.contents().keys() == whole.contents().keys()
    assert machine.run().returncode == 0
    assert machine.changes() == []


def test_an_archive_or_a_model_that_is_not_the_pinned_one_is_refused(machine: Machine) -> None:
    other = machine.run(OLLAMA_SHA256="0" * 64)
    assert other.returncode != 0
    assert "not the pinned one" in other.stdout
    assert not any(name.startswith("opt/ollama") for name in machine.contents())
    model = machine.run(ARENA_MODELS="llama3.1:8b=000000000000")
    assert model.returncode != 0
    assert f"llama3.1:8b is {ID} and not 000000000000" in model.stdout


def test_what_has_to_be_given_is_named(machine: Machine) -> None:
    refused = machine.run(OLLAMA_SHA256="")
    assert refused.returncode != 0
    assert "OLLAMA_SHA256" in refused.stderr


def test_another_version_replaces_the_first_and_the_server_is_restarted(machine: Machine) -> None:
    assert machine.run().returncode == 0
    (machine.folder / "ollama").write_text("#!/bin/sh\n# newer\n")
    with tarfile.open(machine.folder / "archive.tgz", "w:gz") as archive:
        archive.add(machine.folder / "ollama", "bin/ollama")
    newer = hashlib.sha256((machine.folder / "archive.tgz").read_bytes()).hexdigest()
    assert machine.run(OLLAMA_SHA256=newer).returncode == 0
    assert machine.contents()["opt/ollama/bin/ollama"].endswith(b"newer\n")
    assert "systemctl restart ollama" in machine.changes()
