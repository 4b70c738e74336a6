"""For Prometheus: what was counted and how the hosts are, the same from every worker."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from app.metrics.exposition import rendered, summed
from app.web.api.host_examples import WITHOUT_REDIS
from app.web.api.hosts import WiredFleet
from app.web.ops.gauges import Foundations, gauges, public_gauges, zeros
from app.web.shared.access import is_operator
from app.web.shared.services import Services, Wired

router = APIRouter(tags=["health"])

_EXAMPLE = """\
# HELP arena_answers_total Answers that ended: …
# TYPE arena_answers_total counter
arena_answers_total{host="gpu-1",model="llama3.1:8b",reason="stop",cause=""} 412.0
# HELP arena_host_up 1 while the host answers; absent while nobody drives it.
# TYPE arena_host_up gauge
arena_host_up{host="gpu-1"} 1.0
"""
_TEXT: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}}


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", response_class=Response, responses={200: _TEXT, 503: WITHOUT_REDIS})
async def metrics(request: Request, services: Wired, fleet: WiredFleet) -> Response:
    """Counters, histograms and gauges of all workers together; nothing in it is one process' own.

    Those who run the arena (the admin key as `Authorization: Bearer`, or a call on its machine) see everything as it
    is. All others see sums over hosts and models that change once in ten minutes at most, and only after twenty more
    answers, and nothing of what is in memory or being loaded: read before and after an answer, that would give away
    who wrote it.
    """
    if is_operator(request, services.settings):
        sums, reports, running, ground = await asyncio.gather(
            fleet.sums(), fleet.reports.read(), fleet.open_battles(), _ground(services)
        )
        families = summed(sums, everything=True, zeros=zeros(fleet.hosts))
        families += gauges(fleet.hosts, reports, running, ground, fleet.now())
    else:
        held, reports = await asyncio.gather(fleet.held(), fleet.reports.read())
        families = summed(held.sums, everything=False, zeros=zeros(fleet.hosts))
        families += public_gauges(fleet.hosts, reports, held)
    text, content_type = await asyncio.to_thread(rendered, families, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": content_type})


async def _ground(services: Services) -> Foundations:
    return Foundations(await services.usable(), *await asyncio.to_thread(services.disk))
