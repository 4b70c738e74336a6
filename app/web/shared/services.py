"""What the routes work with; ``app.process.app`` builds it once per process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from app.arena.manager import ArenaManager
from app.arena.viewing import Viewing
from app.batch.files import FileStore
from app.batch.intake import RunIntake
from app.batch.openai_batches import OpenAiBatches
from app.batch.runs import RunRecords
from app.completions.caching import CompletionCache
from app.completions.columns import Columns
from app.completions.completions import Completions
from app.completions.quotas import Quotas
from app.database.database import Database
from app.leaderboard.cache import LeaderboardCache
from app.metrics.voter_addresses import VoterAddresses
from app.readiness.arrivals import Arrivals
from app.records.comparisons import Comparison
from app.settings.api_keys import ApiKey
from app.settings.settings import Settings
from app.tracing.spans import NO_TRACER, Tracer
from app.web.shared.event_stream import OpenStreams
from app.web.shared.fleet import Fleet


class Contestants(Protocol):
    """Who can be drawn: configured models that a host not known dead has."""

    async def at_hand(self) -> Sequence[str]:
        """Names of the models that can be drawn now.

        Raises:
            Unavailable: fewer than two; the sentence says what is missing.
        """
        ...

    async def listed(self) -> Sequence[str]:
        """Names of the models that can be asked now, however few."""
        ...

    def sees(self, model: str) -> bool:
        """Whether ``model`` takes images, as far as its host says; True where it does not say."""
        ...

    def context_of(self, model: str) -> int | None:
        """How many tokens prompt and answer may have together where a server of ``model`` decides that, else None."""
        ...

    def calls(self, model: str) -> bool:
        """Whether ``model`` can call tools, as far as its hosts say; True where they do not say."""
        ...

    def calls_on_demand(self, model: str) -> bool:
        """Whether all hosts of ``model`` can be told that it has to call a tool."""
        ...

    def room_for(self, models: Sequence[str]) -> Awaitable[None]:
        """Make sure that the hosts' queues would take one answer of each model.

        Raises:
            QueueFull: one of them would not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """What ``/readyz`` answers: ``missing`` takes this process out, ``degraded`` does not."""

    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchServices:
    """Batch runs: their rows, how they come in, and the files and batches of OpenAI's Batch API.

    ``batch_created`` has a new batch looked at without delay.
    """

    database: Database
    records: RunRecords
    intake: RunIntake
    files: FileStore
    openai: OpenAiBatches
    batch_created: Callable[[], None]


async def nothing_known() -> Mapping[str, bool]:
    """For services whose stores nobody asks."""
    return {}


def no_disk() -> tuple[int | None, int]:
    """For services without a folder."""
    return None, 0


def uncounted(route: str, status: int, code: str) -> None:
    """For services without counters."""


@dataclass(slots=True, kw_only=True)
class Services:
    """The rooms below, wired; ``secret`` is what voters' keys are made with, ``comparisons`` reads all votes.

    ``usable`` asks the stores, ``disk`` returns free and all bytes where the data is, ``refused`` counts a refusal.
    """

    settings: Settings
    manager: ArenaManager
    viewing: Viewing
    boards: LeaderboardCache
    contestants: Contestants
    readiness: Callable[[], Awaitable[Readiness]]
    secret: bytes = field(repr=False)
    completions: Completions
    cache: CompletionCache
    quotas: Quotas
    columns: Columns
    batch: BatchServices
    api_keys: tuple[ApiKey, ...] = ()
    fleet: Fleet
    arrivals: Arrivals
    comparisons: Callable[[], AsyncGenerator[list[Comparison]]]
    addresses: VoterAddresses = field(default_factory=VoterAddresses)
    usable: Callable[[], Awaitable[Mapping[str, bool]]] = nothing_known
    disk: Callable[[], tuple[int | None, int]] = no_disk
    refused: Callable[[str, int, str], None] = uncounted
    tracer: Tracer = NO_TRACER
    now: Callable[[], float] = time.time
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    streams: OpenStreams = field(default_factory=OpenStreams)

    @property
    def draining(self) -> bool:
        """Whether this process takes no more and is about to end."""
        return self.ending.is_set()

    def start_draining(self) -> None:
        """Have load balancers send nothing more here, and answer the requests that wait."""
        self.ending.set()

    def end_streams(self) -> None:
        """Let event streams end; they go on elsewhere."""
        self.streams.end()


def services_in(request: Request) -> Services:
    """The services of the application that got this request.

    The calls that are made most use it: a dependency costs the framework more than a request to Redis costs us.
    """
    services: Services = request.app.state.services
    return services


async def services_of(request: Request) -> Services:
    """The same as a dependency; a plain function would be run in a thread."""
    return services_in(request)


Wired = Annotated[Services, Depends(services_of)]
