"""The texts of one worker's answers, sent in one call per tick.

A model server's reader never waits for Redis: ``AnswerWriter.write`` only collects. The first text of an answer and its
end are sent at once, everything else by the tick, all answers together. An update whose reply was lost is sent again as
it was, with the same sequence number, so that nothing is written twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import orjson
from redis.exceptions import RedisError

from app.arena.steps import error_json
from app.arena.store import AnswerUpdate, Store, WriteReply
from app.backends.base import GenerationRequest
from app.logs.repeats import Losses
from app.scheduling.ports import Finish
from app.store_errors import redis_trouble
from app.timing.story import to_json

#: How long the end of an answer waits for a Redis that is unavailable.
FINISH_LIMIT = timedelta(seconds=300)
RETRY_PAUSE_S = 0.25


class AnswerWriter:
    """One attempt at an answer, see ``app.scheduling.ports.Attempt``; ``leak`` goes with what is sent next.

    ``name`` is the log's: the attempt is over when the log has another one.
    """

    def __init__(
        self, batch: BatchWriter, battle: str, answer: int, token: int, name: str, request: GenerationRequest
    ) -> None:
        self.request = request
        self.over = asyncio.Event()
        self.leak = ""
        self._batch = batch
        self._attempt = (battle, name, answer, token)
        self._seq = 0
        self._restart = False
        self._texts: list[str] = []
        self._finish: Finish | None = None
        self._stored: asyncio.Future[bool] | None = None
        self._unanswered: AnswerUpdate | None = None

    def write(self, text: str) -> None:
        """Append to the answer; the first text is sent at once."""
        if text and not self.over.is_set():
            self._texts.append(text)
            self._batch.schedule(self, at_once=self._seq == 0)

    def restart(self) -> None:
        """Drop what was written; the next update shows that to viewers, if they may have seen any of it."""
        self._texts.clear()
        self._restart = self._restart or self._seq > 0
        if self._restart and not self.over.is_set():
            self._batch.schedule(self, at_once=False)

    async def finish(self, finish: Finish) -> bool:
        """Send what is left and the end; True when it is stored, False when the attempt was over."""
        if self.over.is_set():
            return False
        self._finish = finish
        self._stored = asyncio.get_running_loop().create_future()
        self._batch.schedule(self, at_once=True)
        try:
            async with asyncio.timeout(FINISH_LIMIT.total_seconds()):
                return await self._stored
        except TimeoutError:
            self.over.set()
            return False

    def next_update(self) -> AnswerUpdate | None:
        """The update to send now: the one whose reply is missing, else what was written since."""
        if self._unanswered is None and (self._texts or self._finish or self._restart):
            self._seq += 1
            text = "".join(self._texts)
            self._texts.clear()
            state = "writing" if text else ""
            self._unanswered = AnswerUpdate(
                *self._attempt, self._seq, text, state, leak=self.leak, restart=self._restart
            )
            self._restart = False
            if self._finish is not None:
                self._unanswered = _with_finish(self._unanswered, self._finish)
        return self._unanswered

    def on_reply(self, reply: WriteReply) -> None:
        """Act on the store's reply to the update that was sent."""
        sent, self._unanswered = self._unanswered, None
        if reply != "ok":
            self.over.set()
            self._texts.clear()
            self._resolve(False)
        elif sent is not None and sent.finish:
            self._resolve(True)
        elif self._texts or self._finish or self._restart:
            self._batch.schedule(self, at_once=self._finish is not None)

    def _resolve(self, stored: bool) -> None:
        self._finish = None
        if self._stored is not None and not self._stored.done():
            self._stored.set_result(stored)


def _with_finish(update: AnswerUpdate, finish: Finish) -> AnswerUpdate:
    return update._replace(
        finish=finish.reason,
        error=error_json(finish.error) if finish.error else "",
        timing=orjson.dumps(finish.timing.to_dict()).decode(),
        ending=orjson.dumps({"cause": finish.cause, "calls": finish.calls}).decode(),
        story=to_json(finish.steps),
    )


class BatchWriter:
    """Collects updates and sends them in batches; ``run`` is its only task."""

    def __init__(self, store: Store, tick: timedelta, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._tick_s = tick.total_seconds()
        self._clock = clock
        self._losses = Losses("redis", clock=clock)
        self._scheduled: dict[AnswerWriter, None] = {}
        self._urgent_writers: dict[AnswerWriter, None] = {}
        self._states: dict[tuple[str, int], AnswerUpdate] = {}
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()

    def schedule(self, writer: AnswerWriter, *, at_once: bool) -> None:
        """Send the text of ``writer`` with the next tick, or at once."""
        if at_once:
            self._scheduled.pop(writer, None)
            self._urgent_writers[writer] = None
            self._urgent.set()
        elif writer not in self._urgent_writers:
            self._scheduled[writer] = None
        self._work.set()

    def show_state(self, battle: str, answer: int, state: str, place: int | None, eta_s: int | None) -> None:
        """Show the state of an answer that is not being written yet; the newest of a tick wins."""
        extra = ("" if place is None else f',"place":{place}') + ("" if eta_s is None else f',"eta_s":{eta_s}')
        self._states[battle, answer] = AnswerUpdate(battle, "", answer, 0, 0, state=state, extra=extra)
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled; while Redis is unavailable, what has gathered waits."""
        last = self._clock()
        while True:
            await self._work.wait()
            if await self._tick_has_passed(last):
                last = self._clock()
                await self._send([*self._urgent_writers, *self._scheduled], list(self._states.values()))
            else:
                await self._send(list(self._urgent_writers), [])

    async def _tick_has_passed(self, last: float) -> bool:
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

    async def _send(self, writers: list[AnswerWriter], states: list[AnswerUpdate]) -> None:
        self._unschedule(writers, states)
        updates = [(writer, update) for writer in writers if (update := writer.next_update()) is not None]
        if not updates and not states:
            return
        try:
            replies = await self._store.write([*(update for _, update in updates), *states])
        except (RedisError, OSError) as error:
            self._losses.lost(redis_trouble(error))
            for writer in writers:
                self.schedule(writer, at_once=False)
            for state in states:  # unless a newer one has come meanwhile
                self._states.setdefault((state.battle, state.answer), state)
            self._work.set()
            await asyncio.sleep(RETRY_PAUSE_S)
            return
        self._losses.back()
        for (writer, _), reply in zip(updates, replies, strict=False):
            writer.on_reply(reply)

    def _unschedule(self, writers: list[AnswerWriter], states: list[AnswerUpdate]) -> None:
        """Whatever is sent now is no longer scheduled; what comes meanwhile is scheduled again."""
        for writer in writers:
            self._scheduled.pop(writer, None)
            self._urgent_writers.pop(writer, None)
        if states:
            self._states.clear()
        self._urgent.clear()
        if not (self._scheduled or self._urgent_writers or self._states):
            self._work.clear()
