"""What the answers of one worker have gathered, sent in one call per tick.

A model server's reader never waits for Redis: ``AnswerWriter.write`` only gathers. The first text of an answer and its
end are sent at once, everything else by the tick, all answers together. An item that was sent and not answered is sent
again as it was, with the same sequence number, so that a lost reply doubles nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import orjson
from redis.exceptions import RedisError

from app.arena.store import Begun, Item, Store, WriteReply, error_json
from app.backends.base import GenerationRequest
from app.logs.repeats import Losses
from app.scheduling.ports import Finish
from app.store_errors import redis_trouble

#: How long the end of an answer waits for a Redis that is unavailable.
FINISH_LIMIT = timedelta(seconds=300)
RETRY_PAUSE_S = 0.25


class AnswerWriter:
    """One attempt at an answer, see ``app.scheduling.ports.Attempt``; ``leak`` goes with what is sent next."""

    def __init__(
        self, writer: BatchWriter, battle: str, answer: int, token: int, begun: Begun, request: GenerationRequest
    ) -> None:
        self.request = request
        self.over = asyncio.Event()
        self.leak = ""
        self._writer = writer
        self._attempt = (battle, begun.name, answer, token)
        self._seq = 0
        self._restart = False
        self._texts: list[str] = []
        self._finish: Finish | None = None
        self._stored: asyncio.Future[bool] | None = None
        self._unanswered: Item | None = None

    def write(self, text: str) -> None:
        """Append to the answer; the first text is sent at once."""
        if text and not self.over.is_set():
            self._texts.append(text)
            self._writer.due(self, at_once=self._seq == 0)

    def restart(self) -> None:
        """Drop what was written; the next item tells viewers, if they may have seen any of it."""
        self._texts.clear()
        self._restart = self._restart or self._seq > 0
        if self._restart and not self.over.is_set():
            self._writer.due(self, at_once=False)

    async def finish(self, finish: Finish) -> bool:
        """Send what is left and the end; True when it is stored, False when the attempt was over."""
        if self.over.is_set():
            return False
        self._finish = finish
        self._stored = asyncio.get_running_loop().create_future()
        self._writer.due(self, at_once=True)
        try:
            async with asyncio.timeout(FINISH_LIMIT.total_seconds()):
                return await self._stored
        except TimeoutError:
            self.over.set()
            return False

    def take(self) -> Item | None:
        """The item to send now: the one that was not answered, else what has gathered."""
        if self._unanswered is None and (self._texts or self._finish or self._restart):
            self._seq += 1
            text = "".join(self._texts)
            self._texts.clear()
            state = "writing" if text else ""
            self._unanswered = Item(*self._attempt, self._seq, text, state, leak=self.leak, restart=self._restart)
            self._restart = False
            if self._finish is not None:
                self._unanswered = _with_finish(self._unanswered, self._finish)
        return self._unanswered

    def answered(self, reply: WriteReply) -> None:
        """Take the store's word for the item that was sent."""
        sent, self._unanswered = self._unanswered, None
        if reply != "ok":
            self.over.set()
            self._texts.clear()
            self._settle(False)
        elif sent is not None and sent.finish:
            self._settle(True)
        elif self._texts or self._finish or self._restart:
            self._writer.due(self, at_once=self._finish is not None)

    def _settle(self, stored: bool) -> None:
        self._finish = None
        if self._stored is not None and not self._stored.done():
            self._stored.set_result(stored)


def _with_finish(item: Item, finish: Finish) -> Item:
    return item._replace(
        finish=finish.reason,
        error=error_json(finish.error) if finish.error else "",
        timing=orjson.dumps(finish.timing.to_dict()).decode(),
    )


class BatchWriter:
    """Gathers what is due and sends it; ``run`` is its only task."""

    def __init__(self, store: Store, tick: timedelta, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._tick_s = tick.total_seconds()
        self._clock = clock
        self._losses = Losses("redis", clock=clock)
        self._gathered: dict[AnswerWriter, None] = {}
        self._at_once: dict[AnswerWriter, None] = {}
        self._states: dict[tuple[str, int], Item] = {}
        self._something = asyncio.Event()
        self._urgent = asyncio.Event()

    def due(self, pen: AnswerWriter, *, at_once: bool) -> None:
        """Send ``pen``'s text with the next tick, or at once."""
        if at_once:
            self._gathered.pop(pen, None)
            self._at_once[pen] = None
            self._urgent.set()
        elif pen not in self._at_once:
            self._gathered[pen] = None
        self._something.set()

    def tell(self, battle: str, answer: int, state: str, place: int | None, eta_s: int | None) -> None:
        """Tell the state of an answer that is not being written yet; the newest of a tick wins."""
        extra = ("" if place is None else f',"place":{place}') + ("" if eta_s is None else f',"eta_s":{eta_s}')
        self._states[battle, answer] = Item(battle, "", answer, 0, 0, state=state, extra=extra)
        self._something.set()

    async def run(self) -> None:
        """Send until cancelled; while Redis is unavailable, what has gathered waits."""
        last = self._clock()
        while True:
            await self._something.wait()
            if await self._tick_is_due(last):
                last = self._clock()
                await self._send([*self._at_once, *self._gathered], list(self._states.values()))
            else:
                await self._send(list(self._at_once), [])

    async def _tick_is_due(self, last: float) -> bool:
        """Wait for the tick's end (True) or for something urgent before it (False)."""
        left = last + self._tick_s - self._clock()
        if left <= 0:
            return True
        try:
            async with asyncio.timeout(left):
                await self._urgent.wait()
        except TimeoutError:
            return True
        return False

    async def _send(self, pens: list[AnswerWriter], states: list[Item]) -> None:
        self._forget(pens, states)
        items = [(pen, item) for pen in pens if (item := pen.take()) is not None]
        if not items and not states:
            return
        try:
            replies = await self._store.write([*(item for _, item in items), *states])
        except (RedisError, OSError) as error:
            self._losses.lost(redis_trouble(error))
            for pen in pens:
                self.due(pen, at_once=False)
            for state in states:  # unless a newer one has come meanwhile
                self._states.setdefault((state.battle, state.answer), state)
            self._something.set()
            await asyncio.sleep(RETRY_PAUSE_S)
            return
        self._losses.back()
        for (pen, _), reply in zip(items, replies, strict=False):
            pen.answered(reply)

    def _forget(self, pens: list[AnswerWriter], states: list[Item]) -> None:
        """Whatever is sent now is no longer due; what comes while it is under way is due again."""
        for pen in pens:
            self._gathered.pop(pen, None)
            self._at_once.pop(pen, None)
        if states:
            self._states.clear()
        self._urgent.clear()
        if not (self._gathered or self._at_once or self._states):
            self._something.clear()
