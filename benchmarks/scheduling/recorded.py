"""The crowd that was recorded on a real H100 (tests/data/ollama-recordings/h100), in virtual time.

25 users with a pause of 10 s after each battle, three of five 8B models, 120 tokens, 23.5 GiB free, four slots:
straight to the server (three chats at once a battle) and through the drivers. All runs are equally long; what is
unfinished at the end counts with its age. What no scheduler can beat is printed beside.

    python -m benchmarks.scheduling.recorded --seeds 3 --seconds 120
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean

from app.backends.base import GenerationOptions
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.direct import Direct
from benchmarks.scheduling.driven_hosts import GRAIN, DrivenHosts, Setup, count_loads
from benchmarks.scheduling.figures import goal, percentile, quiet, table
from benchmarks.scheduling.playing import Played, play_for
from benchmarks.scheduling.visits import Crowd

RECORDINGS = Path(__file__).parents[2] / "tests/data/ollama-recordings/h100"

MODELS = tuple(
    f"{name}=4.6566" for name in ("mistral-a:7b", "qwen3-a:8b", "biomistral-a:7b", "gemma2-a:9b", "llama-a:8b")
)
"""Five models of 8B shape, Q4_0, 4.66 GB each."""

NAMES = tuple(model.partition("=")[0] for model in MODELS)
TOKENS = 120
ANSWERS = 3

TOKENS_PER_S = 616.0
"""What the recorded card writes with four answers at once, of however many models."""

WITH_LOADS = {"p95": 8.5, "battles/min": 93.0}
"""What no scheduler beats on the recorded card if a change of models costs only a load of 2.4 s, beside answers."""

LEAST_BATTLES_PER_MIN, MOST_P95_S = 65.0, 17.0
"""The aims."""
WARM_S = 8.0
PATIENT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Came:
    """What a run of ``seconds`` came to; ``loads`` are all loads."""

    played: Sequence[Played]
    loads: int
    seconds: float

    @property
    def done(self) -> list[float]:
        """The times of battles that ended."""
        return [one.waited_s for one in self.played if one.ended]

    @property
    def aged(self) -> list[float]:
        """The times of all battles; what is unfinished counts with its age."""
        return [one.waited_s for one in self.played]

    @property
    def battles_per_min(self) -> float:
        """Battles that ended, by the minute."""
        return 60 * len(self.done) / self.seconds

    @property
    def answers_per_min(self) -> float:
        """Answers that ended, by the minute."""
        return 60 * sum(len(one.answers) for one in self.played) / self.seconds

    def figures(self) -> Mapping[str, float]:
        """The columns of the table."""
        return {
            "done p50": percentile(self.done, 0.5),
            "p50": percentile(self.aged, 0.5),
            "p95": percentile(self.aged, 0.95),
            "battles/min": self.battles_per_min,
            "answers/min": self.answers_per_min,
            "loads/min": 60 * self.loads / self.seconds,
        }


def setup(seed: int) -> Setup:
    """The server that was recorded, and its driver."""
    config = SimulatorConfig(
        card="h100",
        others_gb=79.2 - 23.5,
        models=MODELS,
        seed=seed,
        num_parallel=4,
        disk="cache",
        answer_tokens=4 * TOKENS,
    )
    return Setup(config, GenerationOptions(num_ctx=4096, num_predict=TOKENS, seed=seed))


def crowd(seed: int) -> Crowd:
    """The users that were recorded: they vote at once."""
    return Crowd(NAMES, users=25, hours=0.2, contestants=ANSWERS, seed=seed, pause_s=10.0, reads_s=(0.0, 0.0))


async def directly(seed: int, seconds: float) -> Came:
    """Each battle's client for itself."""
    given = setup(seed)
    async with Machine.running(given.config) as machine:
        loads = count_loads(machine)
        backend = SimulatedBackend(machine, grain=GRAIN, first_token=PATIENT)
        direct = Direct(backend, given.options, machine.clock, all_at_once=True)
        played = await play_for(seconds, crowd(seed).visits(), direct, machine.clock.now)
        return Came(played, loads.count.total(), seconds)


async def through_drivers(seed: int, seconds: float) -> Came:
    """The same by the driver; as in the recording, it had made the host warm before the first user came."""
    async with DrivenHosts.running(setup(seed)) as driven:
        await driven.clock.sleep(WARM_S)
        played = await play_for(seconds, crowd(seed).visits(), driven, lambda: driven.clock.now() - WARM_S)
        return Came(played, driven.loads["one"].count.total(), seconds)


def recorded(name: str) -> Mapping[str, float]:
    """The same figures of the recording ``crowd-direct`` or ``crowd-stay0``."""
    seen = json.loads((RECORDINGS / "crowd.json").read_text())[name]
    loads = json.loads((RECORDINGS / "facts.json").read_text())[f"{name}.json_loads"]
    done = [waited for _, waited in seen["times"]]
    return {
        "done p50": percentile(done, 0.5),
        "p50": percentile([*done, *seen["waiting"]], 0.5),
        "p95": percentile([*done, *seen["waiting"]], 0.95),
        "battles/min": 60 * len(done) / seen["secs"],
        "answers/min": seen["answers_per_min"],
        "loads/min": 60 * loads / seen["secs"],
    }


def bounds() -> dict[str, Mapping[str, float]]:
    """What the card allows at most; a scheduler that never loads writes as many tokens as that."""
    by_tokens = 60 * TOKENS_PER_S / TOKENS
    return {
        "bound: the card's tokens": {"battles/min": by_tokens / ANSWERS, "answers/min": by_tokens},
        "bound: and loads of 2.4 s": WITH_LOADS,
    }


def mean(runs: Sequence[Came]) -> Mapping[str, float]:
    """The means of several runs."""
    return {name: fmean(run.figures()[name] for run in runs) for name in runs[0].figures()}


def main() -> None:
    """Run all seeds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args()
    quiet()
    seeds = range(1, given.seeds + 1)
    rows: dict[str, Mapping[str, float]] = {
        "recorded, direct (120 s)": recorded("crowd-direct"),
        "direct": mean([run_virtual(directly(seed, given.seconds)) for seed in seeds]),
        "recorded, stay 0 (70 s)": recorded("crowd-stay0"),
        "drivers": mean([run_virtual(through_drivers(seed, given.seconds)) for seed in seeds]),
    }
    ours, columns = rows["drivers"], list(rows["drivers"])
    rows |= bounds()
    print(table(("", *columns), [(name, *(row.get(one, "") for one in columns)) for name, row in rows.items()]))
    battles, p95 = ours["battles/min"], ours["p95"]
    share = battles / WITH_LOADS["battles/min"]
    print(goal(battles >= LEAST_BATTLES_PER_MIN, f"{battles:.1f} battles/min, {share:.0%} of the bound; at least 65"))
    print(goal(p95 <= MOST_P95_S, f"p95 {p95:.1f} s; at most 17 s"))


if __name__ == "__main__":
    main()
