"""The drivers on real processes and sockets: ``arena serve`` with its own Redis in front of ``arena simulate``.

First, three 8B models that fit: no model may be loaded twice, and first tokens may come at most 10 ms later than those
of direct requests, taken in turns in the same run. Then some minutes of ``crowd`` in real time, as a cross-check of the
virtual hours: through the arena, straight to the server, and both again in virtual time from the same seed.

    python -m benchmarks.scheduling.wire --rounds 60 --minutes 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

import aiohttp

from app.backends.base import GenerationOptions
from app.backends.ollama.backend import OllamaBackend
from app.backends.timeouts import Timeouts
from app.battle.battle import Status
from app.simulator.engine.clock import Clock, run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.models.catalog import DEFAULT_MODELS
from benchmarks.scheduling.beside import beside
from benchmarks.scheduling.crowd import FIVE, HEAD, PATIENT, directly, row, through_drivers
from benchmarks.scheduling.direct import Direct
from benchmarks.scheduling.driven_hosts import Setup
from benchmarks.scheduling.figures import Figures, goal, quiet, table
from benchmarks.scheduling.playing import Played, play_all
from benchmarks.scheduling.visits import Crowd, Visit
from benchmarks.stream_path import started

LATER_MS = 10.0
CHECK_S = 0.25
WARM_LIMIT_S = 60.0
NUM_CTX = 4096
PARALLEL = 4


@contextmanager
def server(models: Sequence[str], *, parallel: int, answer_tokens: int, seed: int) -> Iterator[str]:
    """A simulated server as a process of its own; its address."""
    options = {"models": ",".join(models), "num-parallel": parallel, "answer-tokens": answer_tokens, "seed": seed}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    with started("app.cli", "simulate", "--port", "0", *words) as (_, line):
        yield line.split(" at ")[1].split(": ")[0]


@contextmanager
def arena(ollama: str, models: Sequence[str], *, parallel: int, seed: int) -> Iterator[str]:
    """The arena as it is shipped, one worker, with a configured host of 24 GB; its address."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "arena.toml")
        host = f'[[hosts]]\nname = "one"\nurl = "{ollama}"\nmemory_gb = 24\nnum_parallel = {parallel}\nmax_loaded = 3\n'
        config.write_text(host)
        env = {"ARENA_CONFIG": str(config), "ARENA_DATA_DIR": folder, "REDIS_URL": "", "ARENA_MODELS": ",".join(models),
               "ARENA_NUM_CTX": str(NUM_CTX), "ARENA_SEED": str(seed), "LOG": f"{folder}/log"}  # fmt: skip
        with started("app.cli", "serve", "--port", "0", **env) as (_, base):
            if not base:
                raise SystemExit(Path(folder, "log").read_text())
            yield base


async def count_loads(session: aiohttp.ClientSession, ollama: str, loads: Counter[str]) -> None:
    """Count the models that appear in the server's memory, for ever."""
    present: set[str] = set()
    while True:
        async with session.get(f"{ollama}/api/ps") as response:
            now = {entry["name"] for entry in (await response.json())["models"]}
        loads.update(now - present)
        present = now
        await asyncio.sleep(CHECK_S)


async def events(session: aiohttp.ClientSession, url: str, cursor: str) -> AsyncGenerator[tuple[str, dict[str, str]]]:
    """The events of a battle: kind and data."""
    kind = ""
    limit = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with session.get(url, params={"after": cursor}, timeout=limit) as response:
        async for line in response.content:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield kind, json.loads(line[6:])


async def first_tokens_directly(
    session: aiohttp.ClientSession, ollama: str, pair: Sequence[str], text: str
) -> list[float]:
    """Seconds to the first token of two chats that begin at once."""
    options = {"num_ctx": NUM_CTX, "num_predict": 1024, "temperature": 0.7}
    began = time.perf_counter()

    async def chat(model: str) -> float:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "options": options, "think": False}
        async with session.post(f"{ollama}/api/chat", json=body) as response:
            await response.content.readline()
            took = time.perf_counter() - began
            await response.read()
        return took

    return list(await asyncio.gather(*(chat(model) for model in pair)))


async def first_tokens_by_arena(
    session: aiohttp.ClientSession, base: str, pair: Sequence[str], text: str
) -> list[float]:
    """Seconds from the POST that opens a battle to the first text of each side at its viewer."""
    began, times = time.perf_counter(), dict[str, float]()
    async with session.post(f"{base}/api/arena/battles", json={"message": text, "models": list(pair)}) as response:
        opened = await response.json()
    async with aclosing(events(session, base + opened["events"], opened["cursor"])) as stream:
        async for kind, data in stream:
            if kind == "delta":
                times.setdefault(data["side"], time.perf_counter() - began)
            elif kind == "ready":
                break
    return list(times.values())


async def compare_first_tokens(ollama: str, base: str, rounds: int) -> tuple[list[float], list[float], Counter[str]]:
    """Rounds of both kinds in turns; what each took, and the loads meanwhile."""
    direct, arenas, loads = list[float](), list[float](), Counter[str]()
    async with aiohttp.ClientSession() as session, beside(count_loads(session, ollama, loads)):
        async with asyncio.timeout(WARM_LIMIT_S):
            while len(loads) < len(DEFAULT_MODELS):  # noqa: ASYNC110 - a server can only be asked
                await asyncio.sleep(CHECK_S)
        for number in range(rounds):
            pair = [model for place, model in enumerate(DEFAULT_MODELS) if place != number % len(DEFAULT_MODELS)]
            direct += await first_tokens_directly(session, ollama, pair, f"Direct question {number}")
            arenas += await first_tokens_by_arena(session, base, pair, f"Arena's question {number}")
    return direct, arenas, loads


def first_tokens(rounds: int, seed: int) -> None:
    """Print how much later first tokens come through the arena, and whether a model was loaded twice."""
    with (
        server(DEFAULT_MODELS, parallel=2, answer_tokens=12, seed=seed) as ollama,
        arena(ollama, DEFAULT_MODELS, parallel=2, seed=seed) as base,
    ):
        direct, arenas, loads = asyncio.run(compare_first_tokens(ollama, base, rounds))
    before, after = (1000 * statistics.median(times) for times in (direct, arenas))
    print(f"first tokens, medians of {len(direct)} and {len(arenas)}: direct {before:.1f} ms, arena {after:.1f} ms")
    print(f"loads: {sum(loads.values())} of {len(loads)} models")
    print(goal(max(loads.values()) == 1, "no swap"))
    print(goal(after - before <= LATER_MS, f"{after - before:.1f} ms later, at most {LATER_MS:g}"))


async def _play_one(session: aiohttp.ClientSession, base: str, visit: Visit, now: float) -> Played:
    """One battle over the native API."""
    played, began, status = Played(visit, now), time.perf_counter(), "failed"
    body = {"message": visit.message, "models": list(visit.models)}
    async with session.post(f"{base}/api/arena/battles", json=body) as response:
        response.raise_for_status()
        opened = await response.json()
    token = {"X-Battle-Token": opened["token"]}
    async with aclosing(events(session, base + opened["events"], opened["cursor"])) as stream:
        async for kind, data in stream:
            if kind == "ready":
                played.waits_s.append(time.perf_counter() - began)
                place = int(data["round"]) - 1
                await asyncio.sleep(visit.reads_s[place])
                began = time.perf_counter()
                vote = {"round": place + 1, "verdict": visit.verdicts[place].value}
                address = base + opened["events"].replace("/events", "/votes")
                async with session.post(address, json=vote, headers=token) as response:
                    response.raise_for_status()
            elif kind == "end":
                status = data["status"]
                break
    played.status = Status(status)
    return played


async def crowd_by_arena(ollama: str, base: str, crowd: Crowd) -> Figures:
    """The crowd's visits over HTTP."""
    loads, played = Counter[str](), list[Played]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()

        async def user(visits: Sequence[Visit]) -> None:
            for visit in visits:
                await asyncio.sleep(max(visit.at - (time.perf_counter() - began), 0.0))
                played.append(await _play_one(session, base, visit, time.perf_counter() - began))

        async with beside(count_loads(session, ollama, loads)), asyncio.TaskGroup() as users:
            for visits in crowd.visits():
                users.create_task(user(visits))
    return Figures(played, loads)


async def crowd_directly(ollama: str, crowd: Crowd, options: GenerationOptions) -> Figures:
    """The crowd's visits, each client for itself."""
    loads, clock, backend = Counter[str](), Clock(), OllamaBackend(ollama, limits=Timeouts(first_token=PATIENT))
    async with aiohttp.ClientSession() as session, beside(count_loads(session, ollama, loads)):
        played = await play_all(crowd.visits(), Direct(backend, options, clock), clock.now)
    await backend.aclose()
    return Figures(played, loads)


def cross_check(minutes: float, users: int, seed: int) -> None:
    """Print the same minutes of a crowd, real and virtual."""
    crowd = Crowd(FIVE, users, minutes / 60, 60.0, seed=seed)
    config = SimulatorConfig(models=FIVE, num_parallel=PARALLEL, seed=seed)
    setup = Setup(config, GenerationOptions(num_ctx=NUM_CTX, seed=seed))
    with server(FIVE, parallel=PARALLEL, answer_tokens=120, seed=seed) as ollama:
        direct = asyncio.run(crowd_directly(ollama, crowd, setup.options))
    with (
        server(FIVE, parallel=PARALLEL, answer_tokens=120, seed=seed) as ollama,
        arena(ollama, FIVE, parallel=PARALLEL, seed=seed) as base,
    ):
        arenas = asyncio.run(crowd_by_arena(ollama, base, crowd))
    rows = [
        row("direct, real time", direct),
        row("arena, real time", arenas),
        row("direct, virtual", run_virtual(directly(setup, crowd))),
        row("drivers, virtual", run_virtual(through_drivers(setup, crowd))),
    ]
    print(table(HEAD, rows))


def main() -> None:
    """Run what is asked for and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["first-tokens", "crowd"])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--users", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    quiet()
    if given.only != "crowd":
        first_tokens(given.rounds, given.seed)
    sys.stdout.flush()
    if given.only != "first-tokens":
        cross_check(given.minutes, given.users, given.seed)


if __name__ == "__main__":
    main()
