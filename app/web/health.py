"""For load balancers: is the process alive, and can it serve."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from app.web.services import Wired

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process and its loop are alive; asks nobody else."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: Wired, response: Response) -> dict[str, Any]:
    """200 when battles can be served; 503 while draining and without Redis or database.

    Lanes without an owner and hosts in trouble are listed with 200, or one dead GPU would take every instance away.
    """
    readiness = await services.readiness()
    missing = ("this process is draining", *readiness.missing) if services.draining else readiness.missing
    if missing:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
        return {"status": "unavailable", "error": "; ".join(missing), "code": "not_ready", "degraded": True}
    if readiness.degraded:
        return {"status": "ok", "degraded": True, "trouble": list(readiness.degraded)}
    return {"status": "ok", "degraded": False}
