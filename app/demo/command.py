"""``arena demo``: a simulated Ollama, the real service as a child process, and one battle in this terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from app.demo.play import play
from app.demo.votes import Keyboard, Voter, by_itself
from app.errors import ConfigurationError
from app.simulator.server.server import SimulatorConfig, running_simulator

MODELS = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
START_LIMIT_S = 40.0
STOP_LIMIT_S = 10.0

# The service must not outlive the demo, not even after kill -9, and nobody else removes the folder then. So a shell is
# the service's parent. It reads a pipe whose writing end only the demo has: when that closes, the service is ended.
_RUN = """
exec 3<&0
folder=$1; shift
"$@" </dev/null 3<&- & service=$!
trap 'kill -TERM $service' TERM INT HUP
(read -r _ <&3; kill -TERM $service) >/dev/null 2>&1 & reader=$!
wait $service; status=$?
wait $service 2>/dev/null
kill $reader 2>/dev/null
rm -rf -- "$folder"
exit $status
"""

#: Three small answers at a readable speed; the loads are short, as if the files were in the page cache.
SIMULATED = SimulatorConfig(models=MODELS, load_s=0.8, tokens_per_s=32, answer_tokens=70, num_parallel=2, seed=7)


def demo(host: str, port: int, workers: int, message: str) -> None:
    """Play the demo's battle and leave with status 0 when it came to its end.

    Raises:
        ConfigurationError: there is no question, or the service does not start.
    """
    if not message.strip():
        raise ConfigurationError("--message: write a question, or leave it out")
    with suppress(KeyboardInterrupt):
        asyncio.run(_until_signal(_demo(Console(), host, port, workers, message)))


async def _until_signal(playing: Coroutine[Any, Any, None]) -> None:
    """End ``playing`` in order when the terminal is closed or somebody ends the process."""
    task = asyncio.create_task(playing, name="demo")
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def _demo(console: Console, host: str, port: int, workers: int, message: str) -> None:
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with tempfile.TemporaryDirectory(prefix="arena-demo-", ignore_cleanup_errors=True) as folder:
        async with running_simulator(SIMULATED) as ollama, _service(folder, ollama.url, host, port, workers) as address:
            console.print(f"[dim]simulated Ollama[/]  {ollama.url}\n[dim]the arena[/]         {address}\n")
            async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
                voter: Voter = Keyboard() if terminal else by_itself
                await play(client, console, message, voter)
                if not terminal:
                    return  # nobody is there who could go on
                _say_how_to_go_on(console, address)
                await asyncio.Event().wait()


@asynccontextmanager
async def _service(folder: str, ollama: str, host: str, port: int, workers: int) -> AsyncGenerator[str]:
    """The real service as a child process on the simulated Ollama; yields its address.

    Raises:
        ConfigurationError: it did not come up; the sentence has the end of its log.
    """
    log = Path(folder, "serve.log")
    with log.open("wb") as sink:  # noqa: ASYNC230 - a small local file, before anything runs
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _RUN, "arena-demo", folder),
            *(sys.executable, "-m", "app.cli", "serve"),
            *("--host", host, "--port", str(port), "--workers", str(workers)),
            stdin=asyncio.subprocess.PIPE,  # the writing end is the lifeline
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            env=_environment(folder, ollama),
            cwd=folder,  # or the .env of the caller's folder would be read
        )
        try:
            yield await _ready_line(process, log)
        finally:
            await _end(process)


def _environment(folder: str, ollama: str) -> dict[str, str]:
    """The caller's environment without settings of another arena."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ARENA_", "REDIS_", "OLLAMA_", "DATABASE_URL", "FORWARDED_ALLOW_IPS"))
    }
    ours = {"OLLAMA_HOST": ollama, "ARENA_DATA_DIR": folder, "ARENA_MODELS": ",".join(MODELS)}
    return kept | ours | {"ARENA_NUM_PARALLEL": "2", "REDIS_URL": "", "REDIS_HOST": "", "DATABASE_URL": ""}


async def _ready_line(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(START_LIMIT_S):
            line = await process.stdout.readline()
            if line.strip():
                return line.decode().strip()
    lines = log.read_text(errors="replace").splitlines()  # noqa: ASYNC240 - the last thing before it gives up
    last = lines[-1] if lines else "it said nothing"
    raise ConfigurationError(f"the service did not start: {last.removeprefix('arena: ')}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _say_how_to_go_on(console: Console, address: str) -> None:
    console.print("\nThe arena stays up for you to try; press Ctrl-C to end it.", style="bold")
    body = """-H "Content-Type: application/json" -d"""
    for path, data in (
        ("start_progressive", '{"message": "Your question", "session_id": "test-123"}'),
        ("get_progressive_responses", '{"battle_id": "test-123"}'),
    ):
        console.print(f"  curl -X POST {address}/api/arena/{path} {body} '{data}'", soft_wrap=True, highlight=False)
    console.print(f"\nThe same in a browser: [bold]{address}/[/]", highlight=False)
