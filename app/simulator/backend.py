"""The simulated server behind the arena's own ``Backend``, without sockets: for virtual time.

    async def main() -> None:
        async with SimulatedBackend.running(SimulatorConfig(), grain=64) as backend: ...

    run_virtual(main())

``grain`` tokens come as one chunk (the first token alone): 72 hours of answers then take seconds. Faults of the wire
are translated to what a client of the wire would make of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta

from app.backends.base import (
    BackendError,
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    InstalledModel,
    LoadedModel,
    LoadTimedOut,
    Message,
    Stalled,
)
from app.backends.ollama.failures import by_status
from app.simulator.api.asking import chat_ask, find_for_chat
from app.simulator.api.bodies import Body, ChatMessage, read_think
from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Ask, Ended, Machine
from app.simulator.outcome import Pieces, last_chunk, result, translated
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.gojson import GoJsonError
from app.tasks import cancel_and_wait


class SimulatedBackend:
    """One simulated server, as the arena sees it.

    Args:
        machine: what is behind it; several backends may share one.
        grain: tokens that come as one chunk.
        keep_alive: goes with loads only; None leaves it to the server.
        first_token: the longest wait for a first token, and for a load.
        stall: the longest silence after it.
        probe: the longest wait for the short questions.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        grain: int = 1,
        keep_alive: timedelta | None = timedelta(hours=72),
        first_token: timedelta = timedelta(seconds=180),
        stall: timedelta = timedelta(seconds=20),
        probe: timedelta = timedelta(seconds=2),
    ) -> None:
        self._machine = machine
        self._grain = grain
        self._keep_alive_s = None if keep_alive is None else keep_alive.total_seconds()
        self._first_token_s = first_token.total_seconds()
        self._stall_s = stall.total_seconds()
        self._probe_s = probe.total_seconds()

    @classmethod
    @asynccontextmanager
    async def running(
        cls, config: SimulatorConfig, *, grain: int = 1, clock: Clock | None = None
    ) -> AsyncGenerator[SimulatedBackend]:
        """A backend with a machine of its own, until the end of the block."""
        async with Machine.running(config, clock) as machine:
            yield cls(machine, grain=grain)

    @property
    def machine(self) -> Machine:
        """The simulated server: its clock, its faults, its runners."""
        return self._machine

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer as it is written; the last chunk has the ``finish_reason``.

        Raises:
            BackendError: before the first chunk any class; after it ``BackendBroken`` or a subclass.
        """
        pieces = Pieces(self._machine)
        async with self._answering(request, pieces) as answering:
            limit_s: float = self._first_token_s
            late: type[BackendError] = LoadTimedOut
            while pieces.lost or pieces.waiting or not answering.done():
                await self._wait(pieces, limit_s, late)
                if pieces.waiting:
                    yield pieces.take()
                    limit_s, late = self._stall_s, Stalled
            yield last_chunk(result(answering, begun=pieces.begun))

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Load ``model`` with the options of its battles and the configured keep_alive; return the seconds it took."""
        began = self._machine.clock.now()
        body = _body(GenerationRequest(model, (), options), keep_alive_s=self._keep_alive_s)
        loading = asyncio.ensure_future(self._machine.answer(self._ask(body), Pieces(self._machine)))
        try:
            await self._within(self._first_token_s, self._heard_of(loading))
            result(loading, begun=False)
        except TimeoutError:
            raise LoadTimedOut(f"not loaded within {self._first_token_s:g} s") from None
        finally:
            await cancel_and_wait(loading)
        return self._machine.clock.now() - began

    async def unload(self, model: str) -> None:
        """Ask the server to drop ``model``; returns before it is gone (poll ``loaded``)."""
        await self._probe()
        try:
            self._machine.scheduler.expire(find_for_chat(self._machine, model))
        except ServerError as error:
            raise translated(error) from None

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now."""
        await self._probe(self._machine.faults.ps_lag_s or 0.0)
        return tuple(
            LoadedModel(
                runner.model.name,
                runner.placement.size_bytes,
                runner.placement.vram_bytes,
                runner.num_ctx,
                runner.shown_expiry().timestamp(),
                digest=runner.model.digest,
            )
            for runner in await self._machine.scheduler.listed()
        )

    async def installed(self) -> tuple[InstalledModel, ...]:
        """What could be loaded."""
        await self._probe()
        return tuple(
            InstalledModel(model.name, model.file_bytes, model.digest, model.quantization, model.capabilities)
            for model in self._machine.installed.values()
        )

    async def version(self) -> str:
        """The server's version: the cheapest proof of life."""
        await self._probe()
        return self._machine.faults.version or self._machine.config.version

    async def aclose(self) -> None:
        """There are no connections to close; whoever made the machine ends it."""

    @asynccontextmanager
    async def _answering(self, request: GenerationRequest, pieces: Pieces) -> AsyncGenerator[asyncio.Future[Ended]]:
        ask = self._ask(_body(request))
        answering = asyncio.ensure_future(self._machine.answer(ask, pieces))
        answering.add_done_callback(pieces.wake)
        try:
            yield answering
        finally:
            await cancel_and_wait(answering)

    def _ask(self, body: Body) -> Ask:
        self._check_wire()
        try:
            ask = chat_ask(self._machine, body)
        except ServerError as error:
            raise translated(error) from None
        assert isinstance(ask, Ask)  # an unload has a method of its own
        return dataclasses.replace(ask, grain=self._grain)

    async def _wait(self, pieces: Pieces, limit_s: float, late: type[BackendError]) -> None:
        try:
            await self._within(limit_s, pieces.arrived())
        except TimeoutError:
            raise late(f"silent for {limit_s:g} s") from None

    async def _within(self, limit_s: float, waiting: Awaitable[object]) -> None:
        async with asyncio.timeout(limit_s / self._machine.clock.speed):
            await waiting

    async def _heard_of(self, loading: asyncio.Future[Ended]) -> None:
        """Wait for a load's end; on a half-open connection for ever."""
        await asyncio.wait({loading})
        if self._machine.faults.half_open:
            await asyncio.Event().wait()

    async def _probe(self, lag_s: float = 0.0) -> None:
        """What happens to a short question on the wire."""
        self._check_wire()
        late = self._machine.faults.half_open or lag_s > self._probe_s
        await self._machine.clock.sleep(self._probe_s if late else lag_s)
        if late:
            raise BackendUnavailable(f"no answer within {self._probe_s:g} s")

    def _check_wire(self) -> None:
        faults = self._machine.faults
        if faults.connection_refused or faults.tcp_reset in ("accept", "request"):
            raise BackendUnavailable("connection refused" if faults.connection_refused else "connection reset")
        if faults.host_check:
            raise by_status(403, b"")


def _body(request: GenerationRequest, keep_alive_s: float | None = None) -> Body:
    options = request.options
    given: dict[str, object] = {
        "num_ctx": options.num_ctx,
        "num_predict": options.num_predict,
        "temperature": options.temperature,
        **options.extra,
    }
    if options.seed is not None:
        given["seed"] = options.seed
    try:
        think = read_think(options.think)
    except GoJsonError as error:
        raise BadRequest(str(error)) from None
    return Body(
        model=request.model,
        messages=tuple(_message(message) for message in request.messages),
        options=given,
        think=think,
        keep_alive_s=keep_alive_s,
    )


def _message(message: Message) -> ChatMessage:
    return ChatMessage(message.role, message.content)
