"""LM Studio from 0.4.0, whose REST API loads and unloads models (``/api/v1/models``).

A load makes a new instance whether there is one or not, and the first requests for a model would each make one of their
own; so the driver loads once and waits. It answers when the model is there. To unload names the instance, which the
list has for each model in ``loaded_instances``. Models that were loaded by hand count as in memory, with whatever
context they were given.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from app.backends.base import GenerationOptions, LoadedModel, LoadTimedOut, ModelNotFound, OutOfCapacity, UpstreamFailed
from app.backends.openai.backend import ChatBackend
from app.backends.values import whole

_MODELS = "/api/v1/models"
_UNLOAD_LIMIT = timedelta(seconds=30)

Row = dict[str, object]


class StudioBackend(ChatBackend):
    """LM Studio with its own REST API."""

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Load ``model`` with the context of its battles, unless an instance is there; return the seconds it took."""
        began = self._clock()
        row = await self._row(model)
        if not any(_instances(row)):
            body: Row = {"model": model}
            if options.num_ctx:
                limit = whole(row.get("max_context_length")) or options.num_ctx
                body["context_length"] = min(options.num_ctx, limit)
            found = await self._calls.post(f"{_MODELS}/load", body, self._load_limit, LoadTimedOut)
            if not isinstance(found, dict) or found.get("status") != "loaded":
                raise OutOfCapacity("the server did not load the model")
        return self._clock() - began

    async def unload(self, model: str) -> None:
        """Unload every instance of ``model``."""
        for instance in _instances(await self._row(model)):
            await self._calls.post(f"{_MODELS}/unload", {"instance_id": instance}, _UNLOAD_LIMIT)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """The models with an instance."""
        loaded = [row for row in await self._rows() if any(_instances(row))]
        # Where it lies is not reported; nothing of it is taken to be on the CPU, or it would be loaded again and again.
        return tuple(LoadedModel(_key(row), _size(row), _size(row)) for row in loaded)

    async def _row(self, model: str) -> Row:
        found = next((row for row in await self._rows() if _key(row) == model), None)
        if found is None:
            raise ModelNotFound(f"the server lists no model {model!r}")
        return found

    async def _rows(self) -> tuple[Row, ...]:
        found = await self._calls.get(_MODELS)
        rows = found.get("models") if isinstance(found, dict) else None
        if not isinstance(rows, list):
            raise UpstreamFailed("HTTP 200, but no list of models: is this an LM Studio from 0.4.0?")
        return tuple(row for row in rows if isinstance(row, dict) and _key(row))


def _key(row: Row) -> str:
    key = row.get("key")
    return key if isinstance(key, str) else ""


def _size(row: Row) -> int:
    return whole(row.get("size_bytes")) or 0


def _instances(row: Row) -> Iterator[str]:
    instances = row.get("loaded_instances")
    for one in instances if isinstance(instances, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"]
