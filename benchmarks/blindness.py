"""What the stream of a battle gives away: an attacker who reads it guesses which model wrote which side.

``python -m benchmarks.blindness [--battles 400] [--pace even|live|both]`` plays battles of five models of different
speeds through the store of battles on a Redis of its own, all at once and in real time, and lets an attacker guess who
has only the log that viewers are sent: when each side began, how fast it grew, when it ended, and when both had. He
knows the models: he has seen as many battles with their reveals (the first half) and guesses the second half by the
nearest of what he has seen. Printed are the rates with 95 % Wilson intervals beside the chance levels: a side right
(1 in 5), both in order (1 in 20), and which of a known pair (1 in 2).

Lengths are drawn alike for all models: what a length or a style tells is not measured. Residency is not either: the
public views have none. Half of the answers wait for a load first, which differs by model.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random
from time import monotonic

import orjson
import structlog
from redis.asyncio import Redis

from app.arena.requests import OpenRequest
from app.arena.store import AnswerUpdate, Pace, Store
from app.redis.client import commands_client
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.redis.server import RedisServer

#: Characters a second, and seconds until the first word when the model has to be loaded.
MODELS: Mapping[str, tuple[float, float]] = {
    "model-2b": (400.0, 0.5),
    "model-4b": (280.0, 0.8),
    "model-8b": (180.0, 1.2),
    "model-14b": (110.0, 1.8),
    "model-32b": (60.0, 3.0),
}
SHARE_COLD = 0.5
TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log of a round tells of one side: seconds since it was opened, and characters a second while it grew."""

    began_s: float
    rate: float
    ended_s: float

    def distance(self, other: Seen) -> float:
        """How unlike another side it is: logarithms, since times and rates differ by factors."""
        pairs = ((self.began_s, other.began_s), (self.rate, other.rate), (self.ended_s, other.ended_s))
        return sum(math.log((one + 0.05) / (two + 0.05)) ** 2 for one, two in pairs)


@dataclass(frozen=True, slots=True)
class Battle:
    """The models on both sides and what was seen of them."""

    models: tuple[str, str]
    seen: tuple[Seen, Seen]


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z, rate = 1.96, right / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half


async def played(redis: Redis, pace: Pace, random: Random) -> Battle:
    """One battle of two models, written in real time."""
    arena = ArenaOnRedis(redis, pace=pace)
    arena.store = Store(redis, pace=pace)
    pair = tuple(random.sample(list(MODELS), 2))
    battle = (await arena.manager.open(OpenRequest("Why is the sky blue?", pair, 2))).battle_id
    models = tuple(arena.ledger.battles[battle].contestants)
    began = monotonic()
    watching = asyncio.create_task(_watched(arena.store, battle, began), name=f"watch {battle}")
    await asyncio.gather(*(_written(arena, battle, entry, models[entry], random) for entry in (0, 1)))
    return Battle((models[0], models[1]), await watching)


async def _written(arena: ArenaOnRedis, battle: str, entry: int, model: str, random: Random) -> None:
    rate, load_s = MODELS[model]
    left = int(random.lognormvariate(math.log(500), 0.4))
    rate *= random.lognormvariate(0.0, 0.08)
    begun = await arena.store.begin(battle, entry, entry + 1, "local")
    await asyncio.sleep(0.1 + (load_s if random.random() < SHARE_COLD else 0.0))
    seq, since, sent = 0, monotonic(), 0
    while left > sent:
        await asyncio.sleep(TICK_S)
        seq += 1
        upto = min(int((monotonic() - since) * rate), left)
        finish = "stop" if upto == left else ""
        update = AnswerUpdate(
            battle, begun.name, entry, entry + 1, seq, "x" * (upto - sent), "writing", finish=finish, timing="{}"
        )
        await arena.store.write([update])
        sent = upto


async def _watched(store: Store, battle: str, began: float) -> tuple[Seen, Seen]:
    """Read the log as a viewer does, until both sides have ended."""
    at, ends = 0, dict[str, float]()
    deltas: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    while len(ends) < 2:
        await asyncio.sleep(TICK_S / 2)
        for entry in await store.entries(battle, at):
            at, now, data = entry.n, monotonic() - began, orjson.loads(entry.data)
            if entry.event == b"delta":
                deltas[data["side"]].append((now, len(data["text"])))
            elif entry.event == b"answer":
                ends[data["side"]] = now
    a, b = (_seen(deltas[side], ends[side]) for side in ("a", "b"))
    return a, b


def _seen(deltas: Sequence[tuple[float, int]], ended_s: float) -> Seen:
    """The rate is that between the first and the last but one piece: the last may hold what was kept back."""
    grown = deltas[1:-1] or deltas[:1]
    took_s = max(grown[-1][0] - deltas[0][0], TICK_S)
    return Seen(deltas[0][0], sum(size for _, size in grown) / took_s, ended_s)


def profiles(battles: Sequence[Battle]) -> dict[str, list[Seen]]:
    """What was seen of each model in battles whose names are known."""
    found: dict[str, list[Seen]] = {model: [] for model in MODELS}
    for battle in battles:
        for model, seen in zip(battle.models, battle.seen, strict=True):
            found[model].append(seen)
    return found


def unlikeness(seen: Seen, known: Sequence[Seen]) -> float:
    """The mean distance of the five nearest."""
    nearest = sorted(seen.distance(other) for other in known)[:5]
    return sum(nearest) / max(len(nearest), 1)


def guessed(battle: Battle, known: Mapping[str, Sequence[Seen]], among: Sequence[str]) -> tuple[str, str]:
    """The two models in order that fit best; ties by chance, since the order of ``among`` is drawn."""
    cost = {(side, model): unlikeness(battle.seen[side], known[model]) for side in (0, 1) for model in among}
    return min(permutations(among, 2), key=lambda pair: cost[0, pair[0]] + cost[1, pair[1]])


def report(pace: Pace, battles: Sequence[Battle], random: Random) -> list[str]:
    """A line for each kind of guess."""
    known, asked = profiles(battles[::2]), battles[1::2]
    all_models = list(MODELS)
    sides = both = pairs = 0
    for battle in asked:
        random.shuffle(all_models)
        guess = guessed(battle, known, all_models)
        sides += sum(one == two for one, two in zip(guess, battle.models, strict=True))
        both += guess == battle.models
        pairs += guessed(battle, known, random.sample(battle.models, 2)) == battle.models
    rows = (("a side right", sides, 2 * len(asked), 0.2), ("both in order", both, len(asked), 0.05),
            ("which of a known pair", pairs, len(asked), 0.5))  # fmt: skip
    lines = []
    for name, right, of, chance in rows:
        low, high = wilson(right, of)
        verdict = "as by chance" if low <= chance <= high else "told" if low > chance else "below chance"
        lines.append(f"{pace:<6}{name:<24}{right / of:>6.0%}  [{low:.0%}, {high:.0%}]  chance {chance:.0%}  {verdict}")
    return lines


async def measured(pace: Pace, count: int, seed: int) -> list[str]:
    """Play ``count`` battles at once and let the attacker guess."""
    random, server = Random(seed), RedisServer()
    redis = commands_client(server.url)
    try:
        battles = await asyncio.gather(*(played(redis, pace, Random(random.random())) for _ in range(count)))
    finally:
        await redis.aclose()
        server.close()
    return report(pace, battles, random)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--battles", type=int, default=400)
    parser.add_argument("--pace", choices=("even", "live", "both"), default="both")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    paces: tuple[Pace, ...] = ("live", "even") if given.pace == "both" else (given.pace,)
    for pace in paces:
        print(*asyncio.run(measured(pace, given.battles, given.seed)), sep="\n")


if __name__ == "__main__":
    main()
