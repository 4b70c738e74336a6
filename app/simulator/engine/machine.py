"""The simulated server behind every protocol: resolve a name, get a runner, wait for a slot, read the prompt, write.

It knows no sockets: ``app.simulator.server.server`` puts HTTP in front of it, ``app.simulator.backend`` the arena's own
``Backend``. To leave, cancel the task that awaits ``answer``; everything it held is then given back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn, Self

from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.devices import DeviceJob, Engine
from app.simulator.engine.faults import ScriptedFault
from app.simulator.engine.rates import Jitter, warm_overhead_seconds
from app.simulator.engine.runner import Runner, RunnerOptions
from app.simulator.engine.scheduler import Scheduler
from app.simulator.engine.writing import DoneReason, Generation, Sink, WriteLimits, write_plan
from app.simulator.models.catalog import MODELS, Model
from app.simulator.models.text import Writer
from app.simulator.protocol.errors import Broken, ImagesUnsupported, PromptRefused, ServerBusy, ServerError
from app.simulator.protocol.names import ModelName
from app.simulator.protocol.tools import SimulatedCall
from app.tasks import cancel_and_wait

RUNNER_STOPPED = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
_DEFAULT = RunnerOptions()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a model; without ``prompt`` it only loads.

    ``prompt`` is the whole conversation as one text, ``question`` what the answer is about. ``grain`` is how many
    tokens go out together. ``temperature`` 0 or a ``seed`` make the answer repeatable. With a ``tool_call`` it is
    that call that is written; the pieces are its arguments.
    """

    model: Model
    prompt: str = ""
    question: str = ""
    prompt_tokens: int = 0
    options: RunnerOptions = _DEFAULT
    keep_alive_s: float | None = None
    num_predict: int = -1
    stop: tuple[str, ...] = ()
    seed: int | None = None
    temperature: float = 0.8
    think: bool = False
    json_format: bool = False
    images: bool = False
    grain: int = 1
    tool_call: SimulatedCall | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended, with the server's own figures (zero is left out on the wire)."""

    done_reason: DoneReason
    total_s: float = 0.0
    load_s: float = 0.0
    prompt_tokens: int = 0
    prompt_s: float = 0.0
    tokens: int = 0
    decode_s: float = 0.0


class Machine:
    """One simulated Ollama. ``running`` makes and ends it."""

    def __init__(self, config: SimulatorConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.faults = config.first_faults
        self.installed: dict[tuple[str, ...], Model] = {}
        self.installed_at: dict[str, datetime] = {}
        self.scheduler = Scheduler(config, clock, self.faults)
        self.engine = Engine(clock, config.batch_penalty)
        self.on_down: Callable[[], None] = lambda: None
        self._writer = Writer(config.seed, config.answer_tokens, config.answer_spread)
        self._jitter = Jitter(config.seed)
        self._chance = random.Random(f"{config.seed} requests")
        self._requests = 0
        self._writings: dict[Generation, Runner] = {}
        self._asking: set[asyncio.Task[object]] = set()
        for place, model in enumerate(config.catalogue, start=1):
            self.install(model, clock.utc() - timedelta(hours=place))

    @classmethod
    @asynccontextmanager
    async def running(cls, config: SimulatorConfig, clock: Clock | None = None) -> AsyncGenerator[Machine]:
        """A machine whose scheduler and fault script run until the end of the block."""
        machine = cls(config, clock or Clock(config.speed))
        machine.scheduler.start()
        script_task = asyncio.create_task(machine._play(config.scripted), name="simulator fault write_plan")
        try:
            yield machine
        finally:
            try:
                await cancel_and_wait(script_task)
            finally:
                await machine.scheduler.aclose()

    async def _play(self, script_lines: tuple[ScriptedFault, ...]) -> None:
        changes = [(line.at_s, line.apply) for line in script_lines]
        changes += [(line.at_s + line.for_s, line.revert) for line in script_lines if line.for_s is not None]
        for at_s, change in sorted(changes, key=lambda pair: pair[0]):
            await self.clock.sleep(at_s - self.clock.now())
            change(self.faults)

    @property
    def slow_readers(self) -> int:
        """How many answers are paused because nobody reads them."""
        return sum(writing.is_blocked for writing in self._writings)

    async def restart(self, down_s: float, *, children_stay: bool = False) -> None:
        """Go down and come back empty: connections are reset, and the next load is a first one.

        With ``children_stay`` only the server is killed (kill -9): its models' processes keep their memory.
        """
        self.faults.set({"connection_refused": True})
        self.on_down()
        for task in tuple(self._asking):
            task.cancel()
        self.scheduler.forget_all(children_stay=children_stay)
        await self.clock.sleep(down_s)
        self.faults.set({"connection_refused": None})

    def install(self, model: Model, at: datetime | None = None) -> None:
        """Add a model (a pull's end: now)."""
        self.installed[ModelName.parse(model.name).key] = model
        self.installed_at.setdefault(model.name, at or self.clock.utc())

    def find(self, name: ModelName) -> Model | None:
        """The installed model of that name, whatever its case."""
        return self.installed.get(name.key)

    def known(self, name: ModelName) -> Model | None:
        """A model that could be pulled."""
        return self.find(name) or MODELS.get(name.short.lower())

    async def answer(self, ask: Ask, sink: Sink) -> Ended:
        """Serve one request; pieces go to the sink when they are due.

        Raises:
            ServerError: before the first token.
            Broken: after it.
        """
        task = asyncio.current_task()
        assert task is not None  # coroutines run in tasks
        self._asking.add(task)
        try:
            return await self._answer(ask, sink)
        finally:
            self._asking.discard(task)

    async def _answer(self, ask: Ask, sink: Sink) -> Ended:
        arrived = self.clock.now()
        if self.faults.always_503:
            raise ServerBusy
        async with self.scheduler.runner(ask.model, ask.options, ask.keep_alive_s) as runner:
            await self.clock.sleep(warm_overhead_seconds(self._chance))
            self._check_alive(runner)
            if not ask.prompt:
                return Ended("load")
            load_s = self.clock.now() - arrived
            self._check_prompt(ask, runner)
            async with Slot(runner) as slot:
                figures = await self._in_slot(ask, runner, slot, sink)
            return dataclasses.replace(figures, total_s=self.clock.now() - arrived, load_s=load_s)

    def _check_alive(self, runner: Runner) -> None:
        if self.faults.runner_stopped:
            self.faults.runner_stopped = False
            runner.dead = True
            raise ServerError(500, RUNNER_STOPPED)

    @staticmethod
    def _check_prompt(ask: Ask, runner: Runner) -> None:
        if ask.images:
            raise ImagesUnsupported
        if ask.prompt_tokens >= runner.num_ctx:
            raise PromptRefused(ask.prompt_tokens, runner.num_ctx)

    async def _in_slot(self, ask: Ask, runner: Runner, slot: Slot, sink: Sink) -> Ended:
        """Read the prompt, then write; total and load times are the caller's to fill in."""
        began = self.clock.now()
        await self._read_prompt(ask, runner)
        started = self.clock.now()
        writing = self._plan(ask, runner, sink)
        await self._write(writing, runner, slot)
        if writing.broken is not None:
            self._broke(writing.broken, runner)
        runner.remember(ask.prompt)
        return Ended(
            writing.plan.done_reason,
            prompt_tokens=ask.prompt_tokens,
            prompt_s=started - began,
            tokens=writing.plan.eval_count,
            decode_s=max(1e-6, writing.ended_at - started),
        )

    async def _read_prompt(self, ask: Ask, runner: Runner) -> None:
        """Everything before the first token: a fixed part, then the tokens that are not cached."""
        await self.clock.sleep(self.faults.slow_headers_s or 0.0)
        await self.clock.sleep(self.config.gpu.base_prompt_s * self._chance.uniform(1.02, 1.35))
        new = ask.prompt_tokens - runner.cached_tokens(ask.prompt, ask.prompt_tokens)
        read = asyncio.Event()
        job = DeviceJob(runner, runner.devices, lambda _due: read.set(), prefill=True)
        self.engine.start(job, math.inf if runner.hung else new / runner.rates.prefill)
        try:
            await read.wait()
        finally:
            self.engine.stop(job)

    def _plan(self, ask: Ask, runner: Runner, sink: Sink) -> Generation:
        self._requests += 1
        repeatable = ask.seed is not None or ask.temperature == 0
        variant = f"seed {ask.seed}" if repeatable else f"request {self._requests}"
        model, limit = ask.model, self._token_limit(ask, runner)
        if ask.tool_call is not None:
            answer = self._writer.write_arguments(ask.tool_call.arguments)
        elif ask.json_format:
            answer = self._writer.write_json(model.name, ask.question, variant)
        else:
            answer = self._writer.write(
                model.name, ask.question, variant, limit=limit, scale=model.answer_scale, think=ask.think
            )
        plan = write_plan(answer, WriteLimits(limit, ask.stop), self.faults)
        offset = zlib.crc32(f"{variant} {ask.question}".encode())
        return Generation(plan, self._jitter, offset, 1 / runner.rates.decode, sink, ask.grain)

    @staticmethod
    def _token_limit(ask: Ask, runner: Runner) -> int:
        """num_predict (at least one token is written), bounded by the context: ten times, or its end without shift."""
        bound = 10 * runner.num_ctx if ask.options.shift else runner.num_ctx - ask.prompt_tokens
        return bound if ask.num_predict < 0 else min(max(1, ask.num_predict), bound)

    async def _write(self, writing: Generation, runner: Runner, slot: Slot) -> None:
        job = DeviceJob(runner, runner.devices, writing.step, prefill=False)
        self._writings[writing] = runner
        self.engine.start(job, writing.first())
        try:
            while not await writing.over_or_blocked():
                await writing.reader_is_ready()
                self.engine.resume(job, writing.following())
        except asyncio.CancelledError:
            if writing.is_blocked and self.faults.wedge_slot:
                slot.leak()
            raise
        finally:
            self.engine.stop(job)
            del self._writings[writing]

    def _broke(self, broken: Broken, runner: Runner) -> NoReturn:
        """The consequences of a break: a dead process breaks its other answers; out of memory empties the server."""
        if broken.cause == "process_died":
            self.die(runner, broken)
        if broken.cause == "out_of_memory":
            self.scheduler.expire_all()
        raise broken

    def die(self, runner: Runner, broken: Broken) -> None:
        """A model's process is gone, and the server has not noticed."""
        runner.dead = True
        for writing in [writing for writing, of in self._writings.items() if of is runner]:
            writing.break_off(broken)


class Slot:
    """One of a runner's places, first come, first served; leaving while waiting is clean."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._leaked = False

    def leak(self) -> None:
        """Never give it back."""
        self._leaked = True

    async def __aenter__(self) -> Self:
        await self._runner.slots.acquire()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if not self._leaked:
            self._runner.slots.release()
