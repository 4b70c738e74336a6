"""The calls on a completion: ask for it, read it as it is written, give it up.

It has a log in Redis like a battle, with one answer on stage, so every worker can read it and a new driver of its host
goes on with it. SQL knows nothing of it, and nobody rates it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.arena.hub import Hub, follow
from app.arena.reconcile import Dispatcher
from app.arena.states import AnswerState
from app.arena.steps import EndBattle, LogEvent, ShowSide
from app.arena.store import LogStore, new_name
from app.backends.base import GenerationRequest, ToolCall
from app.battle.battle import Side
from app.battle.events import Event, EventName
from app.completions.completion import CODEC, Completion, new_completion_id
from app.completions.events import LoggedEvent, events_in
from app.scheduling.job import Job, Priority
from app.tasks import Background
from app.timing.stopwatch import Timing

RUNNING_TTL = timedelta(hours=1)
"""How long a completion outlives the last sign of life of whoever writes it."""
ENDED_TTL = timedelta(minutes=2)
REPEATED_WITHIN = timedelta(seconds=60)
"""How long a repeated request means the first one."""
REDIS_LIMIT_S = 30.0
"""How long a reader waits for a Redis that is unavailable."""
_PAUSE_S = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing is written yet; ``place`` counts from 1, ``eta_s`` is whole seconds."""

    state: Literal["queued", "loading", "writing"]
    place: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerRestarted:
    """What was written is no part of the answer, which begins anew."""


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The end; ``error`` is a public code and set unless the answer is complete.

    ``cause`` is the error's own code (``app.backends.errors``); ``calls`` are the functions that the model calls.
    """

    reason: Literal["stop", "length", "error", "cancelled"]
    error: str | None = None
    timing: Timing | None = None
    cause: str = ""
    calls: tuple[ToolCall, ...] = ()


Piece = Waiting | Text | AnswerRestarted | AnswerEnded


def completion_store(redis: Redis) -> LogStore[Completion]:
    """The store of completions."""
    return LogStore(redis, CODEC, running_ttl=RUNNING_TTL, ended_ttl=ENDED_TTL)


class Completions:
    """Every call on every completion; safe from any worker. ``clock`` is Unix time, the same on all machines.

    ================================ ====== ============================= =================
    key                              type   holds                         bound
    ================================ ====== ============================= =================
    ``arena:completion-of:<digest>`` string the id that a request got     60 s
    ================================ ====== ============================= =================
    """

    def __init__(
        self,
        redis: Redis,
        store: LogStore[Completion],
        hub: Hub,
        dispatcher: Dispatcher,
        clock: Callable[[], float],
    ) -> None:
        self._redis = redis
        self._store = store
        self._hub = hub
        self._dispatcher = dispatcher
        self._clock = clock
        self._background = Background()

    def asked_at(self) -> int:
        """The time of now as replies have it: whole seconds of Unix time, by the clock of all machines."""
        return int(self._clock())

    async def start(self, request: GenerationRequest, digest: str | None = None) -> str:
        """Queue an answer and return its id; ``digest`` is what ``repeated`` finds it by for a minute.

        Raises:
            QueueFull: its hosts have no room.
            Unavailable: no host that works has the model.
        """
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        completion = Completion(new_completion_id(), request, request_id)
        steps = (LogEvent(Event("begin", {})), ShowSide(0, 1, Side.A))
        await self._store.advance(new_name(), 0, completion, steps)
        try:
            await self._dispatcher.enqueue([self._job(completion)])
        except BaseException:
            await self._store.drop(completion.id)
            raise
        if digest is not None:
            await self.remember(digest, completion.id)
        log.info("completion_asked", completion=completion.id, model=request.model)
        return completion.id

    async def remember(self, digest: str, id_: str) -> None:
        """Keep for a minute what the request ``digest`` was answered with."""
        await self._redis.set(_key(digest), id_, px=REPEATED_WITHIN)

    async def repeated_as(self, digest: str) -> str | None:
        """What the same request was answered with within the last minute."""
        id_ = cast("bytes | None", await self._redis.get(_key(digest)))
        return None if id_ is None else id_.decode()

    async def repeated(self, digest: str) -> str | None:
        """The completion that the same request got within the last minute, unless it was given up."""
        id_ = await self.repeated_as(digest)
        state = None if id_ is None else await self._store.state(id_)
        return None if state is None or state.answers[0].finish == "cancelled" else id_

    async def pieces(self, id_: str) -> AsyncGenerator[Piece]:
        """Yield the completion from its beginning; the last piece is the ``AnswerEnded``."""
        written = False
        async with aclosing(self._events(id_)) as events:
            async for event in events:
                piece = _piece(event.name, event.data)
                if isinstance(piece, AnswerEnded):
                    yield _ended(piece, await self._answer(id_), written=written)
                    return
                written = written or isinstance(piece, Text)
                if piece is not None:
                    yield piece
        yield AnswerEnded("error", "interrupted")

    async def _events(self, id_: str) -> AsyncGenerator[LoggedEvent]:
        """Yield what is logged, across a Redis that is unavailable for a while; ends with the log or without it."""
        after, unavailable_since = 0, None
        with self._hub.watching(id_) as feed:
            while not feed.lost:
                try:
                    await self._hub.catch_up(feed)
                    unavailable_since = None
                    async with aclosing(follow(feed, feed.name, after)) as frames:
                        async for frame, reached in frames:
                            after = reached
                            for event in events_in(frame):
                                yield event
                    if feed.ended:
                        return
                except (RedisError, OSError):
                    unavailable_since = unavailable_since or self._clock()
                    if self._clock() - unavailable_since > REDIS_LIMIT_S:
                        return
                feed.stale = True
                await asyncio.sleep(_PAUSE_S)

    async def _answer(self, id_: str) -> AnswerState | None:
        """The answer as it is kept, waiting for a Redis that is unavailable; None when it is gone."""
        deadline = self._clock() + REDIS_LIMIT_S
        while True:
            try:
                state = await self._store.state(id_)
            except (RedisError, OSError):
                if self._clock() >= deadline:
                    return None
                await asyncio.sleep(_PAUSE_S)
            else:
                return None if state is None else state.answers[0]

    async def close(self, id_: str) -> None:
        """After the answer's end, or to cancel it: log the end, so that its keys go soon."""
        state = await self._store.state(id_)
        if state is not None and not state.ended:
            await self._store.advance(state.name, state.version, state.document, (EndBattle(Event(EventName.END, {})),))

    def give_up(self, id_: str) -> None:
        """Cancel a completion that nobody reads any more, in the background; nothing if it has ended."""
        self._background.start(partial(self._given_up, id_), f"give up {id_}")

    async def _given_up(self, id_: str) -> None:
        try:
            state = await self._store.state(id_)
            if state is not None and not state.answers[0].finish:
                await self.close(id_)
                await self._dispatcher.cancel([self._job(state.document)])
                log.info("completion_given_up", completion=id_)
        except (RedisError, OSError) as error:  # it is written to its end then, and its keys go by their TTL
            log.warning("completion_not_given_up", completion=id_, reason=type(error).__name__)

    async def aclose(self) -> None:
        """End what is being given up."""
        await self._background.aclose()

    def _job(self, completion: Completion) -> Job:
        return Job(completion.id, 0, completion.request.model, Priority.DIRECT, self._clock())


def _key(digest: str) -> str:
    return f"arena:completion-of:{digest}"


def _ended(end: AnswerEnded, answer: AnswerState | None, *, written: bool) -> AnswerEnded:
    """The end with what is only kept: without it a text is whole, but what has no text may have been a call."""
    if answer is None:
        return end if written or end.error is not None else AnswerEnded("error", "interrupted")
    return replace(end, timing=answer.timing, cause=answer.cause, calls=answer.calls)


def _piece(name: str, data: dict[str, object]) -> Piece | None:
    match name:
        case EventName.STATUS:
            return Waiting(
                cast(Literal["queued", "loading", "writing"], data["state"]),
                cast("int | None", data.get("place")),
                cast("float | None", data.get("eta_s")),
            )
        case EventName.DELTA:
            return Text(str(data["text"]))
        case EventName.RESET:
            return AnswerRestarted()
        case EventName.ANSWER:
            error = cast("dict[str, str] | None", data.get("error"))
            reason = cast(Literal["stop", "length", "error", "cancelled"], data["finish_reason"])
            return AnswerEnded(reason, None if error is None else error["code"])
    return None
