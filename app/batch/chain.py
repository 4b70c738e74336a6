"""What is due in a job, and what an answer means for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.batch.spec import RunSpec

CallStatus = Literal["answered", "open", "done", "failed", "skipped"]

MOST_TRIES = 3
"""How often a call is made that fails by no fault of its model's answer."""

INVALID = "invalid_output"
"""The class of an answer that is not the JSON that it has to be."""

ENDED: frozenset[CallStatus] = frozenset({"done", "failed", "skipped"})

Part = tuple[int, int]
"""A call within its job: stage and part."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What SQL has of a call; ``tries`` came to nothing, ``faults`` of them not only by their host's fault."""

    status: CallStatus
    tries: int = 0
    faults: int = 0
    text: str = ""
    model: str = ""
    finish_reason: str = ""
    error_code: str = ""
    error: str = ""
    host: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    cached: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of an answered call: its status, and why if it is not done."""

    status: Literal["open", "done", "failed"]
    tries: int
    faults: int
    error_code: str = ""
    error: str = ""


def ruling(record: CallRecord, reasks: int, invalid: str = "", *, counts: bool = True) -> Ruling:
    """What becomes of an answer; ``invalid`` is why it is not the JSON that it has to be.

    ``counts`` is false for a failure that was its host's: the call waits for another, as often as it takes.
    """
    tries, faults = record.tries + 1, record.faults + 1
    if record.finish_reason == "error":
        if not counts:
            return Ruling("open", tries, record.faults, record.error_code)
        status: Literal["open", "failed"] = "open" if faults < MOST_TRIES else "failed"
        return Ruling(status, tries, faults, record.error_code, "the model gave no answer")
    if invalid:
        status = "open" if faults <= reasks else "failed"
        return Ruling(status, tries, faults, INVALID, invalid)
    return Ruling("done", record.tries, record.faults)


def due(spec: RunSpec, calls: Mapping[Part, CallRecord]) -> list[int]:
    """The stages that may begin: everything that they read is there, and nothing of them has begun."""
    if any(call.status == "failed" for call in calls.values()):
        return []
    begun = {stage for stage, _ in calls}
    return [
        number
        for number, stage in enumerate(spec.stages)
        if number not in begun and all(stage_has_ended(spec, calls, need) for need in stage.needs)
    ]


def missing(spec: RunSpec, calls: Mapping[Part, CallRecord]) -> list[Part]:
    """The calls to be made now: those of stages that are due, the rest of those that have begun, and what is open."""
    if any(call.status == "failed" for call in calls.values()):
        return []
    skipped = {stage for (stage, _), call in calls.items() if call.status == "skipped"}
    wanted = {stage for stage, _ in calls} - skipped | set(due(spec, calls))
    return [
        (stage, part)
        for stage in sorted(wanted)
        for part in range(spec.stages[stage].parts)
        if (stage, part) not in calls or calls[stage, part].status == "open"
    ]


def stage_has_ended(spec: RunSpec, calls: Mapping[Part, CallRecord], stage: int) -> bool:
    """Whether all calls of a stage are done, or it was skipped."""
    of_stage = [call for (number, _), call in calls.items() if number == stage]
    if any(call.status == "skipped" for call in of_stage):
        return True
    return len(of_stage) == spec.stages[stage].parts and all(call.status in ENDED for call in of_stage)


def verdict(spec: RunSpec, calls: Mapping[Part, CallRecord]) -> Literal["done", "failed"] | None:
    """How the job ended; None: it goes on."""
    if any(call.status == "failed" for call in calls.values()):
        return "failed"
    if all(stage_has_ended(spec, calls, number) for number in range(len(spec.stages))):
        return "done"
    return None


def window(ended: int, largest: int) -> int:
    """How many jobs may be in flight: 8 at first, twice as many after each window, up to ``largest``.

    So the first results come early, and a bad run shows it before much was spent on it.
    """
    return min(largest, FIRST_WINDOW + max(ended, 0))


def largest_window(hosts: int) -> int:
    """How many jobs may be in flight at most on so many hosts.

    Two hosts that share three stages load half as often again with 64 as with 128 (``benchmarks.batch``).
    """
    return LARGEST_WINDOW * (1 if hosts < 2 else 2)


FIRST_WINDOW = 8
LARGEST_WINDOW = 64
"""What simulation found (``benchmarks.batch``): larger ones save few loads and delay the first results."""
