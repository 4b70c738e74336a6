"""Battles over what a run's models answered: two stored answers of one job and stage, judged blind as any battle.

A battle is put into the database with both its answers, and as old as one that Redis has lost: whoever opens its page
has it rebuilt there with the texts that are stored, and nothing is generated. Its id is made from the pair's, so that a
pair is not offered again while it waits for its vote, or once it has one.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.arena.requests import NATIVE, OPENED_BY
from app.arena.transitions import OPENING
from app.batch.chain import CallRecord, Part
from app.batch.prompts import answers_of
from app.batch.rendering.renderer import Renderer, RenderItem
from app.batch.requests import OptionsOf, options_with
from app.batch.runs import Run, calls_in
from app.batch.spec import RunSpec, seed_of
from app.battle.battle import Pair, Side, Status
from app.database.database import Database
from app.errors import InvalidInput
from app.hosts.options import as_sent
from app.leaks.policy import Policy, is_leaked, mark_of
from app.leaks.scanner import Scanner
from app.records import statements
from app.records.batch_tables import batch_jobs
from app.records.identity import ModelIdentity, Provenance
from app.records.rows import battle_row
from app.records.saving import save
from app.records.tables import battles
from app.records.values import AnswerRecord, NewBattle, RoundRecord
from app.records.votes import BATCH

LOT = 50
"""Jobs that are looked at together."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """Two answers that can be compared: the job, the stage, and the parts in the order in which they enter."""

    n: int
    stage: int
    first: Part
    second: Part


@dataclass(slots=True)
class Comparing:
    """Makes battles of a run's pairs; ``secret`` makes ids that nobody can guess, ``rng`` draws pairs and sides."""

    database: Database
    run: Run
    stage: int
    secret: bytes
    policy: Policy
    options_of: OptionsOf
    now: datetime
    rng: random.Random

    async def open(self, count: int) -> list[str]:
        """Put up to ``count`` battles there, one for each of so many jobs; their ids.

        Raises:
            Unavailable: the database does not answer, or templates can't be rendered now.
        """
        numbers = await self.database.read(self._done_jobs)
        self.rng.shuffle(numbers)
        renderer = Renderer(self.run.spec)
        opened: list[str] = []
        try:
            for start in range(0, len(numbers), LOT):
                if len(opened) >= count:
                    break
                opened += await self._open_of(numbers[start : start + LOT], count - len(opened), renderer)
        finally:
            await renderer.aclose()
        return opened

    def _done_jobs(self, connection: Connection) -> list[int]:
        columns = batch_jobs.c
        query = sa.select(columns.n).where(columns.run_id == self.run.id, columns.status == "done").order_by(columns.n)
        return list(connection.execute(query).scalars())

    async def _open_of(self, numbers: Sequence[int], count: int, renderer: Renderer) -> list[str]:
        calls = await self.database.read(lambda connection: calls_in(connection, self.run.id, numbers))
        ids: list[str] = []
        for n in numbers:
            pairs = list(pairs_of(self.run.spec, n, self.stage, calls.get(n, {})))
            self.rng.shuffle(pairs)
            for pair in pairs:
                name = await self._free_id(pair)
                if name is not None:
                    await self._store(name, self._with_sides_drawn(pair), calls[n], renderer)
                    ids.append(name)
                    break
            if len(ids) >= count:
                break
        return ids

    def _with_sides_drawn(self, pair: Comparable) -> Comparable:
        """The pair with its sides drawn: who enters first opens on side a."""
        if self.rng.random() < 0.5:
            return pair
        return Comparable(pair.n, pair.stage, pair.second, pair.first)

    async def _free_id(self, pair: Comparable) -> str | None:
        """The id of the pair's next battle; None while one waits for its vote, or when one has it."""
        attempt = 0
        while True:
            name = self._id(pair, attempt)
            found = sa.select(battles.c.status).where(battles.c.id == name)
            status = await self.database.read(lambda connection: connection.execute(found).scalar())  # noqa: B023
            if status is None:
                return name
            if status in (Status.RUNNING.value, Status.FINISHED.value):
                return None
            attempt += 1  # nobody voted in time

    def _id(self, pair: Comparable, attempt: int) -> str:
        named = f"compare:{self.run.id}:{pair.n}:{pair.first}:{pair.second}:{attempt}"
        return hmac.new(self.secret, named.encode(), "sha256").hexdigest()[:32]

    async def _store(self, name: str, pair: Comparable, calls: dict[Part, CallRecord], renderer: Renderer) -> None:
        prompt, system, custom_id = await self._asked(pair, calls, renderer)
        both = (pair.first, pair.second)
        answers = [
            self._answer(custom_id, part, calls[part], (prompt, system), entry) for entry, part in enumerate(both)
        ]
        new = NewBattle(
            id=name,
            message=prompt,
            contestants=tuple(calls[part].model for part in both),
            system=system or None,
            options={OPENED_BY: NATIVE, BATCH: {"run": self.run.id, "job": pair.n, "stage": pair.stage}},
        )
        opened = self.now - 2 * OPENING
        shown = RoundRecord(1, Pair(0, 1), ready=True)

        def work(connection: Connection) -> None:
            connection.execute(statements.open_battle(connection), battle_row(new, opened))
            save(connection, name, answers, (shown,), self.now)

        await self.database.transaction(work)

    async def _asked(self, pair: Comparable, calls: dict[Part, CallRecord], renderer: Renderer) -> tuple[str, str, str]:
        """The prompt and the system prompt of the stage, rendered again, and the job's id."""
        columns, spec = batch_jobs.c, self.run.spec
        query = sa.select(columns.custom_id, columns.fields).where(columns.run_id == self.run.id, columns.n == pair.n)
        job = await self.database.read(lambda connection: connection.execute(query).one())
        earlier = {spec.stages[need].name: answers_of(calls, need) for need in spec.stages[pair.stage].needs}
        (reply,) = await renderer.replies([RenderItem(pair.stage, job.custom_id, job.fields, earlier)])
        if reply.error:
            raise InvalidInput(f"job {job.custom_id!r}: its prompt can't be rendered: {reply.why or reply.error}")
        return reply.prompt, reply.system, job.custom_id

    def _answer(self, custom_id: str, part: Part, call: CallRecord, asked: tuple[str, str], entry: int) -> AnswerRecord:
        """The stored answer as a battle's, read by the guard as one that is being written is."""
        spec, (stage, number) = self.run.spec, part
        scanner = Scanner(call.model, asked, masking=self.policy == "mask")
        text = scanner.feed(call.text) + scanner.finish()
        mark = mark_of(self.policy, scanner.leaks[0], exposed=scanner.exposed) if scanner.leaks else ""
        seed = seed_of(spec, custom_id, stage, number)
        options = options_with(self.options_of(call.model), spec.stages[stage].options, seed)
        who = ModelIdentity(call.model, call.digest, "", as_sent(options))
        return AnswerRecord(
            entry=entry,
            model=call.model,
            host=call.host or None,
            text=text,
            finish_reason="length" if call.finish_reason == "length" else "stop",
            side=(Side.A, Side.B)[entry],
            asked=Provenance(who, asked[1] or None),
            leaked=is_leaked(mark),
            leak=mark or None,
        )


def stage_to_compare(spec: RunSpec, name: str | None) -> int:
    """The number of the stage whose answers are compared: the one that is named, else the last of several models.

    Raises:
        InvalidInput: there is none, or it has one model only.
    """
    several = [number for number, stage in enumerate(spec.stages) if len(stage.models) > 1]
    names = ", ".join(spec.stages[number].name for number in several)
    if not several:
        raise InvalidInput('no stage of this run has several models; give one models = ["…", "…"] to compare them')
    if name is None:
        return several[-1]
    found = next((number for number in several if spec.stages[number].name == name), None)
    if found is None:
        raise InvalidInput(f"--stage: {name!r} is no stage with several models; there is {names}")
    return found


def pairs_of(spec: RunSpec, n: int, stage: int, calls: dict[Part, CallRecord]) -> Iterator[Comparable]:
    """The answers of one job and stage by different models, two by two; what comes from the cache is never rated."""
    done = [
        part
        for part, call in sorted(calls.items())
        if part[0] == stage and call.status == "done" and not call.cached and call.text.strip()
    ]
    for first, second in combinations(done, 2):
        if spec.stages[stage].model_of(first[1]) != spec.stages[stage].model_of(second[1]):
            yield Comparable(n, stage, first, second)
