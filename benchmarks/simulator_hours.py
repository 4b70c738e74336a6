"""How long virtual hours take: one card, three models, and for each a caller who asks again as soon as he is answered.

Prints the answers, a digest of every chunk with its time (the same for the same seed), and the seconds of this process.

    python -m benchmarks.simulator_hours --hours 72
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import time

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig


async def _run(hours: float, seed: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    answers = 0

    async def ask_on(backend: SimulatedBackend, model: str) -> None:
        nonlocal answers
        clock = backend.machine.clock
        while clock.now() < hours * 3600:
            answers += 1
            words = (Message("user", f"Question {answers} about rivers and the weather"),)
            async for chunk in backend.stream(GenerationRequest(model, words, GenerationOptions(num_ctx=8192))):
                digest.update(f"{clock.now():.9f} {model} {chunk.text}".encode())

    config = SimulatorConfig(card="a10g", seed=seed)
    async with SimulatedBackend.running(config, grain=64) as backend, asyncio.TaskGroup() as callers:
        for model in config.models:
            callers.create_task(ask_on(backend, model), name=f"caller of {model}")
    return answers, digest.hexdigest()[:16]


def main() -> None:
    """Run and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    answers, digest = run_virtual(_run(given.hours, given.seed))
    took = time.perf_counter() - began
    print(f"{given.hours:g} h: {answers} answers, digest {digest}, {took:.1f} s")


if __name__ == "__main__":
    main()
