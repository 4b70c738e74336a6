"""Short ways to ask a machine in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.simulator.api.asking import chat_ask
from app.simulator.api.bodies import Body, ChatMessage
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Ask, Ended, Machine
from app.simulator.protocol.keepalive import keep_alive_seconds
from app.simulator.protocol.names import ModelName


@dataclass
class Kept:
    """A sink that keeps the times of its pieces."""

    machine: Machine
    times: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        self.times.append(self.machine.clock.now())
        self.texts.append(text)
        return True

    def when_ready(self, resume: asyncio.Event) -> None:
        resume.set()


async def chat(
    machine: Machine, model: str, *, sink: Kept | None = None, keep_alive: object = None, **options: Any
) -> Ended:
    """One chat; ``text`` among the options is what is asked, an empty one only loads."""
    text = options.pop("text", "Why does the weather change so quickly in the mountains?")
    messages = (ChatMessage("user", text),) if text else ()
    ask = chat_ask(
        machine, Body(model, messages=messages, options=options, keep_alive_s=keep_alive_seconds(keep_alive))
    )
    if not isinstance(ask, Ask):
        machine.scheduler.expire(ask.model)
        return Ended("unload")
    return await machine.answer(ask, sink or Kept(machine))


async def load(machine: Machine, model: str, **more: Any) -> Ended:
    return await chat(machine, model, text="", **more)


async def ps(machine: Machine) -> list[str]:
    return [runner.model.name for runner in await machine.scheduler.listed()]


def in_order_of_eviction(machine: Machine) -> list[str]:
    """The models' names by the digest of their weights: with equal keep_alive the first one goes first."""
    return [m.name for m in sorted(machine.installed.values(), key=lambda model: model.blob_digest)]


def blob(machine: Machine, name: str) -> str:
    return machine.installed[ModelName.parse(name).key].blob_digest


def virtually(main: Callable[[Machine], Awaitable[object]], **config: Any) -> None:
    """Run a coroutine with a machine in virtual time."""

    async def run() -> None:
        async with Machine.running(SimulatorConfig(**config)) as machine:
            await main(machine)

    run_virtual(run())
