"""``/docs`` and its style, with headers that let a browser load nothing else."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, Request, Response

from app.web.reference.page import STYLE, reference

router = APIRouter()

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False, response_class=Response)
async def docs(request: Request) -> Response:
    """The reference of this very version."""
    return Response(_page(request), headers=HEADERS, media_type="text/html; charset=utf-8")


@router.api_route(STYLE, methods=["GET", "HEAD"], include_in_schema=False, response_class=Response)
async def style() -> Response:
    """How it looks."""
    return Response(_style(), headers=HEADERS, media_type="text/css; charset=utf-8")


def _page(request: Request) -> bytes:
    """The page, made once for each application."""
    app = request.app
    if not hasattr(app.state, "reference"):
        app.state.reference = reference(app.openapi()).encode()
    page: bytes = app.state.reference
    return page


@cache
def _style() -> bytes:
    return (resources.files("app.web.reference") / "reference.css").read_bytes()
