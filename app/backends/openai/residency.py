"""Servers of chat completions that load and unload models on request: llama-server's router, llama-swap.

Both would also load on a request and push out another model for it. They are not left to it: the driver loads, waits
until the model is there, and unloads by their own calls, so that there is one scheduler and not two.

llama-server's router answers ``POST /models/load`` at once and loads afterwards (400: it runs already), so the list of
models is read until its status is ``loaded``; its process may end, which is ``failed`` with an exit code. llama-swap
has no call that only loads, but ``/upstream/<model>/…`` starts the model's server and answers when that does.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from app.backends.base import (
    Activity,
    BadRequest,
    GenerationOptions,
    LoadedModel,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
)
from app.backends.openai.backend import ChatBackend
from app.backends.openai.calls import ChatCalls
from app.backends.openai.listing import ListedModel
from app.backends.openai.profiles import Profile
from app.backends.target import Access
from app.backends.values import whole

POLL = timedelta(milliseconds=200)
IN_MEMORY = frozenset({"loaded", "sleeping"})
"""A model that sleeps keeps its place: the next request wakes it in less than a second."""


class RouterBackend(ChatBackend):
    """llama-server in router mode."""

    def __init__(self, access: Access | str, profile: Profile, *, poll: timedelta = POLL, **options: Any) -> None:
        super().__init__(access, profile, **options)
        self._poll_s = poll.total_seconds()

    async def load(self, model: str, options: GenerationOptions) -> float:  # noqa: ARG002 - presets decide them
        """Have ``model`` loaded; return the seconds it took."""
        began = self._clock()
        await _unless_so_already(self._calls, "/models/load", model)
        while not await self._is_loaded(model):
            if self._clock() - began > self._load_limit.total_seconds():
                raise LoadTimedOut(f"not loaded within {self._load_limit.total_seconds():g} s")
            await asyncio.sleep(self._poll_s)
        return self._clock() - began

    async def unload(self, model: str) -> None:
        """Ask the server to drop ``model``; returns before it is gone."""
        await _unless_so_already(self._calls, "/models/unload", model)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now, by the server's own list."""
        return tuple(_resident(row) for row in await self._calls.models() if row.state in IN_MEMORY)

    async def activity(self) -> Activity:
        """The slots of one of the models in memory; the server itself has none."""
        names = [row.model.name for row in await self._calls.models() if row.state == "loaded"]
        if not names:
            return Activity()
        found = await self._calls.find(f"/props?model={quote(names[0], safe='')}&autoload=false")
        return Activity(whole(found.get("total_slots")) or None if isinstance(found, dict) else None)

    async def _is_loaded(self, model: str) -> bool:
        row = next((row for row in await self._calls.models() if row.model.name == model), None)
        if row is None:
            raise ModelNotFound(f"the server lists no model {model!r}")
        if row.state == "failed":
            raise OutOfCapacity(f"the model's process ended while it was loaded ({row.failure})")
        return row.state in IN_MEMORY


class SwapBackend(ChatBackend):
    """llama-swap."""

    async def load(self, model: str, options: GenerationOptions) -> float:  # noqa: ARG002 - its configuration has them
        """Have ``model`` started; return the seconds it took."""
        began = self._clock()
        await self._calls.touch(f"/upstream/{quote(model, safe='')}/v1/models", self._load_limit)
        return self._clock() - began

    async def unload(self, model: str) -> None:
        """Ask the server to stop ``model``; returns when it has, or soon before."""
        await self._calls.post(f"/api/models/unload/{quote(model, safe='')}", {}, self._load_limit)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now; what is still starting is not."""
        found = await self._calls.get("/running")
        rows = found.get("running") if isinstance(found, dict) else None
        ready = [row for row in rows or () if isinstance(row, dict) and row.get("state") == "ready"]
        return tuple(LoadedModel(str(row.get("model")), 0, 0) for row in ready if row.get("model"))


def _resident(row: ListedModel) -> LoadedModel:
    # Where it lies is not reported; nothing of it is taken to be on the CPU, or it would be loaded again and again.
    return LoadedModel(row.model.name, row.model.size_bytes, row.model.size_bytes)


async def _unless_so_already(calls: ChatCalls, path: str, model: str) -> None:
    """Order something; that it is so already is no error, and the router says so with 400."""
    try:
        await calls.post(path, {"model": model}, timedelta(seconds=10))
    except ModelNotFound:
        raise
    except BadRequest as error:
        if "running" not in str(error) and "loaded" not in str(error):
            raise
