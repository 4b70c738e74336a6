"""Callers by their keys: those who run the arena, and owners of keys (``ARENA_API_KEYS``)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.errors import Forbidden
from app.settings.api_keys import digest_of
from app.web.shared.access import OPERATORS_ONLY, has_admin_key, is_operator
from app.web.shared.services import Services, Wired

_KEY_NEEDED = "send your key as Authorization: Bearer …; the arena's operator has it"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose call it is: the name of a key; without one, of somebody who runs the arena and may see everything."""

    key: str | None = None

    def sees(self, owner: str | None) -> bool:
        """Whether what belongs to ``owner`` is shown to this caller."""
        return self.key is None or self.key == owner


def bearer_of(request: Request) -> str:
    """The key that a request bears; empty for none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def key_name(request: Request, services: Services) -> str | None:
    """The name of the key that a request bears, if that is one of those that are configured."""
    digest = digest_of(bearer_of(request))
    known = [key.name for key in services.api_keys if hmac.compare_digest(key.digest, digest)]
    return known[0] if known else None


def owner_of(request: Request, services: Services) -> Owner | None:
    """Who calls: by the admin key, by a key, or from this machine where no keys are configured; None: anybody else."""
    if has_admin_key(request, services.settings):
        return Owner()
    if services.api_keys:
        name = key_name(request, services)
        return None if name is None else Owner(name)
    return Owner() if is_operator(request, services.settings) else None


async def known_owner(request: Request, services: Wired) -> Owner:
    """Who calls.

    Raises:
        Forbidden: nobody who may.
    """
    owner = owner_of(request, services)
    if owner is None:
        raise Forbidden(_KEY_NEEDED if services.api_keys else OPERATORS_ONLY, code="key_needed")
    return owner


Owned = Annotated[Owner, Depends(known_owner)]
