"""What a battle gives away before its end: an attacker polls public calls, reads the stream, and guesses the models.

``python -m benchmarks.blindness [--battles 150] [--pace even|live|both] [--arena quiet|busy|both] [--speed 20]``

The arena as it is shipped plays battles of five models of different sizes on one simulated card with room for three,
``speed`` times as fast as they would be. Quiet: one battle after the other. Busy: many at once. After a battle's end
the attacker has the names, so that he knows the models from all battles but the one that he guesses. Printed are rates
with 95 % Wilson intervals: a side right (1 in 5 by chance), both in order (1 in 20), which of a known pair (1 in 2).
Ties are broken by chance. The rows differ in what he uses:

control      nothing
polls        what anybody may read of hosts, models and metrics while the battle runs
growth       the stream before an end: the waits that are announced, when each side began, how fast it grew
pace         the same, and when each side ended
both         both of these
with texts   the stream, and how long each text is: with the time until both are complete, that bounds a model's speed
operator     polls as an operator sees them, and the pace: how much there is to hide
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import permutations
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import httpx
import orjson

#: Gigabytes of each model's weights: what it writes in a second and how long it loads follow from them.
MODELS = {"oak": 1.6, "elm": 2.6, "ash": 4.9, "fir": 8.4, "yew": 12.0}
SETTLE_S = 0.3
NEAREST = 5
PUBLIC = {"X-Forwarded-For": "203.0.113.7"}
#: The pace of the text is in characters a second of real time: it has to go as many times as fast as the models.
SERVE = "import sys, app.arena.store as s; s.RATE = int(s.RATE * {speed}); from app.cli.main import main; main()"


class Stream(IntEnum):
    """How much of the stream an attacker uses; each has what is before it."""

    NOTHING = 0
    GROWTH = 1
    ENDS = 2
    TEXTS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stream tells of one side: seconds since the battle was opened, characters, characters a second.

    ``eta_s`` is the longest wait that was announced.
    """

    began_s: float
    rate: float
    ended_s: float
    length: int
    eta_s: float

    def features(self, uses: Stream) -> tuple[float, ...]:
        """Logarithms, since times and rates differ by factors."""
        found = [self.began_s, self.rate, 0.1 + self.eta_s / 100]
        if uses >= Stream.ENDS:
            found.append(self.ended_s)
        if uses >= Stream.TEXTS:
            found.append(self.length / max(self.ended_s - self.began_s, 0.01))
        return tuple(math.log(value + 0.01) for value in found)


@dataclass(frozen=True, slots=True)
class Battle:
    """The models on both sides, what the stream told of these, and which models were polled as in memory or loading."""

    models: tuple[str, str]
    seen: tuple[Seen, Seen]
    polled: dict[str, float]
    polled_by_operator: dict[str, float]


@dataclass(slots=True)
class Trace:
    """One side of the stream while it comes in."""

    pieces: list[tuple[float, int]] = field(default_factory=list)
    ended_s: float = 0.0
    eta_s: float = 0.0

    def seen(self) -> Seen:
        """The rate is that between the first and the last but one piece: the last may hold what was kept back."""
        grown = self.pieces[1:-1] or self.pieces[:1]
        took_s = max(grown[-1][0] - self.pieces[0][0], 0.01)
        length = sum(size for _, size in self.pieces)
        return Seen(self.pieces[0][0], sum(size for _, size in grown) / took_s, self.ended_s, length, self.eta_s)


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[str]:
    """Run Python with these arguments; yields the address in its first line."""
    log = Path(env.pop("LOG", os.devnull)).open("w")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=log, env=os.environ | env, text=True
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        found = re.search(r"http://[\w.]+:\d+", told)
        if found is None:
            raise RuntimeError(f"no address in {told!r}")
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@contextmanager
def arena(pace: str, speed: float, seed: int) -> Iterator[str]:
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
               "ARENA_NUM_MODELS": "2", "ARENA_PACE": pace, "ARENA_TICK": "0.01", "ARENA_NUM_PARALLEL": "2",
               "LOG": f"{folder}/log"}  # fmt: skip
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
        sides = await _watched(http, opened["events"], began)
    finally:
        for task in polling:
            task.cancel()
        await asyncio.gather(*polling, return_exceptions=True)
    vote = {"round": 1, "verdict": "tie"}
    ended = (await http.post(f"{path}/votes", json=vote, headers={"X-Battle-Token": opened["token"]})).json()
    names = {line["alias"]: line["model"].partition(":")[0] for line in ended["reveal"]["ranking"]}
    models = (names[ended["sides"]["a"]["alias"]], names[ended["sides"]["b"]["alias"]])
    return Battle(models, (sides["a"].seen(), sides["b"].seen()), polls, by_operator)


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


async def _watched(http: httpx.AsyncClient, events: str, began: float) -> dict[str, Trace]:
    sides, event = {"a": Trace(), "b": Trace()}, ""
    async with http.stream("GET", events, headers=PUBLIC) as response:
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            if event == "ready":
                return sides
            if name != "data" or event not in ("delta", "answer", "round", "status"):
                continue
            data = orjson.loads(value)
            if event == "round":
                sides = {"a": Trace(), "b": Trace()}
            elif event == "status":
                sides[data["side"]].eta_s = max(sides[data["side"]].eta_s, data.get("eta_s") or 0.0)
            elif event == "delta":
                sides[data["side"]].pieces.append((monotonic() - began, len(data["text"])))
            else:
                sides[data["side"]].ended_s = monotonic() - began
    raise RuntimeError("the battle ended before it could be judged")


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
            found.append(await battle(http, number))
            await asyncio.sleep(SETTLE_S / at_once)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=120, trust_env=False, limits=limits) as http:
        await asyncio.gather(*(one_after_the_other(http) for _ in range(at_once)))
    return found


@dataclass(frozen=True, slots=True)
class Attack:
    """What an attacker uses."""

    name: str
    stream: Stream = Stream.NOTHING
    polls: bool = False
    operator: bool = False

    def cost(self, asked: Battle, known: Sequence[Battle], side: int, model: str) -> float:
        """How badly ``model`` fits on that side, by the nearest of the battles that are known."""
        cost = 0.0
        if self.stream:
            mine = asked.seen[side].features(self.stream)
            theirs = [b.seen[i].features(self.stream) for b in known for i in (0, 1) if b.models[i] == model]
            nearest = sorted(math.dist(mine, other) ** 2 for other in theirs)[:NEAREST]
            cost += sum(nearest) / max(len(nearest), 1)
        if self.polls:
            told = asked.polled_by_operator if self.operator else asked.polled
            cost -= told[model]
        return cost

    def guess(self, asked: Battle, known: Sequence[Battle], among: Sequence[str]) -> tuple[str, str]:
        """The two models in order that fit best; ties by chance, since the order of ``among`` is drawn."""
        costs = {(side, model): self.cost(asked, known, side, model) for side in (0, 1) for model in among}
        return min(permutations(among, 2), key=lambda pair: costs[0, pair[0]] + costs[1, pair[1]])


ATTACKS = (
    Attack("control"),
    Attack("polls", polls=True),
    Attack("growth", Stream.GROWTH),
    Attack("pace", Stream.ENDS),
    Attack("both", Stream.ENDS, polls=True),
    Attack("with texts", Stream.TEXTS),
    Attack("operator", Stream.ENDS, polls=True, operator=True),
)


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z, rate = 1.96, right / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def rates(attack: Attack, battles: Sequence[Battle], random: Random) -> list[tuple[int, int, float]]:
    """Of each kind of guess how many were right, of how many, and the chance level; each battle is guessed once."""
    sides = both = pairs = 0
    for place, asked in enumerate(battles):
        known = [*battles[:place], *battles[place + 1 :]]
        guess = attack.guess(asked, known, random.sample(list(MODELS), len(MODELS)))
        sides += sum(one == two for one, two in zip(guess, asked.models, strict=True))
        both += guess == asked.models
        pairs += attack.guess(asked, known, random.sample(asked.models, 2)) == asked.models
    return [(sides, 2 * len(battles), 0.2), (both, len(battles), 0.05), (pairs, len(battles), 0.5)]


def line(attack: Attack, battles: Sequence[Battle], random: Random) -> str:
    """A row of the table; ``*`` marks a rate whose interval lies above its chance level."""
    cells = []
    for right, of, chance in rates(attack, battles, random):
        low, high = wilson(right, of)
        cells.append(f"{right / of:>5.0%} [{low:>3.0%}, {high:>3.0%}]{'*' if low > chance else ' '}")
    return f"{attack.name:<12}{'  '.join(cells)}"


def main() -> None:
    """Play and print a table for each pace and each arena."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=150)
    parser.add_argument("--pace", choices=("even", "live", "both"), default="both")
    parser.add_argument("--arena", choices=("quiet", "busy", "both"), default="both")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    for pace in ("live", "even") if given.pace == "both" else (given.pace,):
        for kind in ("quiet", "busy") if given.arena == "both" else (given.arena,):
            with arena(pace, given.speed, given.seed) as address:
                battles = asyncio.run(played(address, given.battles, 1 if kind == "quiet" else 8))
            print(f"{pace}, {kind} arena, {len(battles)} battles")
            print(f"{'':12}{'a side (20 %)':<20}{'both (5 %)':<20}{'of a known pair (50 %)'}")
            print(
                *(line(attack, battles, Random(f"{given.seed} {pace} {kind} {attack.name}")) for attack in ATTACKS),
                sep="\n",
                flush=True,
            )


if __name__ == "__main__":
    main()
