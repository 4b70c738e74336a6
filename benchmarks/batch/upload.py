"""The memory of a service while a large run is handed in over HTTP: ``python -m benchmarks.batch.upload``.

A service of its own is started on loopback without model hosts, and gets a form with ``--megabytes`` of jobs, written
as it is sent. Printed are the seconds until the run is stored, and the resident memory of the serving process: before,
and at its peak (Linux only).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import httpx
import orjson

JOBS_A_PIECE = 50
RUN = b'[[stages]]\nname = "draft"\nmodel = "m:1b"\nprompt = "Argue for {{ topic }}."\n'


async def form(size: int, job_bytes: int) -> AsyncIterator[bytes]:
    """The form, piece by piece."""
    yield b'--x\r\nContent-Disposition: form-data; name="run"; filename="run.toml"\r\n\r\n' + RUN
    yield b'\r\n--x\r\nContent-Disposition: form-data; name="jobs"; filename="jobs.jsonl"\r\n\r\n'
    sent, n = 0, 0
    while sent < size:
        jobs = [orjson.dumps({"custom_id": f"j{n + i}", "topic": "t" * job_bytes}) for i in range(JOBS_A_PIECE)]
        piece = b"\n".join(jobs) + b"\n"
        sent, n = sent + len(piece), n + JOBS_A_PIECE
        yield piece
    yield b"\r\n--x--\r\n"


def resident(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def peak_of(pid: int, over: asyncio.Event) -> int:
    """The most that a process had until ``over``."""
    most = 0
    while not over.is_set():
        most = max(most, resident(pid))
        await asyncio.sleep(0.02)
    return most


async def measured(url: str, pid: int, size: int, job_bytes: int) -> None:
    """Upload once and print what it took."""
    over = asyncio.Event()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with httpx.AsyncClient(timeout=900, trust_env=False) as client:
        await client.get(f"{url}/api/arena/runs")
        before, began = resident(pid), perf_counter()
        peak = asyncio.create_task(peak_of(pid, over), name="peak")
        reply = await client.post(f"{url}/api/arena/runs", content=form(size, job_bytes), headers=headers)
        over.set()
        seconds = perf_counter() - began
        jobs = reply.raise_for_status().json()["jobs"]["total"]
        most = await peak
    line = f"{size / 1e6:.0f} MB, {jobs} jobs: stored in {seconds:.1f} s; memory {before / 1e6:.0f} MB before, "
    sys.stdout.write(f"{line}{most / 1e6:.0f} MB at its peak (+{(most - before) / 1e6:.0f} MB)\n")


def main() -> None:
    """Start a service, upload, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--job-bytes", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ARENA_DATA_DIR": folder, "OLLAMA_HOST": "127.0.0.1:9", "ARENA_LOG_LEVEL": "error"}
        command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
            try:
                assert service.stdout is not None
                url = service.stdout.readline().strip()
                asyncio.run(measured(url, service.pid, given.megabytes * 1_000_000, given.job_bytes))
            finally:
                service.terminate()


if __name__ == "__main__":
    main()
