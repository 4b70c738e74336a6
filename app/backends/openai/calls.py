"""The short questions to a chat-completions server; each has the same limit and fails in the same classes."""

from __future__ import annotations

from datetime import timedelta

import orjson

from app.backends.base import BackendError, BackendUnavailable, LoadTimedOut, UpstreamFailed
from app.backends.openai.failures import by_error, by_status, error_object
from app.backends.openai.listing import ListedModel, listed_models
from app.backends.openai.metrics import Gauges, gauges
from app.backends.openai.profiles import Profile
from app.backends.server import ModelServer, Reply
from app.backends.values import decoded

_NO_SUCH_PATH = (404, 405, 501)


class ChatCalls:
    """Asks one server one thing at a time. ``api`` is what stands before the API's paths, such as ``/v1``."""

    def __init__(self, server: ModelServer, profile: Profile, api: str, limit: timedelta) -> None:
        self._server = server
        self._profile = profile
        self._api = api
        self._limit = limit

    async def models(self) -> tuple[ListedModel, ...]:
        """The models that the server lists, by its own list where that says more than the API's."""
        own = await self.find(self._profile.listing) if self._profile.listing else None
        if isinstance(own, dict) and "models" in own:
            own = own["models"]
        reply = own if own is not None else await self.get(f"{self._api}/models")
        try:
            return listed_models(reply)
        except ValueError:
            raise UpstreamFailed(
                "HTTP 200, but no list of models: is this the address of an OpenAI-compatible server?"
            ) from None

    async def lives(self) -> None:
        """Ask for a sign of life that costs the server nothing.

        Raises:
            BackendError: there is none.
        """
        if not self._profile.health:
            await self.models()
            return
        reply = await self._server.ask("GET", self._profile.health, None, self._limit)
        if reply.status != 200:
            raise by_status(reply.status, reply.body, reply.location)

    async def version(self) -> str:
        """What the server calls its version; empty when it does not say."""
        found = await self.find(self._profile.version) if self._profile.version else None
        if not isinstance(found, dict):
            return ""
        named = found.get("version") or found.get("build_info")
        return named[:80] if isinstance(named, str) else ""

    async def gauges(self) -> Gauges:
        """What runs and waits there, by its metrics."""
        return gauges(await self.metrics())

    async def metrics(self) -> str:
        """Its metrics in Prometheus' format; empty where it has none."""
        if not self._profile.metrics:
            return ""
        reply = await self._server.ask("GET", self._profile.metrics, None, self._limit)
        return reply.body.decode("utf-8", "replace") if reply.status == 200 else ""

    async def get(self, path: str) -> object:
        """GET ``path`` and read its JSON."""
        return _understood(await self._server.ask("GET", path, None, self._limit))

    async def find(self, path: str) -> object:
        """GET ``path`` and read its JSON; None where the server has no such path or may not be asked."""
        reply = await self._server.ask("GET", path, None, self._limit)
        try:
            return decoded(reply.body) if reply.status == 200 else None
        except ValueError:
            return None

    async def post(
        self, path: str, body: dict[str, object], limit: timedelta, late: type[BackendError] = BackendUnavailable
    ) -> object:
        """POST ``body`` to ``path`` and read what comes, which may be no JSON (None); ``late`` after ``limit``."""
        reply = await self._server.ask("POST", path, orjson.dumps(body), limit, late)
        if reply.status != 200:
            raise by_status(reply.status, reply.body, reply.location)
        try:
            found = decoded(reply.body)
        except ValueError:
            return None
        if (error := error_object(found)) is not None:
            raise by_error(error)
        return found

    async def touch(self, path: str, limit: timedelta) -> None:
        """GET ``path`` for what that does at the server, whatever it answers with; LoadTimedOut after ``limit``."""
        reply = await self._server.ask("GET", path, None, limit, LoadTimedOut)
        if reply.status != 200:
            raise by_status(reply.status, reply.body, reply.location)


def _understood(reply: Reply) -> object:
    if reply.status != 200:
        raise by_status(reply.status, reply.body, reply.location)
    try:
        found = decoded(reply.body)
    except ValueError:
        raise UpstreamFailed(
            "HTTP 200, but not with JSON: is this the address of an OpenAI-compatible server?"
        ) from None
    if (error := error_object(found)) is not None:
        raise by_error(error)
    return found
