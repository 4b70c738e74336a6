"""What is in a host's memory, as far as we know, and how a model comes and goes.

The lane is the only one that loads and unloads, so it knows; ``/api/ps`` is read to begin with, after every
change, and now and then, because others may use the host too. A server that doesn't answer changes nothing.

To load (facts of Ollama): the load is the service's own request, never a voter's, and it is never cancelled because
somebody left, since that would abort it for all who wait. Afterwards the server is asked whether the model is there
with the context length that was wanted: a retry after running out of memory may have made it smaller. A load that
verifies wrong is tried once more, then taken as it is and reported, or it would be loaded for ever.

To unload: ``keep_alive: 0`` is answered at once and done later, so the list is read until the model is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from time import time

import structlog

from app.backends.base import Backend, BackendError, GenerationOptions, LoadedModel
from app.hosts.names import canonical
from app.lanes.planner import Resident
from app.timing.history import History

UNLOAD_LIMIT = timedelta(seconds=7)
"""Killing the process, waiting for the card's memory to come back: 0.5-1.5 s typically, 5 s at most."""

RECOVERY = timedelta(seconds=1.5)
"""Until the driver reports the memory of a killed process as free: a load before that would find the card full."""

OVERFULL_FOR = timedelta(hours=1)
"""How long it counts that a set of models did not fit; then it may be tried again."""

POLL_EVERY = timedelta(milliseconds=250)

SIZE_FACTOR = 1.1
SIZE_EXTRA = 768 * 1024**2
"""A model's size in memory is guessed from its file until it was seen there: the file, its context and buffers."""


def key_of(name: str) -> str:
    """Return what two names of the same model have in common; names that Ollama would not take only fold case."""
    try:
        return canonical(name)
    except ValueError:
        return name.strip().casefold()


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """When a model was loaded last, in Unix time."""

    began: float
    ended: float

    def waited_s(self, enqueued_at: float) -> float:
        """Return how long one who was enqueued at ``enqueued_at`` waited for this load."""
        return max(self.ended - max(self.began, enqueued_at), 0.0)


class Residency:
    """The models of the host ``host``: ``residents``, the one that is ``loading``, those that are ``leaving``.

    ``options`` gives the options of a model's battles, which its load must have too; it is also asked for models
    that nobody configured. ``models`` are the configured names: they are spelled like this here. ``wall`` is Unix time.
    """

    def __init__(
        self,
        host: str,
        backend: Backend,
        options: Callable[[str], GenerationOptions],
        history: History,
        *,
        models: Iterable[str] = (),
        wall: Callable[[], float] = time,
        poll: timedelta = POLL_EVERY,
        unload_limit: timedelta = UNLOAD_LIMIT,
        recovery: timedelta = RECOVERY,
    ) -> None:
        self.loading: str | None = None
        self.loading_since = 0.0
        self.leaving: set[str] = set()
        self.sizes: dict[str, int] = {}
        self._host = host
        self._backend = backend
        self._options = options
        self._history = history
        self._wall = wall
        self._poll = poll.total_seconds()
        self._unload_limit = unload_limit.total_seconds()
        self._recovery = recovery.total_seconds()
        self._on_card: set[str] = set()
        self._residents: dict[str, Resident] = {}
        self._server_names: dict[str, str] = {}
        self._spellings: dict[str, str] = {}
        self._accepted: dict[str, int | None] = {}
        self._windows: dict[str, LoadWindow] = {}
        self._overfull: tuple[int, float] | None = None
        self._reading = asyncio.Lock()
        self._log = structlog.get_logger("app.lanes.residency").bind(host=host)
        for name in models:
            self.spelling(name)

    @property
    def residents(self) -> tuple[Resident, ...]:
        """What is in memory, the leaving ones included."""
        return tuple(self._residents.values())

    def spelling(self, model: str) -> str:
        """Return the one spelling of ``model`` that is used here: the first that was met."""
        return self._spellings.setdefault(key_of(model), model)

    def used(self, model: str) -> None:
        """Note that ``model`` gets an answer to write now."""
        if model in self._residents:
            self._residents[model] = replace(self._residents[model], used=self._wall())

    def load_waited_s(self, model: str, enqueued_at: float) -> float:
        """Return how long one who was enqueued at ``enqueued_at`` waited for the newest load of ``model``."""
        window = self._windows.get(model)
        return 0.0 if window is None else window.waited_s(enqueued_at)

    @property
    def overfull_bytes(self) -> int | None:
        """The smallest total for which the server pushed out a model on its own lately."""
        if self._overfull is None or self._wall() - self._overfull[1] > OVERFULL_FOR.total_seconds():
            return None
        return self._overfull[0]

    async def predict_sizes(self) -> None:
        """Guess the sizes of models that were not seen in memory from their files; nothing if nobody answers."""
        try:
            installed = await self._backend.installed()
        except BackendError as error:
            self._log.info("models_unread", cause=error.code)
            return
        for model in installed:
            self.sizes.setdefault(self.spelling(model.name), int(model.size_bytes * SIZE_FACTOR) + SIZE_EXTRA)

    async def refresh(self) -> bool:
        """Read what is in memory; False, and nothing changes, when the server does not answer."""
        async with self._reading:
            try:
                loaded = await self._backend.loaded()
            except BackendError as error:
                self._log.info("residents_unread", cause=error.code)
                return False
            self._take(loaded)
            return True

    async def load(self, model: str) -> None:
        """Load ``model`` and verify it; the backend tries again what can heal.

        Raises:
            BackendError: it could not be loaded.
        """
        self.loading, self.loading_since = model, self._wall()
        began, beside, names = self.loading_since, self._residents, self._server_names
        self._log.info("model_loading", model=model)
        try:
            seconds = await self._backend.load(model, self._options(model))
            flags = await self._verified(model)
        except BackendError as error:
            self._log.warning("model_load_failed", model=model, cause=error.code, why=str(error))
            raise
        finally:
            self.loading = None
        self._note_pushed_out(model, beside, names)
        self._windows[model] = LoadWindow(began, self._wall())
        self._history.loaded(model, seconds)
        self._log.info("model_loaded", model=model, load_s=round(seconds, 3), flags=flags)

    async def unload(self, model: str) -> None:
        """Send ``model`` out of memory and wait until it is gone, at most ``unload_limit``; never raises."""
        self.leaving.add(model)
        began, on_card = self._wall(), set(self._on_card)
        try:
            async with asyncio.timeout(self._unload_limit):
                await self._backend.unload(self._server_names.get(model, model))
                await self._gone(model)
            if model in on_card:
                await asyncio.sleep(self._recovery)
            self._log.info("model_unloaded", model=model, unload_s=round(self._wall() - began, 3))
        except (BackendError, TimeoutError) as error:
            self._log.warning("model_unload_failed", model=model, cause=getattr(error, "code", "timeout"))
            await asyncio.sleep(self._poll)  # or the next plan would ask again at once
        finally:
            self.leaving.discard(model)

    async def _gone(self, model: str) -> None:
        while True:
            if await self.refresh() and model not in self._residents:
                return
            await asyncio.sleep(self._poll)

    async def _verified(self, model: str) -> list[str]:
        """Return what is wrong with the load after a second try, and have it count as in memory all the same."""
        flags = await self._flaws(model)
        if flags:
            await self._backend.load(model, self._options(model))
            flags = await self._flaws(model, final=True)
        return flags

    async def _flaws(self, model: str, *, final: bool = False) -> list[str]:
        """Compare what the server lists with what was wanted; the final time, take it as it is."""
        async with self._reading:
            try:
                loaded = await self._backend.loaded()
            except BackendError:
                flags = ["unverified"]
            else:
                found = next((entry for entry in loaded if key_of(entry.name) == key_of(model)), None)
                flags = self._compare(model, found)
                if final and found is not None:
                    self._accepted[model] = found.context_length
                self._take(loaded)
            if final and model not in self._residents:
                self._residents[model] = replace(self._fresh(model), size_bytes=self.sizes.get(model, 0))
        return flags

    def _note_pushed_out(self, model: str, beside: Mapping[str, Resident], names: Mapping[str, str]) -> None:
        """Remember what did not fit: who was there before the load of ``model`` and is gone after it."""
        here = {key_of(name) for name in self._server_names.values()} | {key_of(model)}
        gone = [other for other, name in names.items() if other in beside and key_of(name) not in here]
        if gone:
            total = sum(resident.size_bytes for resident in beside.values()) + self.sizes.get(model, 0)
            self._overfull = (min(total, self.overfull_bytes or total), self._wall())
            self._log.warning("model_pushed_out", model=model, gone=gone, total_bytes=total)

    def _compare(self, model: str, found: LoadedModel | None) -> list[str]:
        if found is None:
            return ["not_listed"]
        flags = []
        if found.context_length not in (None, self._options(model).num_ctx):
            flags.append("context_differs")
        # 0 of a model on the card means a host without one, which is as it should be.
        if 0 < found.vram_bytes < found.size_bytes:
            flags.append("offloaded")
        return flags

    def _take(self, loaded: tuple[LoadedModel, ...]) -> None:
        """Believe the server; who was there before keeps the times that are known."""
        before, self._residents = self._residents, {}
        names, self._server_names = self._server_names, {}
        for entry in loaded:
            key = self._key(entry)
            self._server_names[key] = entry.name
            self._residents[key] = replace(before.get(key) or self._fresh(key), size_bytes=entry.size_bytes)
            self.sizes[key] = entry.size_bytes
        self._on_card = {self._key(entry) for entry in loaded if entry.vram_bytes}
        listed = {entry.name for entry in loaded}
        for gone in before.keys() - self.leaving:
            if names.get(gone, gone) not in listed:
                self._log.warning("model_vanished", model=gone)

    def _key(self, entry: LoadedModel) -> str:
        """Tell a model that others loaded with another context from ours: a chat with ours would load it again."""
        name = self.spelling(entry.name)
        wanted = self._accepted.get(name, self._options(name).num_ctx)
        if entry.context_length in (None, wanted):
            return name
        return f"{name} with context {entry.context_length}"

    def _fresh(self, model: str) -> Resident:
        now = self._wall()
        return Resident(model, since=now, used=now)
