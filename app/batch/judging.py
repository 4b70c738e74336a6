"""What becomes of the answers that came: which are done, which are asked for again, which have failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from app.batch.call import CallKey
from app.batch.chain import INVALID, CallRecord, Part, ruling
from app.batch.rendering.renderer import JudgeItem, Renderer, RenderReply
from app.batch.run_values import CallChange
from app.batch.spec import RunSpec

__all__ = ["INVALID", "judged"]

Working = Callable[[], Awaitable[frozenset[str]]]
"""The models that a host which works has."""


async def judged(
    spec: RunSpec, renderer: Renderer, answered: Mapping[int, Mapping[Part, CallRecord]], working: Working
) -> list[CallChange]:
    """Judge the calls that are answered, by job and part."""
    found = [(CallKey(n, *part), call) for n, calls in answered.items() for part, call in calls.items()]
    if not found:
        return []
    to_read = [(key, call) for key, call in found if _has_to_be_json(spec, key, call)]
    replies: dict[CallKey, RenderReply] = {}
    if to_read:
        read = await renderer.replies([JudgeItem(key.stage, call.text) for key, call in to_read])
        replies = {key: reply for (key, _), reply in zip(to_read, read, strict=True)}
    models = await working() if any(call.finish_reason == "error" for _, call in found) else frozenset[str]()
    return [_change(spec, key, call, replies.get(key), models) for key, call in found]


def _has_to_be_json(spec: RunSpec, key: CallKey, call: CallRecord) -> bool:
    return spec.stages[key.stage].json is not None and call.finish_reason != "error"


def _change(
    spec: RunSpec, key: CallKey, call: CallRecord, reply: RenderReply | None, working: frozenset[str]
) -> CallChange:
    counts = call.error_code != "interrupted" and call.model in working
    invalid = "" if reply is None or not reply.error else reply.why or reply.error
    ruled = ruling(call, spec.stages[key.stage].reasks, invalid, counts=counts)
    return CallChange(key, ruled.status, ruled.tries, ruled.faults, ruled.error_code, ruled.error)
