"""Where models run: the hosts, the models that can be drawn, and the request to have them in memory."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from app.errors import InvalidInput
from app.hosts.names import same_model
from app.web.api.host_examples import HOSTS, MODELS, WARMING, WITHOUT_REDIS
from app.web.api.host_views import (
    duplicate_view,
    finding_view,
    full_host_view,
    host_view,
    missing_view,
    model_view,
    rotation_view,
)
from app.web.schemas.errors import INVALID, NOT_JSON
from app.web.shared.access import is_operator
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.fields import NativeBody, Text
from app.web.shared.fleet import Fleet
from app.web.shared.services import Services, Wired

router = APIRouter(prefix="/api/arena", tags=["hosts"], route_class=DocumentedRoute)


async def fleet_of(services: Wired) -> Fleet:
    """The fleet of the application that got the request."""
    return services.fleet


WiredFleet = Annotated[Fleet, Depends(fleet_of)]


class WarmBody(NativeBody):
    """Which models are about to be played; none named: all that can be drawn."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"models": ["llama3.1:8b", "qwen3:8b"]}]})

    models: list[Text] | None = Field(default=None, max_length=100)


@router.head("/hosts", include_in_schema=False)
@router.get("/hosts", name="list_hosts", responses={200: HOSTS, 503: WITHOUT_REDIS})
async def hosts(request: Request, services: Wired, fleet: WiredFleet) -> dict[str, Any]:
    """The model hosts in the configured order, and how they are.

    `health` is up, trying (one answer is sent there to see whether it lives again), down, or unknown while nobody
    drives it. `waiting` and `running` count answers on all hosts, as they were when the public figures of /metrics
    were last made anew.

    Who runs the arena (the admin key, or a call on its machine that came through no proxy) gets `view: full`: the
    counts of now, and also addresses, what is in memory and being loaded (`residents`, `loading`,
    `resident_vram_bytes`, which are empty for all others, as is `told_at`), jobs by model, times, events of models,
    what the arena unloaded and why, what the doctor finds, and which models battles are drawn from (`rotation`).
    `ours` is false for a model that others loaded; `flags` are what is wrong with one and accepted.
    """
    reports = await fleet.reports.read()
    silent = {one.host: one.error for one in fleet.roster.catalog.unreachable}
    if not is_operator(request, services.settings):
        held = await fleet.held()
        shown = [host_view(host, reports.get(host.name), silent.get(host.name)) for host in fleet.hosts]
        return {"view": "public", "waiting": held.waiting, "running": held.running, "hosts": shown}
    known = [reports[host.name] for host in fleet.hosts if host.name in reports]
    waiting, running = sum(report.waiting for report in known), sum(report.running for report in known)
    now = fleet.now()
    full = [full_host_view(host, reports.get(host.name), now, silent.get(host.name)) for host in fleet.hosts]
    findings = await fleet.checkup.findings()
    listed = [finding_view(finding) for finding in findings]
    rotation = rotation_view(await fleet.rotation())
    totals = {"view": "full", "waiting": waiting, "running": running}
    return {**totals, "hosts": full, "findings": listed, "rotation": rotation}


@router.head("/models", include_in_schema=False)
@router.get("/models", name="list_models", responses={200: MODELS, 503: WITHOUT_REDIS})
async def models(request: Request, services: Wired, fleet: WiredFleet) -> dict[str, Any]:
    """The contestants, the hosts that have them, and the configured models that are not drawn, with what to do.

    `resident_on` are the hosts that have the model in memory, for those who run the arena; for all others it is empty.
    `same_everywhere` is false when hosts have different
    files under its name: then votes on it are votes on two models.
    """
    catalog, known = fleet.roster.catalog, await fleet.reports.read()
    reports = known if is_operator(request, services.settings) else {}
    silent = [one.host for one in catalog.unreachable]
    return {
        "models": [model_view(contender, fleet.roster, reports) for contender in catalog.contenders],
        "missing": [
            *(missing_view(missing, silent) for missing in catalog.missing),
            *(duplicate_view(duplicate, first) for duplicate, first in catalog.duplicates.items()),
        ],
    }


@router.post(
    "/warm", name="warm_models", status_code=202, responses={202: WARMING, 503: WITHOUT_REDIS} | INVALID | NOT_JSON
)
async def warm(services: Wired, fleet: WiredFleet, body: WarmBody | None = None) -> JsonBytes:
    """Ask for models to be brought into memory, for a page that is being opened; nothing is loaded while others wait.

    Harmless when they are there already, and as often as one likes: each host has a budget of its own.
    """
    wanted = await _wanted(services, body)
    await fleet.warm(wanted)
    return JsonBytes({"warming": wanted}, 202)


async def _wanted(services: Services, body: WarmBody | None) -> list[str]:
    at_hand = await services.contestants.at_hand()
    if body is None or body.models is None:
        return list(at_hand)
    return list(dict.fromkeys(_known(name, list(at_hand)) for name in body.models))


def _known(asked: str, at_hand: list[str]) -> str:
    found = next((name for name in at_hand if same_model(name, asked)), None)
    if found is None:
        raise InvalidInput(
            f"models has {asked[:100]}, which no host has for battles; there are {', '.join(at_hand)}", field="models"
        )
    return found
