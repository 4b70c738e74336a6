"""A run on a real llama-server, which holds one of two tiny models: ``python -m tests.batch.real_server --jobs 10``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.backends import llama_server
from tests.helpers import HUNG_S
from tests.whole.harness import environment

RUN = """
seed = 3
[[stages]]
name = "draft"
model = "alpha"
prompt = "Argue for {{ topic }}."
options = { num_predict = 16 }
[[stages]]
name = "reply"
model = "beta"
prompt = "Answer {{ topic }} in {{ draft.text | length }} signs."
options = { num_predict = 16 }
[[stages]]
name = "final"
model = "alpha"
prompt = "Conclude on {{ topic }} from {{ reply.text | length }} signs."
options = { num_predict = 16 }
"""


def arena(folder: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command of ``arena batch`` in the folder."""
    settings = {"ARENA_CONFIG": str(folder / "arena.toml"), "ARENA_DATA_DIR": str(folder / "data")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "batch", *command],
        cwd=folder,
        env=environment(settings),
        capture_output=True,
        timeout=HUNG_S * 4,
        check=False,
    )


def main() -> None:
    """Check the run, work it off, and look at its results and its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="arena-real-") as name:
        folder = Path(name)
        with llama_server.router(folder, "alpha", "beta") as url:
            host = f'[[hosts]]\nname = "card"\nurl = "{url}"\nkind = "llama-router"\nmax_loaded = 1\nnum_parallel = 2\n'
            (folder / "arena.toml").write_text(host)
            (folder / "run.toml").write_text(RUN)
            lines = [json.dumps({"custom_id": f"j{n}", "topic": f"thing {n}"}) for n in range(jobs)]
            (folder / "jobs.jsonl").write_text("\n".join(lines))
            for command in (("check", "run.toml", "jobs.jsonl"), ("run", "run.toml", "jobs.jsonl"), ("status",)):
                done = arena(folder, *command)
                sys.stdout.write(done.stdout.decode() + done.stderr.decode())
                assert done.returncode == 0, command
            results = [json.loads(line) for line in arena(folder, "results").stdout.splitlines()]
            assert [line["custom_id"] for line in results] == [f"j{n}" for n in range(jobs)]
            assert all(stage and stage["text"] for line in results for stage in line["stages"].values())
            sys.stdout.write((next((folder / "data").glob("batch/*/report.md"))).read_text())


if __name__ == "__main__":
    main()
