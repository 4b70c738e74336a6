"""How a model comes and goes.

To load (facts of Ollama): the load is the service's own request, never a voter's, and it is never cancelled because
somebody left, since that would abort it for all who wait. Afterwards the server is asked whether the model is there
with the context length that was wanted and wholly on the card: a retry after running out of memory may have made it
smaller. A load that verifies wrong is tried once more, then taken as it is and reported, or it would be loaded for
ever.

To unload: ``keep_alive: 0`` is answered at once and done later, so the list is read until the model is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import time

import structlog

from app.backends.base import BackendError, GenerationOptions, LoadedModel, LoadTimedOut, ResidencyControl
from app.backends.retrying import repeated
from app.scheduling.driver.change_costs import ChangeCosts
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.load_limit import LoadLimits
from app.scheduling.driver.residency import Residency
from app.scheduling.planning.planner import Unload
from app.tasks import cancel_and_wait
from app.timing.history import History

UNLOAD_LIMIT = timedelta(seconds=7)
"""Until a model is gone: 5 s at most while the server waits for the last one's memory (recorded), and a kill."""

POLL_EVERY = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """When a model was loaded last, in Unix time; ``made_room`` are those that were unloaded for it.

    ``repeated`` has the code of each error for which the load was begun anew.
    """

    began: float
    ended: float
    made_room: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def waited_s(self, enqueued_at: float) -> float:
        """Return how long one who was enqueued at ``enqueued_at`` waited for this load."""
        return max(self.ended - max(self.began, enqueued_at), 0.0)


class NothingToLoad:
    """The ``ResidencyControl`` of a server that manages its memory itself: nothing is loaded or unloaded for it."""

    async def load(self, model: str, options: GenerationOptions) -> float:  # noqa: ARG002 - the Protocol's
        """Nothing to do: the server loads what it needs."""
        return 0.0

    async def unload(self, model: str) -> None:
        """Nothing to do: the server unloads what it does not need."""

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """Nothing is known."""
        return ()


class Loader:
    """Loads and unloads the models of ``host`` and keeps ``residency`` true; ``now`` is Unix time."""

    def __init__(
        self,
        host: str,
        control: ResidencyControl,
        residency: Residency,
        options: Callable[[str], GenerationOptions],
        history: History,
        events: HostEvents,
        *,
        now: Callable[[], float] = time,
        poll: timedelta = POLL_EVERY,
        unload_limit: timedelta = UNLOAD_LIMIT,
        costs: ChangeCosts | None = None,
        limits: LoadLimits | None = None,
    ) -> None:
        self._control = control
        self._residency = residency
        self._options = options
        self._history = history
        self._events = events
        self._limits = limits or LoadLimits(timedelta(minutes=3))
        self._now = now
        self._poll = poll.total_seconds()
        self._unload_limit = unload_limit.total_seconds()
        self._costs = costs or ChangeCosts(history, now)
        self._recovery_s = 0.0
        self._windows: dict[str, LoadWindow] = {}
        self._made_room: dict[str, list[str]] = {}
        self._log = structlog.get_logger("app.scheduling.driver.loader").bind(host=host)

    def window(self, model: str) -> LoadWindow | None:
        """The newest load of ``model``; None before the first."""
        return self._windows.get(model)

    async def load(self, model: str) -> float:
        """Load ``model`` and verify it; return the seconds it took. The backend tries again what can heal.

        Raises:
            BackendError: it could not be loaded.
        """
        residency = self._residency
        residency.begin_load(model)
        began, repeats = residency.loading_since, list[str]()
        self._log.info("model_loading", model=model)
        token = repeated.set(lambda error: repeats.append(error.code))
        try:
            seconds = await self._within_limit(model)
            flaws = await self._verified(model)
        except BackendError as error:
            hung = isinstance(error, LoadTimedOut)
            if hung:
                self._limits.timed_out(model)
            self._events.record("load_hung" if hung else "load_failed", model, f"{error.code}: {error}"[:300])
            self._costs.given_up(model)
            raise
        finally:
            repeated.reset(token)
            residency.end_load()
            made_room = tuple(self._made_room.pop(model, ()))
        self._windows[model] = LoadWindow(began, self._now(), made_room, tuple(repeats))
        self._history.loaded(model, seconds, residency.sizes.get(model, 0))
        self._costs.loaded(model, residency.pushed_out)
        self._limits.loaded(model)
        self._log.info("model_loaded", model=model, load_s=round(seconds, 3), flags=list(flaws))
        return seconds

    async def keep(self, model: str) -> None:
        """Give ``model``, which is in memory without our load, our keep_alive: it has the server's own, of minutes."""
        if not self._residency.has(model) or model in self._residency.leaving:
            return
        try:
            async with asyncio.timeout(self._unload_limit):
                await self._control.load(model, self._options(model))
                await self._residency.refresh()
        except (BackendError, TimeoutError) as error:
            self._log.info("model_not_kept", model=model, cause=getattr(error, "code", type(error).__name__))

    async def unload(self, unload: Unload) -> bool:
        """Send a model out of memory and wait until it is gone, at most ``unload_limit``; False when it stays."""
        model, why, residency = unload.model, unload.why, self._residency
        residency.leaving.add(model)
        began, on_card = self._now(), residency.on_card(model)
        try:
            async with asyncio.timeout(self._unload_limit):
                await self._control.unload(residency.server_name(model))
                await self._gone(model)
            if on_card and not any(residency.on_card(other.model) for other in residency.residents):
                await asyncio.sleep(self._recovery_s)
        except Exception as error:
            self._log.warning(
                "model_unload_failed", model=model, why=why, cause=getattr(error, "code", type(error).__name__)
            )
            await asyncio.sleep(self._poll)  # or the next plan would ask again at once
            return False
        else:
            self._log.info("model_unloaded", model=model, why=why, unload_s=round(self._now() - began, 3))
            self._events.unloaded(unload)
            if unload.for_model and unload.for_model != model:
                self._made_room.setdefault(unload.for_model, []).append(model)
            return True
        finally:
            residency.leaving.discard(model)

    async def _within_limit(self, model: str) -> float:
        """Load; LoadTimedOut after the limit, which closes the connection and so ends the load on the server."""
        usual_s = self._history.loads().get(model, 0.0)
        limit = self._limits.of(model, self._residency.sizes.get(model, 0), usual_s)
        begun_s = self._now() - self._residency.loading_since  # a second try begins late
        self._residency.loading_limit_s = begun_s + limit.total_seconds()
        try:
            async with asyncio.timeout(limit.total_seconds()) as timeout, self._watched():
                return await self._control.load(model, self._options(model))
        except TimeoutError:
            if not timeout.expired():
                raise
            raise LoadTimedOut(f"not loaded within {limit.total_seconds():.0f} s") from None

    @asynccontextmanager
    async def _watched(self) -> AsyncGenerator[None]:
        """Read what is in memory meanwhile: nothing is sent to a model that the server pushed out."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(self._poll)
                await self._residency.refresh()

        watching = asyncio.create_task(watch(), name="what a load pushes out")
        try:
            yield
        finally:
            await cancel_and_wait(watching)

    async def _gone(self, model: str) -> None:
        while True:
            if await self._residency.refresh() and not self._residency.has(model):
                return
            await asyncio.sleep(self._poll)

    def _stays_offloaded(self, model: str) -> bool:
        """Whether a second load would come to the same: the last one did, or all that is there exceeds the memory."""
        residency, num_ctx = self._residency, self._options(model).num_ctx
        if residency.failures.stays_offloaded(model, residency.present, num_ctx):
            return True
        if not residency.memory.is_exceeded_by(one.size_bytes for one in residency.residents):
            return False
        self._note_offloaded(model, "it does not fit into the memory that is configured: taken as it is")
        return True

    def _note_offloaded(self, model: str, why: str) -> None:
        residency = self._residency
        residency.failures.note_offloaded(model, residency.present, self._options(model).num_ctx)
        self._events.record("offloaded", model, why)

    async def _verified(self, model: str) -> tuple[str, ...]:
        """Return what is wrong with the load after a second try, and have it count as in memory all the same."""
        flaws = await self._residency.verify(model, final=False)
        if not flaws:
            return flaws
        if flaws == ("offloaded",) and self._stays_offloaded(model):
            return await self._residency.verify(model, final=True)
        if "offloaded" in flaws:
            # Asked with the same options, the server would keep it where it is.
            await self.unload(Unload(model, "offloaded"))
        await self._within_limit(model)
        flaws = await self._residency.verify(model, final=True)
        if "offloaded" in flaws:
            self._note_offloaded(model, "also after a second load: taken as it is")
        if "context_shrunk" in flaws:
            self._events.record("context_shrunk", model, "also after a second load: taken as it is")
        return flaws
