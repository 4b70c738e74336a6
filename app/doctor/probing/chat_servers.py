"""Probes a server that speaks OpenAI's chat completions, without making it generate, load or wake."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.backends.base import BackendError, BackendUnavailable
from app.backends.detection import detected
from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import PROFILES
from app.backends.server import ModelServer
from app.backends.timeouts import Timeouts
from app.doctor.probing.observation import ObservedHost
from app.doctor.probing.wire import NotReached
from app.hosts.host import Host


async def found_kind(host: Host, limit: timedelta) -> str:
    """The kind of server that answers there; empty when none that is known does."""
    place = host.place
    return await detected(ModelServer(place.access, connect=limit), place.api or "/v1", limit)


async def chat_server(host: Host, addresses: tuple[str, ...], limit: timedelta) -> ObservedHost:
    """What such a server says about itself.

    Raises:
        NotReached: it does not answer as a server of its kind does.
    """
    place = host.place
    server = ChatBackend(place.access, PROFILES[host.kind], api=place.api, limits=Timeouts(connect=limit, probe=limit))
    try:
        version, installed, activity, kind = await asyncio.gather(
            server.version(), server.installed(), server.activity(), found_kind(host, limit)
        )
    except BackendError as error:
        raise await _not_reached(host, error, limit) from None
    return ObservedHost(
        host, "chat", addresses=addresses, version=version, installed=installed, activity=activity, found_kind=kind
    )


async def _not_reached(host: Host, error: BackendError, limit: timedelta) -> NotReached:
    words = str(error)[:200]
    if isinstance(error, BackendUnavailable) and "put to sleep" in words:
        return NotReached("put_to_sleep", words)
    if "HTTP 401" in words or "HTTP 403" in words:
        return NotReached("login", words)
    if isinstance(error, BackendUnavailable) and "within" in words:
        return NotReached("silent", words)
    return NotReached("other", words, await found_kind(host, limit))
