"""One attempt at an answer as spans for operators, put together at its end from what was measured anyway.

    answer             from enqueued to the answer's end in its log
    ├ queue            from enqueued to dispatched
    │ └ load MODEL     the load of its model that it waited for
    ├ chat MODEL       the request to the model server, by the GenAI conventions; repeats are events of it
    └ store            from the last token to the end in the log

Nothing is done per token. Whatever this task asks for afterwards (the answer that takes a failed one's place) belongs
to the same trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog

from app.backends.base import GenerationRequest
from app.hosts.host import Host
from app.scheduling.job import Job
from app.scheduling.ports import Finish
from app.timing.stopwatch import Timing
from app.timing.story import Step
from app.timing.time import Time
from app.tracing import names
from app.tracing.spans import NO_SPAN, OpenSpan, Span, SpanEvent, Tracer, Value, current, trace_id


class AnswerTrace:
    """The spans of one attempt at the answer of ``job`` on ``host``; what is set is known once it has happened."""

    def __init__(self, tracer: Tracer, job: Job, host: Host, time: Time) -> None:
        self.finish: Finish | None = None
        self.cause = ""
        self._tracer = tracer
        self._job = job
        self._host = host
        self._time = time
        self._span: OpenSpan = NO_SPAN
        self._steps: list[Step] = []
        self._request: GenerationRequest | None = None
        self._attempt = 0
        self._stored_at = 0.0

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The block is the attempt; for a task of its own."""
        if not self._tracer.on:
            yield
            return
        self._span = self._tracer.begin("answer", self._job.enqueued_at, kind="consumer", parent=self._job.trace)
        current.set(self._span.context)
        structlog.contextvars.bind_contextvars(trace_id=trace_id(self._span.context))
        crash = ""
        try:
            yield
        except BaseException as error:
            crash = type(error).__name__
            raise
        finally:
            self._end(crash)

    def step(self, step: Step) -> None:
        """Note a step of the answer's story."""
        if self._span.recording:
            self._steps.append(step)

    def begun(self, request: GenerationRequest | None, attempt: int) -> None:
        """Note what the model server is asked for (never its text; None: nothing), and which attempt this is."""
        self._request, self._attempt = request, attempt

    def stored(self) -> None:
        """Note that the end is in the log now."""
        if self._span.recording:
            self._stored_at = self._time.now()

    def _end(self, crash: str) -> None:
        now = self._stored_at or self._time.now()
        if self._span.recording:
            for span in self._within(now):
                self._span.add(span)
        self._span.end(now, self._attributes(crash), error=crash or self.cause)

    def _within(self, now: float) -> Iterator[Span]:
        waited = next((step for step in self._steps if step.event == "waited"), None)
        if waited is None:
            return
        yield queue_span(waited, self._job.model)
        if self._request is None:
            return
        timing = None if self.finish is None else self.finish.timing
        measured = timing is not None and timing.total_s is not None
        last = self._job.enqueued_at + (timing.total_s or 0.0) if timing is not None and measured else now
        last = min(max(last, waited.at), now)
        yield self._chat(waited.at, last, timing)
        if self._stored_at:
            yield Span("store", last, now)

    def _chat(self, began: float, ended: float, timing: Timing | None) -> Span:
        events = [SpanEvent("retry", step.at, {names.ERROR: step.cause or ""}) for step in self._retried()]
        if timing is not None and timing.ttft_s is not None:
            events.append(SpanEvent("first_token", min(began + timing.ttft_s, ended)))
        return Span(
            f"chat {self._job.model}",
            began,
            ended,
            "client",
            {**self._asked(), **measured(timing), **self._ended()},
            self._failed_with(),
            tuple(events),
        )

    def _retried(self) -> list[Step]:
        return [step for step in self._steps if step.event == "retried"]

    def _failed_with(self) -> str:
        """The class of the error that ended the request; of one that went to another host, too."""
        return self.cause or next((step.cause or "" for step in self._steps if step.event == "moved"), "")

    def _asked(self) -> Mapping[str, Value]:
        options = None if self._request is None else self._request.options
        place = urlsplit(self._host.url)
        found: dict[str, Value | None] = {
            names.OPERATION: "chat",
            names.PROVIDER: self._host.kind,
            names.CONVERSATION: self._job.battle,
            names.MODEL: self._job.model,
            names.STREAM: True,
            names.TEMPERATURE: None if options is None else options.temperature,
            names.MAX_TOKENS: None if options is None else options.num_predict,
            names.SEED: None if options is None else options.seed,
            names.SERVER: place.hostname,
            names.PORT: place.port,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _ended(self) -> Mapping[str, Value]:
        return {} if self.finish is None else {names.FINISH_REASONS: (self.finish.reason,)}

    def _attributes(self, crash: str) -> Mapping[str, Value]:
        if not self._span.recording:
            return {}
        moved = next((step for step in self._steps if step.event == "moved"), None)
        job = self._job
        return {
            names.BATTLE: job.battle,
            names.ANSWER: job.answer,
            names.HOST: self._host.name,
            names.PRIORITY: job.priority.name.lower(),
            names.OUTCOME: self._outcome(crash, moved),
            **({names.ATTEMPT: self._attempt} if self._attempt else {}),
            **({names.TARGET: moved.target} if moved is not None and moved.target else {}),
        }

    def _outcome(self, crash: str, moved: Step | None) -> str:
        if crash:
            return "crashed"
        if self.finish is not None and self._stored_at:
            return self.finish.reason
        return "moved" if moved is not None else "left"


def queue_span(waited: Step, model: str) -> Span:
    """The wait in the queue, with the load that was a part of it."""
    began = waited.at if waited.since is None else waited.since
    load: tuple[Span, ...] = ()
    if waited.load_began is not None and waited.load_ended is not None:
        made_room: Mapping[str, Value] = {names.MADE_ROOM: waited.made_room} if waited.made_room else {}
        load = (Span(f"load {model}", max(waited.load_began, began), waited.load_ended, attributes=made_room),)
    return Span("queue", began, waited.at, children=load)


def measured(timing: Timing | None) -> Mapping[str, Value]:
    """The figures of an answer that has ended, by their names in traces."""
    if timing is None:
        return {}
    found: dict[str, Value | None] = {
        names.FIRST_CHUNK_S: timing.ttft_s,
        names.INPUT_TOKENS: timing.prompt_tokens or None,
        names.OUTPUT_TOKENS: timing.tokens,
        names.PROMPT_S: timing.prompt_s,
        names.DECODE_S: timing.decode_s,
        names.THINKING_S: timing.thinking_s or None,
        names.COLD: timing.cold,
    }
    return {name: value for name, value in found.items() if value is not None}
