"""Who calls /v1: whoever has a key. Where no keys are configured, only callers on this machine, past no proxy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.completions.quotas import OverQuota
from app.web.shared.access import has_admin_key, is_operator
from app.web.shared.keys import bearer_of, key_name
from app.web.shared.openai_errors import TooManyCalls, Unauthorized
from app.web.shared.services import Services, Wired

CHAT_HEADERS = ("x-openwebui-chat-id", "x-chat-id")
"""Where chat UIs say which chat a call belongs to."""
CACHE_HEADER = "arena-cache-enabled"
"""Where a caller says that the answer may be one that he was given before."""

_NO_KEYS = "calls of /v1 are taken from the arena's own machine only; its operator sets ARENA_API_KEYS for all others"
_NO_KEY = "send your key as Authorization: Bearer …; the arena's operator has it"
_WRONG_KEY = "this key is not among those that the arena's operator has set"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is, and of which chat, if the client says so; ``retry`` when it says that it asks again.

    ``cache``: the answer may come from the cache.
    """

    name: str
    chat: str = ""
    retry: bool = False
    cache: bool = False


async def caller_of(request: Request, services: Wired) -> Caller:
    """Who calls.

    Raises:
        Unauthorized: nobody who may.
    """
    chat = next((request.headers[name][:200] for name in CHAT_HEADERS if request.headers.get(name)), "")
    retry = request.headers.get("x-stainless-retry-count", "0") not in ("", "0")
    cache = request.headers.get(CACHE_HEADER, "").strip().lower() in ("true", "1")
    return Caller(_name(request, services), chat, retry, cache)


def _name(request: Request, services: Services) -> str:
    if has_admin_key(request, services.settings):
        return "admin"
    if not services.api_keys:
        if is_operator(request, services.settings):
            return "local"
        raise Unauthorized(_NO_KEYS)
    if not bearer_of(request):
        raise Unauthorized(_NO_KEY)
    name = key_name(request, services)
    if name is None:
        raise Unauthorized(_WRONG_KEY)
    return name


Known = Annotated[Caller, Depends(caller_of)]


async def admitted(services: Services, caller: Caller) -> Callable[[], None]:
    """Count the call; call what is returned when it has ended.

    Raises:
        TooManyCalls: the caller is at one of his limits.
    """
    try:
        return await services.quotas.admit(caller.name)
    except OverQuota as over:
        settings = services.settings
        limit = (
            f"{settings.arena_api_calls} calls at once"
            if over.limit == "calls"
            else f"{settings.arena_api_per_minute} calls in a minute"
        )
        raise TooManyCalls(f"this key may have {limit}; wait a moment", retry_after_s=over.retry_after_s) from None
