"""Users at battles while a chat client sends requests through /v1: what the battles lose by it, in virtual time.

The chat asks one model by its name, so its jobs come after those of viewers (``Priority.DIRECT``). It sends them on
time, whether the earlier ones are answered or not. Each way is played by the same users from the same seed without chat
and with it: once where the chat's model fits into memory beside those of the battles, once where it does not, and where
every load pushes another model out. Prints the battles' times, the chat's own, and the ratio.

Beside the ratio stands what the chat would cost if it only took its part of the card's throughput from the battles,
evenly: it is played alone, and the part of the time in which it has the card busy is what the card lacks. Whoever lets
the chat write in the gaps between battles does better than that.

    python -m benchmarks.scheduling.chatting --users 25 --hours 1
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field, replace

from app.backends.base import GenerationOptions
from app.battle import rules
from app.battle.battle import Battle, Contestant
from app.errors import Unavailable
from app.scheduling.job import Job, Priority
from app.scheduling.ports import Finish
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from benchmarks.scheduling.beside import beside
from benchmarks.scheduling.crowd import FIVE
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup
from benchmarks.scheduling.figures import Figures, goal, percentile, quiet, ratio, table
from benchmarks.scheduling.playing import play_all
from benchmarks.scheduling.visits import Crowd

AT_ONCE = 8
"""ARENA_API_CALLS' default."""
MOST = 1.2
"""The aim: the battles' p95 with the chat, as a multiple of that without it, where its model fits beside theirs."""

BESIDE = ("llama3.1:8b", "mistral:7b")
CHATS = "qwen3:8b"
HEAD = (
    "",
    "battles",
    "p50 s",
    "p95 s",
    "longest round",
    "loads",
    "failed",
    "asked",
    "refused",
    "answered",
    "chat p50",
    "chat p95",
)


@dataclass
class Chat:
    """A chat client that asks ``model`` so many times a minute; ``took_s`` are its answers' times, ``asked`` counts.

    Like any key it has at most ``AT_ONCE`` calls in flight; what is more is ``refused``.
    """

    driven: DrivenHosts
    model: str
    per_minute: float
    asked: int = 0
    refused: int = 0
    took_s: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(60 / self.per_minute)
            await self._ask()

    async def _ask(self) -> None:
        self.asked += 1
        if self.asked - self.refused - len(self._answered()) > AT_ONCE:
            self.refused += 1
            return
        battle = self._question()
        self.driven.sink.battles[battle.id] = battle
        job = Job(battle.id, 0, self.model, Priority.DIRECT, self.driven.wall())
        try:
            await self.driven.router.enqueue([job])
        except Unavailable:
            self.refused += 1

    def _question(self) -> Battle:
        """A question in the form that the sink keeps: only its message and its model are used."""
        pair = (Contestant(0, self.model), Contestant(1, "nobody"))
        return rules.open_battle(f"chat{self.asked}", f"Request {self.asked}: what is new about rivers?", pair)

    def _answered(self) -> list[Finish]:
        answers = self.driven.sink.answers.items()
        return [answer.finish for job, answer in answers if job.startswith("chat") and answer.finish is not None]

    def busy_s(self) -> float:
        """For how long an answer was asked for and not finished; without the first, which waits for a load."""
        busy_s, until = 0.0, 0.0
        for number in range(2, self.asked + 1):
            answer = self.driven.sink.answers.get(f"chat{number}:0")
            if answer is None or answer.finish is None:
                continue
            began = number * 60 / self.per_minute
            ended = began + (answer.finish.timing.total_s or 0.0)
            busy_s += max(ended - max(began, until), 0.0)
            until = max(until, ended)
        return busy_s

    def close(self) -> None:
        """Take the times of what was answered."""
        self.took_s = [finish.timing.total_s or 0.0 for finish in self._answered() if finish.reason != "error"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What battles and chat came to."""

    figures: Figures
    asked: int = 0
    refused: int = 0
    took_s: tuple[float, ...] = ()


async def share_of_the_card(setup: Setup, seconds: float, chats: str, per_minute: float) -> float:
    """The part of the time in which a chat keeps a card busy that writes nothing else."""
    async with DrivenHosts.running(setup) as driven:
        chat = Chat(driven, chats, per_minute)
        async with beside(chat.run()):
            await asyncio.sleep(seconds)
        return chat.busy_s() / seconds


async def played(setup: Setup, crowd: Crowd, chats: str, per_minute: float) -> Outcome:
    """All battles of ``crowd``; a ``per_minute`` of 0 is no chat."""
    async with DrivenHosts.running(setup) as driven:
        chat = Chat(driven, chats, per_minute)
        if per_minute:
            async with beside(chat.run()):
                battles = await play_all(crowd.visits(), driven, driven.clock.now)
        else:
            battles = await play_all(crowd.visits(), driven, driven.clock.now)
        chat.close()
        return Outcome(Figures(battles, driven.loads["one"].count), chat.asked, chat.refused, tuple(chat.took_s))


def _row(name: str, outcome: Outcome) -> tuple[object, ...]:
    figures, took = outcome.figures, outcome.took_s
    times = (figures.battle_s(0.5), figures.battle_s(0.95), figures.round_s(1.0))
    chat = (outcome.asked, outcome.refused, len(took), percentile(took, 0.5), percentile(took, 0.95))
    return (name, figures.battles, *times, sum(figures.loads.values()), figures.failed, *chat)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=25)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between a user's battles, on average")
    parser.add_argument("--per-minute", type=float, default=20.0, help="requests of the chat client")
    parser.add_argument("--card", default="a100", help="the card of the server")
    parser.add_argument("--parallel", type=int, default=4, help="OLLAMA_NUM_PARALLEL")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Play each way without and with the chat, and print."""
    given, began = _arguments(), time.perf_counter()
    quiet()
    options = GenerationOptions(num_ctx=4096, seed=given.seed)
    config = SimulatorConfig(
        card=given.card, models=(*BESIDE, CHATS), seed=given.seed, num_parallel=given.parallel, max_loaded=5
    )
    crowd = Crowd(BESIDE, given.users, given.hours, given.every, contestants=2, seed=given.seed)
    without = run_virtual(played(Setup(config, options), crowd, CHATS, 0))
    fits = run_virtual(played(Setup(config, options), crowd, CHATS, given.per_minute))
    share = run_virtual(share_of_the_card(Setup(config, options), given.hours * 3600, CHATS, given.per_minute))
    tight = replace(config, card="a10g", models=FIVE, max_loaded=0)
    many = replace(crowd, models=FIVE[:4], contestants=3)
    alone = run_virtual(played(Setup(tight, options), many, FIVE[4], 0))
    swaps = run_virtual(played(Setup(tight, options), many, FIVE[4], given.per_minute))
    rows = (("fits, no chat", without), ("fits", fits), ("does not fit, no chat", alone), ("does not fit", swaps))
    print(table(HEAD, [_row(name, outcome) for name, outcome in rows]))
    beside_it = ratio(fits.figures.battle_s(0.95), without.figures.battle_s(0.95))
    loads = sum(swaps.figures.loads.values()) - sum(alone.figures.loads.values())
    apart = swaps.figures.battle_s(0.95) - alone.figures.battle_s(0.95)
    spread = f"{1 / (1 - share):.2f} if the chat only took its {share:.0%} of the card's throughput"
    print(f"where its model fits: p95 is {beside_it:.2f} times that without the chat; {spread}")
    print(f"where it does not fit: {apart:+.1f} s at p95, {loads:+d} loads; {time.perf_counter() - began:.0f} s")
    print(goal(beside_it <= MOST, f"at most {MOST:g} times where it fits"))


if __name__ == "__main__":
    main()
