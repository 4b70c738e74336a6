"""Who runs the arena: whoever has the admin key, else a caller on this machine whom no proxy let through.

A proxy on the same machine looks like a local caller, so every trace of one counts against him: a header that only
proxies add, a ``Host`` that is not this machine's own name for itself, or HTTP 1.0, which nginx speaks where it was
told nothing (it adds no header then, and asks for the very ``Host`` that we have). One that leaves no trace can't be
told: it must be made to add ``X-Forwarded-For``. A page in the browser of somebody who sits here is told by
``Sec-Fetch-Site``, which pages can't forge.
"""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from fastapi import Depends, Request

from app.errors import Forbidden
from app.settings.settings import Settings
from app.web.shared.services import Wired

_PREFIX = "x-forwarded"
_FORWARDING = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-amz-cf-id"}

OPERATORS_ONLY = (
    "this is for those who run the arena: call it on the arena's machine at its own address (127.0.0.1), "
    "or send ARENA_ADMIN_KEY as Authorization: Bearer … or X-Admin-Key"
)


def is_operator(request: Request, settings: Settings) -> bool:
    """Whether ``request`` bears the admin key (if there is one) or comes from this machine, and not through a proxy."""
    return has_admin_key(request, settings) or _is_local(request)


def has_admin_key(request: Request, settings: Settings) -> bool:
    """Whether ``request`` bears the admin key; without a configured one nobody does."""
    key = settings.arena_admin_key
    if not key:
        return False
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = (request.headers.get("x-admin-key", ""), bearer.strip() if scheme.lower() == "bearer" else "")
    wanted = key.encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(one.encode("latin-1"), wanted) for one in given)


def _is_local(request: Request) -> bool:
    forwarded = any(name.startswith(_PREFIX) or name in _FORWARDING for name in request.headers)
    foreign_page = request.headers.get("sec-fetch-site") == "cross-site"
    oldest_http = request.scope.get("http_version") == "1.0"
    if request.client is None or forwarded or foreign_page or oldest_http:
        return False
    return _is_loopback(request.client.host) and _names_this_machine(request.headers.get("host", ""))


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


async def operator_of(request: Request, services: Wired) -> None:
    """Let only those pass who run the arena.

    Raises:
        Forbidden: all others.
    """
    if not is_operator(request, services.settings):
        raise Forbidden(OPERATORS_ONLY, code="operators_only")


OperatorsOnly = Depends(operator_of)
