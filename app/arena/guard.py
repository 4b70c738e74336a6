"""A writer that checks what it writes: whether the answer names its own model or maker.

The mark goes with the text to Redis and from there to SQL; nothing of it is logged for viewers. Only masking holds
text back, for as long as a name may stand at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from app.arena.writer import AnswerWriter
from app.backends.base import GenerationRequest
from app.leaks.naming import names_of
from app.leaks.policy import Policy, mark_of
from app.leaks.scanner import Scanner
from app.scheduling.job import Job
from app.scheduling.ports import Finish

log = structlog.get_logger(__name__)


class GuardedWriter:
    """One attempt at an answer, as ``app.scheduling.ports.Attempt`` describes it, round the writer that sends it."""

    def __init__(self, writer: AnswerWriter, policy: Policy, job: Job) -> None:
        self.request: GenerationRequest = writer.request
        self.over = writer.over
        self._writer = writer
        self._policy = policy
        self._job = job
        prompts = [message.content for message in writer.request.messages if message.role != "assistant"]
        self._scan: Callable[[], Scanner] = lambda: Scanner(writer.request.model, prompts, masking=policy == "mask")
        self._begin()

    def _begin(self) -> None:
        self._scanner = self._scan()
        self._feed = self._scanner.feed

    def write(self, text: str) -> None:
        """Append to the answer what may be shown of ``text`` and of what was held back."""
        shown = self._feed(text)
        if self._scanner.leaks:
            self._mark()
        self._writer.write(shown)

    def restart(self) -> None:
        """Drop what was written, and what it named."""
        self._writer.restart()
        self._writer.leak = ""
        self._begin()

    async def finish(self, finish: Finish) -> bool:
        """Send what is left and the end; True when it is stored, False when the attempt was over."""
        rest = self._scanner.finish()
        if self._scanner.leaks:
            self._mark()
        self._writer.write(rest)
        return await self._writer.finish(finish)

    def _mark(self) -> None:
        if not self._writer.leak:
            scanner, job = self._scanner, self._job
            self._writer.leak = mark_of(self._policy, scanner.leaks[0], exposed=scanner.exposed)
            log.info("answer_leaked", battle=job.battle, answer=job.answer, model=job.model, mark=self._writer.leak)


class Guard:
    """Puts a guard round each writer."""

    def __init__(self, policy: Policy = "flag") -> None:
        self._policy: Policy = policy
        self._known: set[str] = set()

    async def wrap(self, writer: AnswerWriter, job: Job) -> GuardedWriter:
        """``writer``, guarded. A model's names are compiled once, in a thread: it takes up to 0.1 s."""
        model = writer.request.model
        if model not in self._known:
            await asyncio.to_thread(names_of, model)
            self._known.add(model)
        return GuardedWriter(writer, self._policy, job)
