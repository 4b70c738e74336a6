"""Load and unload for those who run the arena: ``POST /v1/models/load`` and ``/v1/models/unload``.

The shapes are those of llama-server's router (``{"model"}`` in, ``{"success": true}`` out, also at the root, where Open
WebUI's buttons call it) with LM Studio's ``load_time_seconds`` and ``instance_id``. Unlike there, nothing is loaded or
unloaded by force: the driver does it when it is in nobody's way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from app.errors import Forbidden
from app.scheduling.dispatch.model_memory import MemoryOutcome
from app.web.openai.callers import Known
from app.web.openai.models import listed_name
from app.web.shared.access import has_admin_key, is_operator
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.fields import Text
from app.web.shared.services import Services, Wired
from app.web.shared.streams import unless_left

_ADMIN_ONLY = (
    "models are loaded and unloaded by those who run the arena: send ARENA_ADMIN_KEY as Authorization: Bearer …"
)


async def operators(request: Request, services: Wired, _: Known) -> None:
    """Let only those pass who run the arena; a key for calls is not enough.

    Raises:
        Forbidden: all others.
    """
    local = not services.api_keys and is_operator(request, services.settings)
    if not local and not has_admin_key(request, services.settings):
        raise Forbidden(_ADMIN_ONLY, code="admin_only")


router = APIRouter(route_class=DocumentedRoute, include_in_schema=False, dependencies=[Depends(operators)])


class MemoryBody(BaseModel):
    """Which model; what else clients send (a context length, a time to live) is the arena's settings' to say."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[Text, Field(min_length=1, max_length=600, validation_alias=AliasChoices("model", "instance_id"))]


@router.post("/v1/models/load")
@router.post("/models/load")
async def load_model(body: MemoryBody, request: Request, services: Wired) -> Response:
    """Load a model; answered when it is in memory, or with 202 when that takes long. Who leaves stops nothing."""
    return await unless_left(request, _changed(services, body, services.fleet.memory.load))


@router.post("/v1/models/unload")
@router.post("/models/unload")
async def unload_model(body: MemoryBody, request: Request, services: Wired) -> Response:
    """Unload a model on every host that holds it; answered when it is gone."""
    return await unless_left(request, _changed(services, body, services.fleet.memory.unload))


async def _changed(
    services: Services, body: MemoryBody, change: Callable[[str], Coroutine[Any, Any, MemoryOutcome]]
) -> Response:
    began = time.monotonic()
    model = listed_name(body.model, await services.contestants.listed())
    return _reply(model, await change(model), time.monotonic() - began)


def _reply(model: str, outcome: MemoryOutcome, seconds: float) -> JsonBytes:
    value = "loading" if outcome.pending else "loaded" if outcome.loaded else "unloaded"
    reply: dict[str, Any] = {
        "success": True,
        "model": model,
        "instance_id": model,
        "status": {"value": value},
        "hosts": outcome.hosts,
    }
    if outcome.loaded:
        reply["load_time_seconds"] = round(seconds, 3) if outcome.changed else 0.0
    return JsonBytes(reply, 202 if outcome.pending else 200)
