"""What a battle gives away before its end: an attacker polls public calls, reads the stream, and guesses the models.

``python -m benchmarks.blindness [--battles 150] [--pace even|live|both] [--arena quiet|busy|both] [--speed 20]
[--draw rotation|uniform] [--singles]``

The arena as it is shipped plays battles of five models of different sizes on one simulated card with room for three,
``speed`` times as fast as they would be. Quiet: one battle after the other. Busy: many at once. After a battle's end
the attacker has the names, so that he knows the models from all battles but the one that he guesses. Printed are rates
with 95 % Wilson intervals: a side right (1 in 5 by chance), both in order (1 in 20), which of a known pair (1 in 2).
Ties are broken by chance. The rows differ in what he uses:

control      nothing
recent       the names of the ten battles that ended before: a rotation draws from a few models for minutes
polls        what anybody may read of hosts, models and metrics while the battle runs
growth       the stream before an end: the waits that are announced, when each side began, how fast it grew
pace         the same, and when each side ended
both         both of these
with texts   the stream, and how long each text is: with the time until both are complete, that bounds a model's speed
operator     polls as an operator sees them, and the pace: how much there is to hide

With ``--singles``, each property of the frames is tried alone, too (``benchmarks.blind_frames``).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import httpx
import orjson

from benchmarks.blind_attacks import ATTACKS, MODELS, Battle, Seen, line, singles
from benchmarks.blind_frames import Frame, measured

SETTLE_S = 0.3
PUBLIC = {"X-Forwarded-For": "203.0.113.7"}
#: The pace of the text is in characters a second of real time: it has to go as many times as fast as the models.
SERVE = "import sys, app.arena.store as s; s.RATE = int(s.RATE * {speed}); from app.cli.main import main; main()"


class BattleFailed(Exception):
    """A battle ended before it could be judged."""


@dataclass(slots=True)
class Trace:
    """One side of the stream while it comes in."""

    pieces: list[tuple[float, int]] = field(default_factory=list)
    ended_s: float = 0.0
    eta_s: float = 0.0

    def seen(self, side: str, frames: list[Frame]) -> Seen:
        """The rate is that between the first and the last but one piece: the last may hold what was kept back."""
        grown = self.pieces[1:-1] or self.pieces[:1]
        took_s = max(grown[-1][0] - self.pieces[0][0], 0.01)
        length = sum(size for _, size in self.pieces)
        rate = sum(size for _, size in grown) / took_s
        return Seen(self.pieces[0][0], rate, self.ended_s, length, self.eta_s, measured(frames, side))


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[str]:
    """Run Python with these arguments; yields the address in its first line."""
    log = Path(env.pop("LOG", os.devnull)).open("w")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=log, env=os.environ | env, text=True
    )
    try:
        assert process.stdout is not None
        printed = process.stdout.readline()
        found = re.search(r"http://[\w.]+:\d+", printed)
        if found is None:
            raise RuntimeError(f"no address in {printed!r}")
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@contextmanager
def arena(pace: str, draw: str, speed: float, seed: int) -> Iterator[str]:
    """One worker, embedded Redis, SQLite, and a simulated card; yields the arena's address."""
    models = ",".join(f"{name}={size}" for name, size in MODELS.items())
    sizes = (
        "--speed",
        str(speed),
        "--models",
        models,
        "--answer-tokens",
        "200",
        "--seed",
        str(seed),
        "--num-parallel",
        "2",
    )
    with tempfile.TemporaryDirectory() as folder, started("-m", "app.cli", "simulate", "--port", "0", *sizes) as ollama:
        env = {"OLLAMA_HOST": ollama, "ARENA_DATA_DIR": folder, "REDIS_URL": "", "ARENA_MODELS": ",".join(MODELS),
               "ARENA_NUM_MODELS": "2", "ARENA_PACE": pace, "ARENA_DRAW": draw, "ARENA_TICK": "0.01",
               "ARENA_NUM_PARALLEL": "2", "LOG": f"{folder}/log"}  # fmt: skip
        with started("-c", SERVE.format(speed=speed), "serve", "--port", "0", **env) as address:
            yield address


async def battle(http: httpx.AsyncClient, number: int) -> Battle:
    """Open a battle, watch it as anybody may, judge it and read the names."""
    opened = await _opened(http, f"What is number {number} good for?")
    began, path = monotonic(), f"/api/arena/battles/{opened['battle_id']}"
    polls: dict[str, float] = dict.fromkeys(MODELS, 0.0)
    by_operator = dict(polls)
    polling = [
        asyncio.create_task(_polled(http, PUBLIC, polls), name="poll"),
        asyncio.create_task(_polled(http, {}, by_operator), name="poll as an operator"),
    ]
    try:
        sides, frames = await _watched(http, opened["events"], began)
    finally:
        for task in polling:
            task.cancel()
        await asyncio.gather(*polling, return_exceptions=True)
    vote = {"round": 1, "verdict": "tie"}
    ended = (await http.post(f"{path}/votes", json=vote, headers={"X-Battle-Token": opened["token"]})).json()
    names = {line["alias"]: line["model"].partition(":")[0] for line in ended["reveal"]["ranking"]}
    models = (names[ended["sides"]["a"]["alias"]], names[ended["sides"]["b"]["alias"]])
    seen = (sides["a"].seen("a", frames), sides["b"].seen("b", frames))
    return Battle(models, seen, polls, by_operator)


async def _opened(http: httpx.AsyncClient, message: str) -> dict[str, Any]:
    """Open a battle; it is refused while no host has answered yet."""
    while True:
        response = await http.post("/api/arena/battles", json={"message": message})
        if response.status_code == 201:
            opened: dict[str, Any] = response.json()
            return opened
        if response.status_code != 503:
            response.raise_for_status()
        await asyncio.sleep(0.5)


async def _watched(http: httpx.AsyncClient, events: str, began: float) -> tuple[dict[str, Trace], list[Frame]]:
    sides, frames, event = {"a": Trace(), "b": Trace()}, list[Frame](), ""
    async with http.stream("GET", events, headers=PUBLIC) as response:
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            if event == "ready":
                return sides, [*frames, Frame(monotonic() - began, event, "", 0, {})]
            if line.startswith(":"):
                frames.append(Frame(monotonic() - began, "heartbeat", "", len(line), {}))
            if name != "data" or event not in ("delta", "answer", "round", "status"):
                continue
            data = orjson.loads(value)
            frames.append(Frame(monotonic() - began, event, data.get("side", ""), len(value), data))
            if event == "round":
                sides = {"a": Trace(), "b": Trace()}
            elif event == "status":
                sides[data["side"]].eta_s = max(sides[data["side"]].eta_s, data.get("eta_s") or 0.0)
            elif event == "delta":
                sides[data["side"]].pieces.append((monotonic() - began, len(data["text"])))
            else:
                sides[data["side"]].ended_s = monotonic() - began
    raise BattleFailed


async def _polled(http: httpx.AsyncClient, headers: dict[str, str], seen: dict[str, float]) -> None:
    """Note of each model in how many of the newest polls it was named where memory is told of."""
    while True:
        hosts, models = await asyncio.gather(
            *(http.get(f"/api/arena/{what}", headers=headers) for what in ("hosts", "models"))
        )
        metrics = (await http.get("/metrics", headers=headers)).text
        text = [orjson.dumps([host["residents"], host["loading"]]).decode() for host in hosts.json()["hosts"]]
        text += [orjson.dumps(one).decode() for one in models.json()["models"] if one.get("resident_on")]
        text += [line for line in metrics.splitlines() if "resident" in line and not line.endswith(" 0")]
        for model in seen:
            named = sum(f"{model}:" in part or f'"{model}"' in part for part in text)
            seen[model] = 0.7 * seen[model] + 0.3 * min(named, 1)
        await asyncio.sleep(0.1)


async def played(address: str, count: int, at_once: int) -> list[Battle]:
    """``count`` battles, ``at_once`` at a time; those that failed are left out."""
    found: list[Battle] = []
    numbers = iter(range(count))

    async def one_after_the_other(http: httpx.AsyncClient) -> None:
        for number in numbers:
            with suppress(BattleFailed):
                found.append(await battle(http, number))
            await asyncio.sleep(SETTLE_S / at_once)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=120, trust_env=False, limits=limits) as http:
        await asyncio.gather(*(one_after_the_other(http) for _ in range(at_once)))
    return found


def main() -> None:
    """Play and print a table for each pace and each arena."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=150)
    parser.add_argument("--pace", choices=("even", "live", "both"), default="both")
    parser.add_argument("--arena", choices=("quiet", "busy", "both"), default="both")
    parser.add_argument("--draw", choices=("rotation", "uniform"), default="rotation")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--singles", action="store_true", help="try each property of the frames alone, too")
    given = parser.parse_args()
    for pace in ("live", "even") if given.pace == "both" else (given.pace,):
        for kind in ("quiet", "busy") if given.arena == "both" else (given.arena,):
            with arena(pace, given.draw, given.speed, given.seed) as address:
                battles = asyncio.run(played(address, given.battles, 1 if kind == "quiet" else 8))
            print(f"{pace}, {kind} arena, {given.draw}, {len(battles)} battles")
            print(f"{'':22}{'a side (20 %)':<20}{'both (5 %)':<20}{'of a known pair (50 %)'}")
            attacks = (*ATTACKS, *(singles(battles) if given.singles else ()))
            print(
                *(line(attack, battles, Random(f"{given.seed} {pace} {kind} {attack.name}")) for attack in attacks),
                sep="\n",
                flush=True,
            )


if __name__ == "__main__":
    main()
