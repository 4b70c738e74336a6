"""A run whose process is killed again and again: ``python -m tests.batch.kills --kills 20 --jobs 500``.

The command is started, killed with SIGKILL after a random number of answers was stored, and started again. At some
kills Redis is emptied as well. The model server notes every call by its job and stage. In the end the results are
complete, in order, and as those of a run without kills; and no call was made again whose answer was in the database
when the process was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import sqlalchemy as sa

from app.database.database import Database, migrate
from app.records.batch_tables import batch_calls
from tests.helpers import HUNG_S
from tests.records.postgres_server import PostgresServer
from tests.redis.server import RedisServer
from tests.whole.harness import ModelServer, environment

MODELS = ("granite:1b", "basalt:1b")
RUN = """
name = "kills"
seed = 5
[[stages]]
name = "draft"
model = "granite:1b"
prompt = "[{{ custom_id }}/0] Argue for {{ topic }}."
[[stages]]
name = "reply"
model = "basalt:1b"
prompt = "[{{ custom_id }}/1] Answer: {{ draft }}"
[[stages]]
name = "final"
model = "granite:1b"
prompt = "[{{ custom_id }}/2] Conclude from {{ draft }} and {{ reply }}"
"""
Call = tuple[str, int]


@dataclass
class Night:
    """A run, the processes that work on it one after the other, and what the model server saw."""

    folder: Path
    jobs: int
    redis: RedisServer
    model_server: ModelServer
    database_url: str
    made: list[Call] = field(default_factory=list)
    stored_at: list[tuple[int, set[Call]]] = field(default_factory=list)

    def prepare(self) -> None:
        """Write the files, and have the model server note its calls."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run.toml").write_text(RUN)
        lines = [json.dumps({"custom_id": f"j{n}", "topic": f"thing {n}"}) for n in range(self.jobs)]
        (self.folder / "jobs.jsonl").write_text("\n".join(lines))
        machine: Any = self.model_server.running.machine
        answer = machine.answer

        async def noted(ask: Any, sink: Any) -> Any:
            if ask.prompt.startswith("user: ["):
                job, _, stage = ask.prompt.partition("[")[2].partition("]")[0].partition("/")
                self.made.append((job, int(stage)))
            return await answer(ask, sink)

        self.model_server.do(lambda: setattr(machine, "answer", noted))

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start ``arena batch …`` in the run's folder."""
        settings = {
            "OLLAMA_HOST": self.model_server.url,
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": self.database_url,
            "ARENA_NUM_PARALLEL": "4",
            "ARENA_DATA_DIR": str(self.folder),
            "ARENA_PREWARM": "false",
        }
        with (self.folder / "err.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", "batch", *command],
                cwd=self.folder,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def run(self) -> subprocess.Popen[bytes]:
        """Start the run, or let it go on: the command is the same."""
        return self.start("run", "run.toml", "jobs.jsonl")

    def stored(self) -> set[Call]:
        """The calls whose answers are in the database."""

        async def read() -> set[Call]:
            database = Database(self.database_url)
            columns = batch_calls.c
            query = sa.select(columns.n, columns.stage).where(columns.status.in_(("answered", "done")))
            try:
                rows = await database.read(lambda connection: connection.execute(query).all())
            finally:
                await database.aclose()
            return {(f"j{n}", stage) for n, stage in rows}

        return asyncio.run(read())

    def kill_after(self, process: subprocess.Popen[bytes], answers: int, *, empty_redis: bool) -> bool:
        """Kill the process once so many answers more are stored; False: it ended before."""
        goal, deadline = len(self.stored()) + answers, monotonic() + HUNG_S
        while len(self.stored()) < goal:
            if process.poll() is not None:
                return False
            assert monotonic() < deadline, (self.folder / "err.log").read_text()[-3000:]
            sleep(0.02)
        process.kill()
        process.wait()
        self.model_server.do(lambda: None)  # what it had begun to read is noted
        self.stored_at.append((len(self.made), self.stored()))
        if empty_redis:
            self.redis.flush()
        return True

    def finish(self) -> list[dict[str, Any]]:
        """Let the run end, and return its results."""
        process = self.run()
        assert process.wait(HUNG_S * 4) == 0, (self.folder / "err.log").read_text()[-3000:]
        output = self.start("results").communicate()[0]
        return [json.loads(line) for line in output.splitlines()]

    def made_again(self) -> list[Call]:
        """Calls that were made after a kill although their answers were stored before it."""
        return [call for place, stored in self.stored_at for call in self.made[place:] if call in stored]


@contextmanager
def night(folder: Path, jobs: int, database_url: str, **config: Any) -> Iterator[Night]:
    """A Redis, a model server, and a run that has not begun."""
    with ExitStack() as stack:
        redis = RedisServer()
        redis.start()
        stack.callback(redis.close)
        quick = {"load_s": 0.05, "tokens_per_s": 400.0, "answer_tokens": 20, "num_parallel": 4} | config
        server = ModelServer(MODELS, **quick)
        stack.callback(server.close)
        found = Night(folder, jobs, redis, server, database_url)
        found.prepare()
        yield found


def texts(results: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """What a run said, in order."""
    return [(line["custom_id"], [stage["text"] for stage in line["stages"].values()]) for line in results]


def play(folder: Path, database_url: str, jobs: int, kills: int, seed: int) -> dict[str, Any]:
    """A run with kills; its figures.

    Raises:
        AssertionError: something was lost, doubled or changed.
    """
    rng = random.Random(seed)
    asyncio.run(migrate(database_url))
    with night(folder, jobs, database_url) as found:
        done = 0
        mean = max(jobs * 3 // (kills + 1), 2)
        for number in range(kills):
            done += found.kill_after(found.run(), rng.randrange(1, 2 * mean - 1), empty_redis=number % 4 == 3)
        results = found.finish()
        assert [line["custom_id"] for line in results] == [f"j{n}" for n in range(jobs)]
        assert all(line["status"] == "done" for line in results)
        assert found.made_again() == []
        spare = len(found.made) - 3 * jobs
        return {
            "jobs": jobs,
            "kills": done,
            "calls": len(found.made),
            "cut and made again": spare,
            "texts": texts(results),
        }


def main() -> None:
    """Run with kills on both databases, and compare with a run without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory(prefix="arena-kills-") as folder:
            plain = play(Path(folder, "plain"), f"sqlite:///{folder}/plain.db", given.jobs, 0, given.seed)
            for name, url in (("sqlite", f"sqlite:///{folder}/kills.db"), ("postgresql", server.url(server.create()))):
                began = monotonic()
                figures = play(Path(folder, name), url, given.jobs, given.kills, given.seed)
                assert figures.pop("texts") == plain["texts"], "kills changed what the models said"
                figures["seconds"] = round(monotonic() - began)
                sys.stdout.write(f"{name}: {figures}, the same results as without kills\n")
    finally:
        server.close()


if __name__ == "__main__":
    main()
