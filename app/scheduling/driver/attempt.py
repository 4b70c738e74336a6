"""One job on its way: begin an attempt, write what the model says, store the end, reconcile the battle.

The model's slot is occupied from the start until the stream has ended, not until the battle is reconciled. What is
refused from outside, or cut by the driver, is left without an end: the socket is closed and the job stays, for whoever
the answer belongs to by then. If nobody wants it any more, ``begin`` says so to the next one who asks.

What fails before its first token is given to another host, if there is one that has not tried: nobody has read a word
of it yet. After the first token the answer is failed, and never continued by another model server; only if its battle
would end without a verdict, another host writes it from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Literal

import structlog

from app.backends.base import BackendBroken, BackendError, BadRequest, Chunk
from app.backends.blank import is_blank
from app.backends.tool_calls import calls_of
from app.hosts.context import least_tokens
from app.scheduling.driver.answer_story import AnswerStory
from app.scheduling.driver.answer_trace import AnswerTrace
from app.scheduling.driver.answering_host import AnsweringHost
from app.scheduling.driver.breaker import counts
from app.scheduling.driver.early import NOTHING_EARLY, EarlyAnswer, NothingEarly
from app.scheduling.driver.loader import LoadWindow
from app.scheduling.driver.public_codes import public
from app.scheduling.driver.store_retries import STORE_LIMIT_S, STORE_UNAVAILABLE, until_the_store_is_back
from app.scheduling.job import Job
from app.scheduling.ports import Attempt, Finish
from app.tasks import cancel_and_wait
from app.timing.stopwatch import Stopwatch

SINK_LIMIT_S = 15.0
"""How long beginning an attempt may take."""

RECONCILE_LIMIT_S = 60.0
"""How long reconciling may take before the job is left for another try."""

Outcome = Literal["done", "moved", "left"]
"""``moved``: the job is another host's now. ``left``: it is still somebody's, perhaps ours again."""


class AttemptRunner:
    """Writes the answer of ``job``; ``model`` is its model as the planner spells it.

    ``load`` is its model's newest load, and ``load_s`` how long it waited for that. With ``failure`` nothing is
    written: the attempt ends with that error at once. ``on_free`` is called once, when the model's slot is free again;
    ``finish`` is known by then, if the answer came to an end. ``alone`` says that nothing else was being written when
    it began.
    """

    def __init__(
        self,
        job: Job,
        model: str,
        answering: AnsweringHost,
        *,
        on_free: Callable[[AttemptRunner], None],
        load: LoadWindow | None = None,
        failure: BackendError | None = None,
        early: EarlyAnswer | NothingEarly = NOTHING_EARLY,
    ) -> None:
        self.job = job
        self.model = model
        self.load_s = 0.0 if load is None else load.waited_s(job.enqueued_at)
        self.occupies = failure is None
        self.alone = False
        self.cause = ""
        self._server_reason = ""
        self.error: BackendError | None = None
        self.finish: Finish | None = None
        host, ports, time = answering.host, answering.ports, answering.time
        self._host = host
        self._ports = ports
        self._condemned = answering.condemned
        self._signing = answering.signing
        self._failure = failure
        self._early = early
        self._on_free = on_free
        self._trace = AnswerTrace(ports.tracer, job, host, time)
        self._story = AnswerStory(job, host.name, ports.sink, time, load, self._trace.step)
        self._watch = Stopwatch(time.now() - job.enqueued_at, self.load_s, time.monotonic, host.price_per_hour)
        self._stream: asyncio.Task[Finish | None] | None = None
        self._cut: str | None = None
        self._moved = False
        self._log = structlog.get_logger("app.scheduling.driver.attempt").bind(
            battle=job.battle, answer=job.answer, host=host.name, model=job.model
        )

    def cut(self, why: str) -> None:
        """Stop writing and close the socket, without an end; nothing if the stream has ended."""
        self._cut = self._cut or why
        if self._stream is not None:
            self._stream.cancel()

    async def run(self) -> Outcome:
        """See the job through.

        Raises:
            Exception: what the sink raised; the job is left as it is.
        """
        with self._trace.kept():
            return await self._run()

    async def _run(self) -> Outcome:
        try:
            if await self._is_another_hosts():
                return "moved"
            token = await self._ports.lease.next_token()
            if token is None:
                return "left"
            try:
                outcome = await self._attempted(token)
            except Exception:
                await self._leave(token)
                raise
            if outcome != "done":
                await self._leave(token)
                return outcome
        finally:
            self._free()
            self._condemned.forget(self.job)
            await self._early.aclose()
        async with asyncio.timeout(RECONCILE_LIMIT_S):
            await self._ports.sink.ended(self.job)
            await self._remove()
        return "done"

    async def _attempted(self, token: int) -> Outcome:
        """Begin, write and store the end; ``done`` also when there is nothing to be written."""
        async with asyncio.timeout(SINK_LIMIT_S):
            attempt = await self._ports.sink.begin(self.job, token, self._host.name)
        if attempt is None:
            return "done"
        self._story.waited()
        self._trace.begun(None if self._failure else attempt.request, token)
        finish = await self._written(attempt)
        if finish is None and not self._moved:
            await self._story.keep("left", cause=self._cut)
        if finish is None:
            return "moved" if self._moved else self._left(token)
        self.finish = self._trace.finish = finish
        self._free()
        steps = self._story.closed("failed" if self.cause else "ended", cause=self.cause or None)
        if not await until_the_store_is_back(partial(attempt.finish, replace(finish, steps=steps))):
            return self._left(token)
        self._trace.stored()
        self._finished(finish, token)
        return "done"

    async def _leave(self, token: int) -> None:
        """Say that this process lives, as soon as Redis is back; a long outage is like a death."""
        self._free()
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                await until_the_store_is_back(partial(self._ports.sink.leave, self.job, token))
        except STORE_UNAVAILABLE as error:
            self._log.warning("answer_not_left", attempt=token, why=type(error).__name__)

    async def give_up(self) -> bool:
        """End the answer as failed after ``run`` has crashed too often, and remove the job; False: not now.

        What can't be reconciled even then is left to the sweeper, which reconciles every battle without progress.
        """
        token = await self._ports.lease.next_token()
        if token is None:
            return False
        async with asyncio.timeout(SINK_LIMIT_S):
            finish = self._failed("crashed", "unavailable", "crashed")
            await self._ports.sink.fail(self.job, token, self._host.name, finish)
        try:
            async with asyncio.timeout(RECONCILE_LIMIT_S):
                await self._ports.sink.ended(self.job)
        except STORE_UNAVAILABLE:
            raise
        except Exception as error:
            self._log.exception("answer_not_settled", exc_info=error)
        await self._remove()
        return True

    async def _remove(self) -> None:
        await self._ports.queue.remove([self.job.id])
        await self._ports.reroute.forget(self.job)

    async def _is_another_hosts(self) -> bool:
        """Whether the job is another host's, or becomes it because its model could not be loaded on this one."""
        async with asyncio.timeout(SINK_LIMIT_S):
            if await self._ports.reroute.forward(self.job, self._host.name):
                return True
            return self._failure is not None and await self._rerouted(self._failure)

    async def _rerouted(self, error: BackendError) -> bool:
        """Give the job to another host, unless it would be refused there, too, or a reader has seen a part of it.

        A part that was read is dropped only for an answer without which its battle would end without a verdict, when
        it was the host that cut it off: it is written from the start, and nothing of two hosts is ever mixed.
        """
        if isinstance(error, BadRequest):
            return False
        was_read = self._watch.wrote or isinstance(error, BackendBroken)
        if was_read and (not counts(error) or await self._condemned.may_fail(self.job)):
            return False
        target = await self._ports.reroute.move(self.job, self._host.name)
        if target is not None:
            self._log.warning("answer_moved", target=target, cause=error.code, why=str(error)[:300])
            await self._story.keep("moved", cause=error.code, target=target)
        return target is not None

    async def _written(self, attempt: Attempt) -> Finish | None:
        """Write until the end, an error, or until nobody wants it (None)."""
        if self._cut is not None or attempt.over.is_set():
            return None
        self._stream = asyncio.create_task(self._answer(attempt), name=f"stream {self.job.id}")
        over = asyncio.create_task(attempt.over.wait(), name=f"over {self.job.id}")
        try:
            await asyncio.wait({self._stream, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(over, self._stream)
        return None if self._stream.cancelled() else self._stream.result()

    async def _answer(self, attempt: Attempt) -> Finish | None:
        """Turn every way in which a stream can end into a finish; None: another host writes the answer."""
        try:
            if self._failure is not None:
                raise self._failure
            with self._story.retries():
                last, blank = await self._drained(attempt)
        except BackendError as error:
            self.error = None if error is self._failure else error
            self._free()
            self._moved = self._failure is None and await self._rerouted(error)
            return None if self._moved else self._failed(error.code, error.public_code, str(error))
        except Exception as error:  # a bug in a backend must not leave a voter without an end
            self._log.exception("backend_crashed", exc_info=error)
            return self._failed("crashed", "unavailable", type(error).__name__)
        if last.finish_reason is None:
            return self._failed(BackendBroken.code, BackendBroken.public_code, "it ended without its last chunk")
        if blank:
            return self._failed("empty", "empty", "nothing that can be seen")
        self._server_reason = last.server_reason
        return Finish(last.finish_reason, self._watch.stop(), calls=calls_of(attempt.request, last))

    async def _drained(self, attempt: Attempt) -> tuple[Chunk, bool]:
        """Hand on each piece as it comes; return the last chunk and whether there was nothing to be seen."""
        watch, write = self._watch, attempt.write
        chunk, blank = Chunk(), True
        least = sum(least_tokens(message.content) for message in attempt.request.messages)
        early = self._early.of(attempt.request)
        watch.dispatched(least, early.sent_at if early else None)
        stream = early.stream(self._story) if early else self._ports.backend.stream(attempt.request)
        async with self._signing.of(self.job) as begun, aclosing(stream) as chunks:
            async for chunk in chunks:
                watch.chunk(chunk, early.heard_at if early and not begun.is_set() else None)
                begun.set()
                if chunk.restart:
                    blank = True
                    attempt.restart()
                if chunk.text:
                    blank = blank and is_blank(chunk.text)
                    write(chunk.text)
        return chunk, blank and not calls_of(attempt.request, chunk)

    def _failed(self, cause: str, public_code: str, why: str) -> Finish:
        self.cause = self._trace.cause = cause
        self._log.warning("answer_failed", cause=cause, why=why[:300])
        return Finish("error", self._watch.stop(), public(public_code), cause)

    def _finished(self, finish: Finish, token: int) -> None:
        host, model = self._host, self.job.model
        self._ports.counters.answered(
            host.name, model, finish.reason, self.cause, finish.timing, fallback=host.fallback
        )
        other_word = self._server_reason not in ("", finish.reason)
        self._log.info(
            "answer_finished",
            **({"server_reason": self._server_reason} if other_word else {}),
            **{"class": self.cause, "reason": finish.reason, "error": finish.error, "attempt": token},
            **finish.timing.to_dict(),
        )

    def _left(self, token: int) -> Outcome:
        self._log.info("answer_left", attempt=token, why=self._cut or "refused")
        return "left"

    def _free(self) -> None:
        if self.occupies:
            self.occupies = False
            self._on_free(self)
