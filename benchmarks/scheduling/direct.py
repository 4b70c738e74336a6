"""The same battles without the arena: each user's client asks the model server for both answers at once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from app.backends.base import Backend, BackendError, Chunk, GenerationOptions, GenerationRequest, Message
from app.battle.battle import Battle, Side
from app.scheduling.ports import Finish
from app.simulator.engine.clock import Clock
from app.timing.stopwatch import Stopwatch


class Direct:
    """``Writers`` that send every request to ``backend`` as it comes; the model server decides the rest.

    ``all_at_once``: a battle's client asks for all its answers when it begins, not only for those on stage.
    """

    def __init__(
        self, backend: Backend, options: GenerationOptions, clock: Clock, *, all_at_once: bool = False
    ) -> None:
        self._backend = backend
        self._options = options
        self._clock = clock
        self._all_at_once = all_at_once
        self._tasks: dict[str, asyncio.Task[Finish]] = {}
        self._news: dict[str, asyncio.Event] = {}

    async def open(self, battle: Battle) -> None:
        """Take every battle."""
        self._news[battle.id] = asyncio.Event()

    async def ask(self, battle: Battle) -> None:
        """Begin the answers that were not begun."""
        on_stage = [battle.pair.on(side) for side in Side]
        for entry in range(len(battle.contestants)) if self._all_at_once else on_stage:
            name = f"{battle.id}:{entry}"
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._answer(battle, entry), name=name)
                self._tasks[name].add_done_callback(lambda _: self._news[battle.id].set())

    async def news(self, battle: Battle, limit_s: float) -> None:
        """Wait for an end, however long it takes: nobody sweeps here, so ``limit_s`` is not needed."""
        del limit_s
        await self._news[battle.id].wait()
        self._news[battle.id].clear()

    def finish(self, battle: Battle, entry: int) -> Finish | None:
        """How the answer ended."""
        task = self._tasks.get(f"{battle.id}:{entry}")
        return task.result() if task is not None and task.done() else None

    def forget(self, battle: Battle) -> None:
        """Drop its answers."""
        for entry in range(len(battle.contestants)):
            self._tasks.pop(f"{battle.id}:{entry}", None)
        del self._news[battle.id]

    async def _answer(self, battle: Battle, entry: int) -> Finish:
        model = battle.contestants[entry].model
        request = GenerationRequest(model, (Message("user", battle.message),), self._options)
        watch, last = Stopwatch(clock=self._clock.now), Chunk()
        watch.dispatched()
        try:
            async with aclosing(self._backend.stream(request)) as chunks:
                async for last in chunks:
                    watch.chunk(last)
        except BackendError:
            return Finish("error", watch.stop(), "unavailable")
        return Finish(last.finish_reason or "error", watch.stop())
