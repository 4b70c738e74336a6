"""Wiring of completions: chats of programs, which drivers write into logs of their own."""

from __future__ import annotations

from app.completions.caching import CompletionCache
from app.completions.columns import Columns
from app.completions.completions import Completions, completion_store
from app.completions.quotas import Quotas
from app.completions.sink import CompletionSink
from app.process.battles import BattlesWiring
from app.process.connections import Connections, answer_cache
from app.process.hosting import HostsWiring


class CompletionsWiring:
    """What one process has of completions; they are written and read by the writer and the hub of the battles."""

    def __init__(self, to: Connections, hosting: HostsWiring, battles: BattlesWiring) -> None:
        store = completion_store(to.redis)
        self.completions = Completions(to.redis, store, battles.hub, hosting.router, to.clock.time)
        self.cache = CompletionCache(store, answer_cache(to), hosting.digests_of, hosting.digest_of)
        self.quotas = Quotas(to.redis, to.settings.arena_api_calls, to.settings.arena_api_per_minute, to.clock.time)
        self.columns = Columns(to.redis)
        self.sink = CompletionSink(store, battles.writer, self.completions.close)

    async def aclose(self) -> None:
        """End what a call may have begun."""
        await self.completions.aclose()
        await self.cache.aclose()
        await self.quotas.aclose()
