"""Something that happens while battles are played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager

from app.tasks import cancel_and_wait


@asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncGenerator[None]:
    """Run ``work`` for as long as the block lasts; if it crashed, the block's end says so."""
    task = asyncio.create_task(work, name="beside the battles")
    try:
        yield
    finally:
        await cancel_and_wait(task)
    if not task.cancelled():
        task.result()
