"""The page at ``/`` and its assets: one HTML for all views, strict headers, nothing from another origin.

The HTML is asked for again each time (``no-cache`` with an ETag: a 304 costs a round trip; ``no-store`` would lose the
browser's back/forward cache, and with it an open event stream). Assets are immutable.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from app.errors import NotFound
from app.web.page.about import EXAMPLE, About, about_of
from app.web.page.built_files import BuiltPage, read_built
from app.web.schemas.base import answered
from app.web.shared.services import Services, Wired

router = APIRouter()

#: No inline script or style, no HTML from strings (Trusted Types without a policy), no other origin, no framing.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

#: ``same-origin``: a battle's id is in its path, and who has it can read the battle.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ONE_YEAR = "public, max-age=31536000, immutable"

VIEWS = ("/", "/leaderboard", "/hosts", "/battle/{battle_id}")

built = cache(read_built)


def _page() -> BuiltPage:
    page = built()
    if page is None:
        raise NotFound("the page is not built here; run make page, or install the wheel", code="page_not_built")
    return page


def html_of(page: BuiltPage, services: Services) -> bytes:
    """The HTML with what the service says about itself; ``<`` is written so that no text can end the element."""
    about = about_of(services.settings).model_dump_json().replace("<", "\\u003c")
    return page.html.replace("{{about}}", about).encode()


async def view(request: Request, services: Wired) -> Response:
    """The page; the browser finds out which view it is."""
    body = html_of(_page(), services)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": etag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="text/html; charset=utf-8")


for _path in VIEWS:
    router.add_api_route(_path, view, methods=["GET", "HEAD"], include_in_schema=False, response_class=Response)


@router.api_route("/assets/{name}", methods=["GET", "HEAD"], include_in_schema=False, response_class=Response)
async def asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A file of the page, never HTML for one that is not there."""
    found = _page().assets.get(name)
    if found is None:
        raise NotFound("the page has no such file; load the page again")
    body, encoding = found.best(accept_encoding)
    headers = {**HEADERS, "Cache-Control": _ONE_YEAR, "Vary": "Accept-Encoding"}
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Response(body, headers=headers, media_type=found.media_type)


@router.get("/api/arena/about", tags=["about"], responses={200: answered(About, "Limits and storage", EXAMPLE)})
async def about(services: Wired) -> About:
    """Limits, and what is stored for how long: what a page shows before the first prompt."""
    return about_of(services.settings)
