"""The progress of a run as server-sent events.

=========== ============================ ==================================================
event       data                         when
=========== ============================ ==================================================
``progress`` the run (``RunState``)      at once, then whenever something of it has changed
``end``     the run (``RunState``)       it is completed, failed or cancelled; nothing follows
=========== ============================ ==================================================

An event says everything, so none has to be caught up with: an ``id`` stands for the state that it shows, and who
resumes with it gets the next one that differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from app.batch.runs import Run, RunRecords, StageSums
from app.errors import NotFound, Unavailable
from app.web.api.run_views import run_view

CHECK_EVERY_S = 0.5
ENDED = ("completed", "failed", "cancelled")
_CHANGING = {"jobs_per_min", "eta_s", "active_s"}


def event_id(view: Mapping[str, Any]) -> str:
    """The id of the event that shows a run as it is."""
    kept = {name: value for name, value in view.items() if name not in _CHANGING}
    return blake2b(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


async def state_of(records: RunRecords, run_id: str) -> tuple[Run, list[StageSums]]:
    """A run and its sums, as one look at the database shows them."""
    return await records.run(run_id), await records.sums(run_id)


async def progress(
    records: RunRecords, run_id: str, after: str, every_s: float = CHECK_EVERY_S
) -> AsyncGenerator[bytes]:
    """Yield the events of a run until it ends or is deleted; a database that is unavailable is waited for."""
    shown = after
    while True:
        try:
            run, sums = await state_of(records, run_id)
        except Unavailable:
            await asyncio.sleep(every_s)
            continue
        except NotFound:
            return
        view = run_view(run, sums)
        id_, ended = event_id(view), run.status in ENDED
        if id_ != shown:
            shown = id_
            yield frame(id_, "end" if ended else "progress", view)
        if ended:
            return
        await asyncio.sleep(every_s)


def frame(id_: str, event: str, data: Mapping[str, Any]) -> bytes:
    """An event as it goes over the wire."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id_.encode(), event.encode(), orjson.dumps(data))
