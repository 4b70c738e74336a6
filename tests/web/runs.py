"""An application with batch runs on a database, and what tests send to it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from httpx import ASGITransport, AsyncClient
from openai.types import Batch, FileDeleted, FileObject
from pydantic import BaseModel

from app.arena.states import AnswerState
from app.backends.base import GenerationRequest
from app.batch.call import BatchCall, CallKey
from app.batch.files import FileStore
from app.batch.intake import IntakeLimits, RunIntake
from app.batch.keeper import BatchKeeper, KeeperParts
from app.batch.openai_batches import OpenAiBatches
from app.batch.runs import CallChange, Changes, JobChange, RunRecords
from app.database.database import Database, migrate
from app.process.batch import chat_of_settings
from app.records.ledger import utc_now
from app.settings.api_keys import parse_keys
from app.timing.stopwatch import Timing
from app.web.shared.services import BatchServices
from tests.documented import check_answer
from tests.helpers import HUNG_S
from tests.services import app_with, services_with, settings_with

RUNS = "/api/arena/runs"
ADMIN, ANNA, BERT = "the-admin-key", "annas-key-of-enough-characters", "berts-key-of-enough-characters"
RUN = """
name = "debate"
[[stages]]
name = "draft"
model = "a:1b"
prompt = "Argue for {{ topic }}."
[[stages]]
name = "reply"
model = "b:1b"
prompt = "Answer: {{ draft }}"
"""


def jobs(count: int) -> bytes:
    """A jobs file."""
    return b"".join(orjson.dumps({"custom_id": f"j{n}", "topic": f"thing {n}"}) + b"\n" for n in range(count))


def form(run: str | None = RUN, lines: bytes | None = None, **fields: str) -> dict[str, Any]:
    """What httpx sends as a form."""
    files: dict[str, Any] = {"jobs": ("jobs.jsonl", jobs(3) if lines is None else lines)}
    if run is not None:
        files["run"] = ("run.toml", run.encode())
    return {"files": files, "data": fields}


def bearer(key: str) -> dict[str, str]:
    """The header that bears a key."""
    return {"Authorization": f"Bearer {key}"}


def migrated(folder: Path) -> Path:
    """A SQLite file at head, to be copied."""
    file = folder / "arena.db"
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(f"sqlite:///{file}"))).result(HUNG_S)
    return file


class RunsApplication:
    """The application's parts that tests look at."""

    def __init__(self, database: Database, folder: Path, keys: bool, limits: IntakeLimits) -> None:
        settings = settings_with(arena_admin_key=ADMIN)
        self.folder = folder
        self.database = database
        self.later = timedelta(0)
        self.records = RunRecords(database, self.now)
        self.intake = RunIntake(database, self.records, chat_of_settings(settings), folder, limits)
        known = parse_keys([f"anna:{ANNA}", f"bert:{BERT}"]) if keys else ()
        self.files, self.batches = FileStore(database, self.now), OpenAiBatches(database, self.now)
        self.models: list[str] | None = None
        parts = KeeperParts(
            database, self.records, self.intake, self.files, self.batches, lambda: self.models, self.now
        )
        unused: Any = None
        self.keeper = BatchKeeper(unused, parts)
        batch = BatchServices(database, self.records, self.intake, self.files, self.batches, self.keeper.news.set)
        self.app = app_with(services_with(settings, batch=batch, api_keys=known))
        transport = ASGITransport(self.app, client=("127.0.0.1", 9))
        self.http = AsyncClient(
            transport=transport, base_url="http://127.0.0.1", event_hooks={"response": [_documented]}
        )

    def now(self) -> datetime:
        """The time, and as much later as a test says."""
        return utc_now() + self.later


async def _documented(response: Any) -> None:
    """Hold each answer against the document, and those of /v1 against the types of OpenAI's client."""
    await response.aread()
    if not response.request.url.path.startswith("/v1"):
        check_answer(response)
    elif response.status_code == 200 and response.headers["content-type"] == "application/json":
        value = response.json()
        for one in value.get("data", [value]):
            kind: type[BaseModel] = FileDeleted if "deleted" in one else _TYPES[one["object"]]
            kind.model_validate(one, strict=True)


_TYPES: dict[str, type[BaseModel]] = {"file": FileObject, "batch": Batch}


@asynccontextmanager
async def runs_application(
    template: Path, folder: Path, *, keys: bool = False, limits: IntakeLimits | None = None
) -> AsyncIterator[RunsApplication]:
    """The application on a SQLite file of its own."""
    file = folder / "arena.db"
    shutil.copy(template, file)
    database = Database(f"sqlite:///{file}")
    try:
        async with runs_application_on(database, folder, keys=keys, limits=limits) as application:
            yield application
    finally:
        await database.aclose()


@asynccontextmanager
async def runs_application_on(
    database: Database, folder: Path, *, keys: bool = False, limits: IntakeLimits | None = None
) -> AsyncIterator[RunsApplication]:
    """The application on a database; ``folder`` gets its uploads."""
    spool = folder / "spool"
    spool.mkdir()
    application = RunsApplication(database, spool, keys, limits or IntakeLimits(200_000_000, 50_000, 2_000_000_000))
    async with application.http:
        yield application


async def submitted(application: RunsApplication, **more: Any) -> dict[str, Any]:
    """Hand a run in."""
    reply = await application.http.post(RUNS, **(form() | more))
    assert reply.status_code == 201, reply.text
    assert reply.headers["location"] == f"{RUNS}/{reply.json()['id']}"
    return dict(reply.json())


async def finish(application: RunsApplication, run: str, n: int, text: str = "yes") -> None:
    """Do a job in the place of the run's worker."""
    answer = AnswerState(1, "done", 1, "stop", None, Timing(decode_s=2.0, total_s=4.0, tokens=20), "h", False, text)
    for stage in (0, 1):
        call = BatchCall(run, n, stage, 0, 0, GenerationRequest("a:1b", ()))
        await application.records.store_answer(call, answer, "d")
        await application.records.apply(run, Changes([CallChange(CallKey(n, stage, 0), "done")]))
    await application.records.apply(run, Changes((), [JobChange(n, "done")], timedelta(seconds=5)))
