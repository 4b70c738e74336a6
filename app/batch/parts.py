"""What runners work with."""

from __future__ import annotations

from dataclasses import dataclass

from app.batch.caching import DigestsOf
from app.batch.hosts import CallHosts
from app.batch.requests import ChatOf, OptionsOf
from app.batch.runs import RunRecords
from app.records.answer_cache import AnswerCache
from app.timing.time import Time


@dataclass(frozen=True, slots=True)
class RunnerParts:
    """What a runner works with. ``chat_of`` reads the bodies of OpenAI's lines."""

    records: RunRecords
    hosts: CallHosts
    options_of: OptionsOf
    chat_of: ChatOf
    time: Time
    cache: AnswerCache
    digests_of: DigestsOf
