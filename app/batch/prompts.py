"""The jobs in a runner's window, and what is to be asked for them next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.backends.base import GenerationRequest
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, Part, missing, verdict
from app.batch.rendering.renderer import Renderer, RenderItem, RenderReply
from app.batch.requests import ChatOf, OptionsOf, request_of
from app.batch.run_values import CallChange, JobChange, StoredJob
from app.batch.spec import RunSpec
from app.errors import InvalidInput


@dataclass(slots=True)
class OpenJob:
    """A job in the window: its calls as SQL has them, and what is rendered for those to be made."""

    stored: StoredJob
    calls: dict[Part, CallRecord]
    requests: dict[Part, GenerationRequest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flying:
    """A call that was given to a host."""

    call: BatchCall
    host: str


class Prompts:
    """Renders what the open jobs of one run need next."""

    def __init__(self, spec: RunSpec, renderer: Renderer, options_of: OptionsOf, chat_of: ChatOf) -> None:
        self._spec = spec
        self._renderer = renderer
        self._options_of = options_of
        self._chat_of = chat_of

    async def rendered(self, open_: Mapping[int, OpenJob]) -> list[CallChange]:
        """Render what is due; what is skipped or can't be rendered is told as changes, the rest kept in its job."""
        todo: dict[tuple[int, int], list[int]] = {}
        for n, job in open_.items():
            for stage, part in missing(self._spec, job.calls):
                if (stage, part) not in job.requests:
                    todo.setdefault((n, stage), []).append(part)
        items = [self._item(open_[n], stage) for n, stage in todo]
        chat = self._spec.stages[0].chat
        replies = [RenderReply()] * len(items) if chat else await self._renderer.replies(items)
        changes = []
        for ((n, stage), parts), reply in zip(todo.items(), replies, strict=True):
            changes += self._requested(open_[n], stage, parts, reply)
        return changes

    def _item(self, job: OpenJob, stage: int) -> RenderItem:
        needed = self._spec.stages[stage].needs
        answers = {self._spec.stages[need].name: answers_of(job.calls, need) for need in needed}
        return RenderItem(stage, job.stored.custom_id, job.stored.fields, answers)

    def _requested(self, job: OpenJob, stage: int, parts: list[int], reply: RenderReply) -> list[CallChange]:
        """Keep what is to be asked; a stage that is skipped or can't be rendered gets its end instead."""
        n, of = job.stored.n, self._spec.stages[stage]
        if reply.skip:
            return [CallChange(CallKey(n, stage, 0), "skipped", judged=False)]
        try:
            if reply.error:
                raise InvalidInput(f"stage {of.name}: {_why(reply)}")
            for part in parts:
                job.requests[stage, part] = self._request(job, stage, part, reply)
        except InvalidInput as error:
            return [CallChange(CallKey(n, stage, parts[0]), "failed", 0, 1, "template", error.sentence, judged=False)]
        return []

    def _request(self, job: OpenJob, stage: int, part: int, reply: RenderReply) -> GenerationRequest:
        if self._spec.stages[stage].chat:
            return self._chat_of(job.stored.fields)
        texts = (reply.prompt, reply.system)
        return request_of(self._spec, self._options_of, job.stored.custom_id, stage, part, *texts)


def end_of(spec: RunSpec, job: OpenJob) -> JobChange | None:
    """How a job has ended; None while it has not."""
    how = verdict(spec, job.calls)
    if how is None:
        return None
    if how == "done":
        return JobChange(job.stored.n, "done")
    (stage, _), call = next((part, call) for part, call in sorted(job.calls.items()) if call.status == "failed")
    return JobChange(job.stored.n, "failed", stage, call.error_code, call.error)


def answers_of(calls: Mapping[Part, CallRecord], stage: int) -> list[dict[str, Any]]:
    """A stage's answers as templates see them, in the order of its parts; none if it was skipped."""
    found = sorted((part, call) for (number, part), call in calls.items() if number == stage and call.status == "done")
    return [{"text": call.text, "model": call.model} for _, call in found]


def _why(reply: RenderReply) -> str:
    return f"the field {reply.why!r} is missing" if reply.error == "missing" else reply.why or reply.error
