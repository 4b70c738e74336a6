"""Wiring of batch runs: their calls' keys in Redis, their rows in SQL, and who works them off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from app.arena.store import LogStore
from app.backends.base import GenerationRequest
from app.batch.call import CODEC
from app.batch.files import FileStore
from app.batch.hosts import CallHosts
from app.batch.intake import IntakeLimits, RunIntake
from app.batch.keeper import BatchKeeper, KeeperParts
from app.batch.openai_batches import OpenAiBatches
from app.batch.parts import RunnerParts
from app.batch.requests import ChatOf
from app.batch.runs import RunRecords
from app.batch.sink import CallSink
from app.batch.worker import BatchWorker
from app.database.database import Database
from app.errors import ArenaError, InvalidInput
from app.hosts.options import options_for
from app.hosts.roster import Roster
from app.process.battles import BattlesWiring
from app.process.connections import Connections, answer_cache
from app.process.hosting import HostsWiring
from app.settings.settings import Settings
from app.timing.time import Time
from app.web.openai.bodies import ChatRequest, check_possible
from app.web.openai.single import request_of
from app.web.shared.services import BatchServices


class BatchWiring:
    """What one process has of batch runs; ``chat_of`` reads the bodies of OpenAI's lines."""

    def __init__(self, to: Connections, hosting: HostsWiring, battles: BattlesWiring) -> None:
        store = LogStore(to.redis, CODEC)
        self.records = RunRecords(to.database, to.clock.now)
        self.chat_of = partial(chat_request, to.settings)
        self.options_of = partial(options_for, to.settings)
        self.hosts = CallHosts(hosting.router, store, to.clock.time)
        time = Time(now=to.clock.time)
        parts = RunnerParts(
            self.records,
            self.hosts,
            self.options_of,
            self.chat_of,
            time,
            answer_cache(to),
            hosting.digests_of,
        )
        self.worker = BatchWorker(to.redis, parts)
        self.sink = CallSink(
            store, battles.writer, self.records, hosting.digest_of, self.worker.news, self.worker.not_stored
        )

        limits = IntakeLimits(
            to.settings.arena_batch_upload, to.settings.arena_batch_lines, to.settings.arena_batch_quota
        )
        intake = RunIntake(to.database, self.records, self.chat_of, to.settings.arena_data_dir, limits)
        files, batches = FileStore(to.database, to.clock.now), OpenAiBatches(to.database, to.clock.now)
        models = partial(_models_of, hosting.roster)
        kept = KeeperParts(to.database, self.records, intake, files, batches, models, to.clock.now)
        self.keeper = BatchKeeper(to.redis, kept)
        self.services = BatchServices(to.database, self.records, intake, files, batches, self.keeper.news.set)


def _models_of(roster: Roster) -> Sequence[str] | None:
    """The models that can be asked; None while a host does not answer, which may have others."""
    return None if roster.catalog.unreachable else roster.catalog.models


def chat_request(settings: Settings, body: Mapping[str, Any]) -> GenerationRequest:
    """What the body of a line of OpenAI's Batch API asks for.

    Raises:
        InvalidInput: it can't be understood, or can't be done.
    """
    read = _understood(body)
    if read.stream:
        raise InvalidInput("body.stream: a batch is not streamed; leave it out", field="body.stream")
    try:
        check_possible(read)
        return request_of(settings, read.model, read)
    except InvalidInput:
        raise
    except ArenaError as error:
        raise InvalidInput(error.sentence, field="body.messages") from None


def _understood(body: Mapping[str, Any]) -> ChatRequest:
    try:
        return ChatRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in ("body", *first["loc"]))
        raise InvalidInput(f"{field}: {first['msg'].lower()}", field=field) from None


def chat_of_settings(settings: Settings) -> ChatOf:
    """What reads the bodies of OpenAI's lines with these settings."""
    return partial(chat_request, settings)


@dataclass(frozen=True, slots=True)
class CommandProcess:
    """A command that works on runs itself: its runs, its worker, and its hosts' drivers."""

    batch: BatchWiring
    database: Database


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[CommandProcess]:
    """A process that drives hosts and works on the runs that it is given; at its end running answers are finished."""
    from app.process.app import built
    from app.tasks import Supervisor

    async with built(settings) as process, Supervisor() as supervisor, process.driving(supervisor):
        yield CommandProcess(process.batch, process.database)
