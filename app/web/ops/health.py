"""For load balancers: is the process alive, and can it serve."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.web.schemas.base import answered
from app.web.schemas.health import Alive, NotReady, Ready
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.services import Wired

router = APIRouter(tags=["health"], route_class=DocumentedRoute)

_DEGRADED = {"status": "ok", "degraded": True, "trouble": ["host gpu-1 does not answer"]}
_NOT_READY = {"status": "unavailable", "error": "this process is draining", "code": "not_ready", "degraded": True}


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", responses={200: answered(Alive, "The process answers", {"status": "ok"})})
async def healthz() -> dict[str, str]:
    """The process and its loop are alive; asks nobody else."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    responses={
        200: answered(Ready, "Battles can be served", {"status": "ok", "degraded": False}, _DEGRADED),
        503: answered(NotReady, "Send nothing here", _NOT_READY),
    },
)
async def readyz(services: Wired) -> dict[str, Any] | JsonBytes:
    """200 when battles can be served; 503 while draining and without Redis or database.

    Hosts without a driver and hosts in trouble are listed with 200: one dead GPU must not take every instance out.
    """
    readiness = await services.readiness()
    missing = ("this process is draining", *readiness.missing) if services.draining else readiness.missing
    if missing:
        body = {"status": "unavailable", "error": "; ".join(missing), "code": "not_ready", "degraded": True}
        return JsonBytes(body, 503, {"Retry-After": "2"})
    if readiness.degraded:
        return {"status": "ok", "degraded": True, "trouble": list(readiness.degraded)}
    return {"status": "ok", "degraded": False}
