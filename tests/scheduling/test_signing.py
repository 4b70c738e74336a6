"""Answers are signed with the weights that write them, and a model that is not there is told at once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from app.backends.base import GenerationOptions, GenerationRequest, LoadedModel, Message, ModelNotFound
from app.hosts.seen_models import KEPT, SeenModels
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.residency import Residency
from app.scheduling.driver.signing import Signing
from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.simulator.backend import SimulatedBackend
from app.simulator.engine import mishaps
from app.simulator.engine.machine import Machine
from app.simulator.protocol.names import ModelName
from tests.helpers import known
from tests.simulator.asking import virtually

OPTIONS = GenerationOptions(num_ctx=4096, num_predict=20)
MODEL = "mistral:7b"


@dataclass
class Noted:
    """An observer that remembers."""

    digests: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def written(self, host: str, battle: str, model: str, digest: str) -> None:
        self.digests.append(digest)

    def refused(self, host: str, model: str) -> None:
        self.gone.append(model)


async def answered(machine: Machine, signing: Signing, backend: SimulatedBackend) -> None:
    request = GenerationRequest(MODEL, (Message("user", "Why?"),), OPTIONS)
    job = Job("battle", 0, MODEL, Priority.INTERACTIVE, 0.0)
    async with signing.of(job) as begun, aclosing(backend.stream(request)) as chunks:
        async for _ in chunks:
            begun.set()


def signer(backend: SimulatedBackend, noted: Noted) -> Signing:
    residency = Residency("one", backend, lambda _: OPTIONS, memory=MemoryBudget(Budget()), events=HostEvents("one"))
    return Signing("one", residency, noted)


def test_a_tag_that_was_created_anew_signs_with_its_new_weights_from_the_next_answer_on() -> None:
    noted = Noted()

    async def main(machine: Machine) -> None:
        backend = SimulatedBackend(machine)
        signing = signer(backend, noted)
        await answered(machine, signing, backend)
        mishaps.recreate(machine, MODEL)
        await answered(machine, signing, backend)
        assert noted.digests[1] == known(machine.find(ModelName.parse(MODEL))).digest

    virtually(main, models=(MODEL,))
    assert len(set(noted.digests)) == 2


class Listing(SimulatedBackend):
    """Counts how often it was asked what is in memory."""

    asked = 0

    async def loaded(self) -> tuple[LoadedModel, ...]:
        self.asked += 1
        return await super().loaded()


def test_answers_that_begin_in_one_moment_are_signed_by_one_question() -> None:
    noted = Noted()
    asked: list[int] = []

    async def main(machine: Machine) -> None:
        backend = Listing(machine)
        signing = signer(backend, noted)
        await asyncio.gather(*(answered(machine, signing, backend) for _ in range(3)))
        asked.append(backend.asked)
        await answered(machine, signing, backend)  # one that begins later has to ask again
        asked.append(backend.asked)

    virtually(main, models=(MODEL,), num_parallel=4)
    assert asked == [1, 2]
    assert len(noted.digests) == 4


def test_a_model_that_was_deleted_is_told_with_the_first_refusal() -> None:
    noted = Noted()

    async def main(machine: Machine) -> None:
        backend = SimulatedBackend(machine)
        mishaps.delete(machine, MODEL)
        with pytest.raises(ModelNotFound):
            await answered(machine, signer(backend, noted), backend)

    virtually(main, models=(MODEL,))
    assert (noted.digests, noted.gone) == ([], [MODEL])


def test_digests_are_kept_by_answer_and_only_the_newest() -> None:
    forgotten: list[tuple[str, str]] = []
    seen = SeenModels(lambda host, model: forgotten.append((host, model)))
    for number in range(KEPT + 1):
        seen.written("one", f"battle{number}", MODEL, f"digest{number}")
    assert seen.digest("one", "battle0", MODEL) is None
    assert seen.digest("one", f"battle{KEPT}", MODEL) == f"digest{KEPT}"
    assert seen.digest("two", f"battle{KEPT}", MODEL) is None
    seen.refused("one", MODEL)
    assert forgotten == [("one", MODEL)]
