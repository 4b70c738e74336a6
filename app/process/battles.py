"""Wiring of the battles: their keys in Redis, the calls on them, their viewers, and the way of an answer to its log."""

from __future__ import annotations

from app.arena.document import Document
from app.arena.guard import Guard
from app.arena.head_starts import HeadStarts
from app.arena.hub import Hub
from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.sink import ArenaSink
from app.arena.store import Store
from app.arena.sweeper import Sweeper
from app.arena.viewing import Viewing
from app.arena.writer import BatchWriter
from app.backends.base import GenerationRequest, InstalledModel, Message
from app.hosts.kinds import DEFAULT_KIND, KINDS
from app.hosts.options import options_for, system_for
from app.process.connections import Connections
from app.process.hosting import HostsWiring
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.web.shared.streams import events_path


class BattlesWiring:
    """What one process has of the battles."""

    def __init__(self, to: Connections, hosting: HostsWiring) -> None:
        self._to, self._hosting = to, hosting
        settings = to.settings
        self._ledger = Ledger(to.database, to.clock.now)
        self._store = Store(
            to.redis,
            running_ttl=settings.arena_battle_ttl,
            ended_ttl=settings.arena_log_ttl,
            pace=settings.arena_pace,
        )
        self._reconciler = self._make_reconciler()
        self.hub = Hub(self._store, to.subscriber)
        self.writer = BatchWriter(self._store, settings.arena_tick)
        self.sweeper = Sweeper(to.redis, self._store, self._ledger, self._reconciler)
        self.manager = ArenaManager(
            self._store,
            self._ledger,
            self._reconciler,
            named=settings.arena_reveal != "end",
            draw=hosting.drawing.draw,
            counters=hosting.counters,
            events_path=events_path,
            head_starts=HeadStarts(hosting.head_start, self._request_of),
        )

    def viewing(self) -> Viewing:
        """What viewers are served by."""
        return Viewing(self.hub, self.manager.snapshot)

    def sink(self) -> ArenaSink:
        """Where drivers write answers."""
        guard = Guard(self._to.settings.arena_leak)
        return ArenaSink(self._store, self.writer, self._request_of, self._reconciler.reconcile, guard)

    def _make_reconciler(self) -> Reconciler:
        settings = self._to.settings
        return Reconciler(
            self._store,
            self._ledger,
            self._hosting.router,
            prefetch=settings.arena_prefetch,
            named=settings.arena_reveal != "end",
            battle_ttl=settings.arena_battle_ttl,
            describe=self._provenance,
            is_fallback=self._hosting.is_fallback,
            counters=self._hosting.counters,
        )

    def _request_of(self, document: Document, model: str) -> GenerationRequest:
        system = system_for(self._to.settings, model, document.system)
        instructions = (Message("system", system),) if system else ()
        prompt = Message("user", document.battle.message)
        return GenerationRequest(
            model, (*instructions, *document.history, prompt), options_for(self._to.settings, model)
        )

    def _provenance(self, document: Document, model: str, host: str) -> Provenance:
        found = self._hosting.roster.installed(host, model) or InstalledModel(model, 0)
        kind = next((known.kind for known in self._to.hosts if known.name == host), DEFAULT_KIND)
        options = KINDS[kind].sent(options_for(self._to.settings, model))
        system = system_for(self._to.settings, model, document.system)
        digest = self._hosting.seen_models.digest(host, document.id, model) or found.digest
        identity = ModelIdentity(model, digest, found.quantization, options, KINDS[kind].server)
        return Provenance(identity, system or None)
