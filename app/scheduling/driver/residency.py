"""What is in a host's memory, as far as we know.

The driver is the only one that loads and unloads, so it knows; ``/api/ps`` is read to begin with, after every
change, and now and then, because others may use the host too. A server that doesn't answer changes nothing. What
comes, goes or turns out wrong without us becomes an event of the host.

A server that manages its own memory is not asked: each of its models counts as resident from the moment it is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import time

import structlog

from app.backends.base import BackendError, GenerationOptions, Inventory, LoadedModel, ResidencyControl
from app.hosts.names import key_of
from app.scheduling.driver import listing
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.listing import Listed
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.model_failures import ModelFailures
from app.scheduling.driver.residency_events import ResidencyEvents
from app.scheduling.planning.planner import Resident


class Residency:
    """The models of a host: ``residents``, the one that is ``loading``, those that are ``leaving``.

    A load counts as hung after ``loading_limit_s``.

    Without a ``control``, which reads the server's memory, all models that are configured, installed or asked for are
    resident always. ``inventory`` gives the sizes of the models that are installed, where the server can be asked.
    ``options`` gives the options of a model's battles, which its load must have too; it is also asked for models
    that nobody configured. ``models`` are the configured names, in the spelling that is used. ``now`` is Unix time.
    """

    def __init__(
        self,
        host: str,
        control: ResidencyControl | None,
        options: Callable[[str], GenerationOptions],
        *,
        inventory: Inventory | None = None,
        memory: MemoryBudget,
        events: HostEvents,
        models: Iterable[str] = (),
        now: Callable[[], float] = time,
    ) -> None:
        self.loading: str | None = None
        self.loading_since = 0.0
        self.loading_limit_s = 0.0
        self.pushed_out = 0
        self.leaving: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.memory = memory
        self.failures = ModelFailures()
        self._control = control
        self._inventory = inventory
        self._options = options
        self._events = ResidencyEvents(events)
        self._now = now
        self._residents: dict[str, Resident] = {}
        self._listed: dict[str, Listed] = {}
        self._spellings: dict[str, str] = {}
        self._accepted: dict[str, LoadedModel] = {}
        self._known = False
        self._mine: set[str] = set()
        self._recorded = False
        self.unrequested: set[str] = set()
        self._beside: dict[str, Listed] = {}
        self._card = False
        self._reading = asyncio.Lock()
        self._log = structlog.get_logger("app.scheduling.driver.residency").bind(host=host)
        for name in models:
            self.spelling(name)

    @property
    def residents(self) -> tuple[Resident, ...]:
        """What is in memory, the leaving ones included; their readings only where the server goes by them."""
        if self.memory.misread:
            return tuple(self._residents.values())
        residents = self._residents.values()
        return tuple(one if one.reading_bytes is None else replace(one, reading_bytes=None) for one in residents)

    @property
    def listed(self) -> dict[str, Listed]:
        """What the server listed last, by our names."""
        return dict(self._listed)

    @property
    def foreign(self) -> frozenset[str]:
        """Residents that others loaded: not in our record of loads, or with another context than ours."""
        return frozenset(model for model, listed in self._listed.items() if not listed.ours)

    @property
    def degraded(self) -> frozenset[str]:
        """Ours that are in memory as they should not be, and were not accepted so."""
        return frozenset(m for m, seen in self._listed.items() if seen.ours and seen.flaws and m not in self._accepted)

    def spelling(self, model: str) -> str:
        """Return the one spelling of ``model`` that this driver uses: the first that it met."""
        known = self._spellings.setdefault(key_of(model), model)
        if self._control is None and known not in self._residents:
            self._residents[known] = self._fresh(known)
        return known

    @property
    def present(self) -> set[str]:
        """The models in memory."""
        return set(self._residents)

    def has(self, model: str) -> bool:
        """Whether ``model`` is in memory."""
        return model in self._residents

    def recall(self, ours: Iterable[str]) -> None:
        """An earlier driver of the host had loaded these: what else is found there is somebody else's."""
        self._mine.update(self.spelling(model) for model in ours)
        self._recorded = True

    def broke(self, model: str, *, silent: bool) -> None:
        """An answer of ``model`` was cut off, or nothing came of it (``silent``), though it counted as in memory."""
        if model in self._listed:
            self.failures.failed(model, silent=silent)

    def note_broken(self) -> None:
        """The server answers, so what broke was a model's own process: write it down."""
        for model in self.failures.take_broken():
            self._events.crashed(model)

    def used(self, model: str) -> None:
        """Note that ``model`` gets an answer to write now."""
        self._mine.add(model)
        if model in self._residents:
            self._residents[model] = replace(self._residents[model], used=self._now())

    def on_card(self, model: str) -> bool:
        """Whether ``model`` has memory of a card."""
        return model in self._listed and self._listed[model].entry.vram_bytes > 0

    def server_name(self, model: str) -> str:
        """Return the name under which the server lists ``model``."""
        return self._listed[model].entry.name if model in self._listed else model

    async def predict_sizes(self) -> None:
        """Guess the sizes of models that were not seen in memory from their files; nothing if the host is silent."""
        if self._inventory is None:
            return
        try:
            installed = await self._inventory.installed()
        except BackendError as error:
            self._log.info("models_unread", cause=error.code)
            return
        for model in installed:
            self.sizes.setdefault(self.spelling(model.name), listing.guessed_bytes(model.size_bytes))

    async def refresh(self) -> bool:
        """Read what is in memory; False, and nothing changes, when the server does not answer."""
        if self._control is None:
            return True
        async with self._reading:
            try:
                loaded = await self._list(self._control)
            except BackendError as error:
                self._log.info("residents_unread", cause=error.code)
                return False
            self._take(loaded)
            return True

    def digest(self, model: str) -> str:
        """The digest of ``model``'s weights, as the server listed it last; empty: it did not say."""
        key = key_of(model)
        return next((seen.entry.digest for seen in self._listed.values() if key_of(seen.entry.name) == key), "")

    def forget(self) -> None:
        """The host sleeps: what it holds is unknown, and what is gone when it wakes is no event."""
        if self._control is None:
            return
        self._residents, self._listed, self._accepted = {}, {}, {}
        self._known = False

    async def verify(self, model: str, *, final: bool) -> tuple[str, ...]:
        """Read what is in memory and return what is wrong with ``model``; the final time it is taken as it is.

        After the final time it counts as in memory even if the server lists it not, or it would be loaded for ever.
        """
        if self._control is None:
            return ()
        async with self._reading:
            try:
                loaded = await self._list(self._control)
            except BackendError:
                flaws: tuple[str, ...] = ("unverified",)
            else:
                found = next((entry for entry in loaded if key_of(entry.name) == key_of(model)), None)
                flaws = ("not_listed",) if found is None else self._flaws(model, found)
                if found is not None and not flaws:
                    self._accepted.pop(model, None)
                elif found is not None and final:
                    self._accepted[model] = found
                self._take(loaded)
            if (final or not flaws) and model not in self._residents:
                self._residents[model] = replace(self._fresh(model), size_bytes=self.sizes.get(model, 0))
        return flaws

    async def _list(self, control: ResidencyControl) -> tuple[LoadedModel, ...]:
        loaded = tuple(listing.by_our_clock(entry, self._now()) for entry in await control.loaded())
        self._card = self._card or any(entry.vram_bytes for entry in loaded)
        return loaded

    def _flaws(self, model: str, found: LoadedModel) -> tuple[str, ...]:
        return listing.flaws_of(found, self._options(model).num_ctx, has_card=self._card)

    def _take(self, loaded: tuple[LoadedModel, ...]) -> None:
        """Believe the server; who was there before keeps the times that are known."""
        before, self._residents = self._residents, {}
        seen_before, self._listed = self._listed, {}
        if not self._known and not self._recorded:
            self._mine.update(self.spelling(entry.name) for entry in loaded)  # who loaded it is not known any more
        total = self.memory.total_bytes if self._known else None
        for entry in loaded:
            key, ours = self._key(entry)
            flaws = self._flaws(key, entry) if ours else ()
            self._listed[key] = Listed(entry, flaws, ours)
            known = before.get(key) or replace(self._fresh(key), reading_bytes=listing.reading_of(entry, loaded, total))
            self._residents[key] = replace(known, size_bytes=entry.size_bytes)
            self.sizes[key] = entry.size_bytes
        if self._known:
            new = listing.unrequested(self._listed, seen_before, self.loading, self._now())
            self.unrequested |= new
            for model in sorted(new & seen_before.keys()):
                if not self.failures.explains(model):
                    self._events.replaced(model)
        self._note_changes(seen_before)
        if not any(seen.flaws for seen in self._listed.values()):
            self.memory.fitted(sum(resident.size_bytes for resident in self._residents.values()))
        self._known = True

    def _key(self, entry: LoadedModel) -> tuple[str, bool]:
        """Return the entry's name, and whether it is ours: what we loaded or gave answers to, with our context.

        One with another context has a name of its own here, for our chats would load it again.
        """
        name = self.spelling(entry.name)
        accepted = self._accepted.get(name)
        wanted = {None, self._options(name).num_ctx, None if accepted is None else accepted.context_length}
        # While ours is being loaded, what comes under its name is ours, whatever the server made of it.
        if entry.context_length in wanted or name == self.loading:
            return name, name in self._mine
        return f"{name} with context {entry.context_length}", False

    def _note_changes(self, before: dict[str, Listed]) -> None:
        """Write down what happened without us since the server was asked last."""
        if not self._known:
            return
        self._events.foreign(self._listed, before)
        for model, seen in self._listed.items():
            if model != self.loading and model not in self._accepted:
                self._events.flawed(model, seen, before.get(model))
        for model in sorted(before.keys() - self._listed.keys() - self.leaving):
            self._accepted.pop(model, None)
            if before[model].ours:
                self._note_gone(model, before[model].entry)

    def _note_gone(self, model: str, last: LoadedModel) -> None:
        loading = self.loading if model != self.loading else None
        # A model that the server pushes out shows the moment as its end: what it showed before the load counts.
        known = self._beside.get(model) if loading else None
        if listing.has_expired(last.expires_at if known is None else known.entry.expires_at, self._now()):
            self._events.expired(model)
        elif loading is not None:
            self.pushed_out += 1
            self._events.pushed_out(model, loading)
        else:
            self._events.unloaded_by_others(model)

    def begin_load(self, model: str) -> None:
        """Note that ``model`` is being loaded from now on, and what is there beside it."""
        self.loading, self.loading_since = model, self._now()
        self._mine.add(model)
        self._beside, self.pushed_out = dict(self._listed), 0

    def end_load(self) -> None:
        """Note that the load is over; learn from it if the server pushed out others."""
        loaded, self.loading = self.loading, None
        if self.pushed_out and loaded is not None:
            kept = [seen.entry.size_bytes for model, seen in self._beside.items() if model != loaded]
            known = self.memory.misread
            self.memory.overflowed(kept, self.sizes.get(loaded, 0), len(self._residents))
            if self.memory.misread and not known:
                readings = [one.reading_bytes for one in self._residents.values() if one.reading_bytes is not None]
                self._events.memory_misread(kept, readings, self.memory.total_bytes or 0)

    def _fresh(self, model: str) -> Resident:
        now = self._now()
        return Resident(model, since=now, used=now)
