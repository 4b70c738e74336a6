"""The batches of OpenAI's Batch API: what they were asked with, and which run each has become.

A batch is ``validating`` until its lines were checked, ``started`` once it is a run, and ``failed`` or ``cancelled`` if
it never became one. How far a started one is, its run says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Literal

import sqlalchemy as sa

from app.batch.run_statements import run_from
from app.batch.run_values import LIVE, Run
from app.database.database import Database
from app.database.repeated import RepeatedRead
from app.records.batch_tables import batch_runs, batch_stages, openai_batches

BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
WINDOW = timedelta(hours=24)
RETRIED_WITHIN = timedelta(minutes=10)
"""How long a client may take to try a call again that it got no answer to."""
_B, _Q, _S = openai_batches.c, batch_runs.c, batch_stages.c
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class OpenAiBatch:
    """A batch as SQL has it, and its run if it is one.

    ``model`` is what all its lines name, ``tokens`` how many were read and written so far.
    """

    id: str
    owner: str | None
    file_id: str
    run_id: str | None
    model: str | None
    status: str
    completion_window: str
    metadata: Mapping[str, str] | None
    errors: Sequence[Mapping[str, Any]] | None
    outputs_for_s: int | None
    created_at: datetime
    expires_at: datetime
    cancelling_at: datetime | None
    expired_at: datetime | None
    ended_at: datetime | None
    finalized_at: datetime | None
    output_bytes: int | None
    error_bytes: int | None
    run: Run | None = None
    tokens: tuple[int, int] = (0, 0)

    @property
    def is_finalized(self) -> bool:
        """Whether its files are complete: nothing was added to its run since they were measured."""
        run = self.run
        if run is None or run.status not in ENDED or self.finalized_at is None:
            return False
        return run.ended_at is None or self.finalized_at >= run.ended_at

    @property
    def shown_status(self) -> BatchStatus:
        """The status by OpenAI's names."""
        if self.status == "validating":
            return "validating" if self.cancelling_at is None else "cancelling"
        if self.status != "started":
            return "failed" if self.status == "failed" else "cancelled"
        run = self.run
        if run is None:  # it was deleted by its own id
            return "cancelled" if self.finalized_at is None or self.cancelling_at is not None else "completed"
        if not self.is_finalized:
            if self.cancelling_at is not None:
                return "cancelling"
            return "finalizing" if run.jobs_ended >= run.jobs or run.status in ENDED else "in_progress"
        if run.status == "cancelled":
            return "cancelled" if self.expired_at is None else "expired"
        return "completed"


_COLUMNS = [name for name in OpenAiBatch.__dataclass_fields__ if name not in ("run", "tokens")]


_ONLY_STAGE = sa.and_(_S.run_id == _Q.id, _S.stage == 0)
_WITH_RUNS = openai_batches.outerjoin(batch_runs, _B.run_id == _Q.id).outerjoin(batch_stages, _ONLY_STAGE)
_NOT_MEASURED = sa.or_(_B.finalized_at.is_(None), _B.finalized_at < _Q.ended_at)
_VALIDATING = _B.status == "validating"
_GOING_ON = sa.and_(_B.status == "started", _Q.status.in_(LIVE))
_LATE = sa.and_(_GOING_ON, _B.expires_at < sa.bindparam("now", type_=_B.expires_at.type))
_UNFINISHED = sa.and_(_B.status == "started", _Q.status.in_(ENDED), _NOT_MEASURED)
_OF_RUNS = openai_batches.outerjoin(batch_runs, _B.run_id == _Q.id)
_DUE = sa.select(
    sa.exists().select_from(_OF_RUNS).where(sa.or_(_VALIDATING, _UNFINISHED)),
    sa.select(sa.func.min(_B.expires_at)).select_from(_OF_RUNS).where(_GOING_ON).scalar_subquery(),
)


class OpenAiBatches:
    """The batches; ``now`` is the clock of all machines. Calls raise ``Unavailable`` while the database is."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._due = RepeatedRead(database, lambda connection: connection.execute(_DUE).one())

    async def create(
        self,
        owner: str | None,
        file_id: str,
        window: tuple[str, timedelta],
        metadata: Mapping[str, str] | None,
        outputs_for_s: int | None,
        *,
        retry: bool,
    ) -> OpenAiBatch:
        """A new batch; with ``retry`` the one that the first try has made, if it came through."""
        if retry and (made := await self._of_first_try(owner, file_id)) is not None:
            return made
        now = self._now()
        id_ = f"batch_{token_hex(12)}"
        row: dict[str, Any] = {
            "id": id_,
            "owner": owner,
            "file_id": file_id,
            "status": "validating",
            "completion_window": window[0],
        }
        row |= {"metadata": None if metadata is None else dict(metadata), "outputs_for_s": outputs_for_s}
        row |= {"created_at": now, "expires_at": now + window[1]}
        await self._write(openai_batches.insert().values(row))
        found = await self.batch(id_)
        assert found is not None
        return found

    async def _of_first_try(self, owner: str | None, file_id: str) -> OpenAiBatch | None:
        since = self._now() - RETRIED_WITHIN
        same = _B.owner.is_(None) if owner is None else _B.owner == owner
        found = await self._found(sa.and_(same, _B.file_id == file_id, _B.created_at > since))
        return found[0] if found else None

    async def batch(self, id_: str) -> OpenAiBatch | None:
        """A batch; None if there is none of that id."""
        found = await self._found(_B.id == id_)
        return found[0] if found else None

    async def batches(self, owner: str | None, *, everybody: bool) -> list[OpenAiBatch]:
        """The batches of an owner, or all, the newest first."""
        return await self._found(sa.true() if everybody else _B.owner == owner)

    async def reads(self, file_id: str) -> bool:
        """Whether a batch that is still being checked reads a file."""
        return bool(await self._found(sa.and_(_B.file_id == file_id, _B.status == "validating")))

    async def any_due(self) -> bool:
        """Whether any is validating, late or unfinished: one cheap question instead of three, every second."""
        at_once, first_late = await self._due.ask()
        return at_once or (first_late is not None and first_late < self._now())

    async def validating(self) -> list[OpenAiBatch]:
        """Those whose lines are to be checked, the oldest first."""
        return (await self._found(_VALIDATING))[::-1]

    async def late(self) -> list[OpenAiBatch]:
        """Those whose window is over, and whose runs go on."""
        return await self._found(_LATE, now=self._now())

    async def unfinished(self) -> list[OpenAiBatch]:
        """Those whose runs have ended, and whose files are not measured yet."""
        return await self._found(_UNFINISHED)

    async def outdated(self) -> list[OpenAiBatch]:
        """Those whose files have been kept for as long as they were to be."""
        found = await self._found(sa.and_(_B.outputs_for_s.is_not(None), _B.finalized_at.is_not(None)))
        now = self._now()
        return [one for one in found if (at := outputs_until(one)) is not None and at < now]

    async def change(self, id_: str, **values: Any) -> None:
        """Change columns of a batch."""
        await self._write(openai_batches.update().where(_B.id == id_).values(**values))

    async def stamp(self, id_: str, column: str) -> None:
        """Note that something happens now, unless it has before."""
        known = _B[column]
        await self._write(openai_batches.update().where(_B.id == id_, known.is_(None)).values({column: self._now()}))

    async def _found(self, where: sa.ColumnElement[bool], **values: object) -> list[OpenAiBatch]:
        query = (
            sa.select(openai_batches, batch_runs, _S.prompt_tokens, _S.tokens)
            .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
            .select_from(_WITH_RUNS)
            .where(where)
            .order_by(_B.created_at.desc(), _B.id.desc())
        )
        rows = await self._database.read(lambda connection: connection.execute(query, values).mappings().all())
        return [_batch_of(row) for row in rows]

    async def _write(self, statement: sa.Insert | sa.Update) -> None:
        await self._database.transaction(lambda connection: connection.execute(statement))


def outputs_until(batch: OpenAiBatch) -> datetime | None:
    """When the files of a batch are removed; None: never, or not known yet."""
    if batch.outputs_for_s is None or batch.finalized_at is None:
        return None
    return batch.finalized_at + timedelta(seconds=batch.outputs_for_s)


def _batch_of(row: Mapping[Any, Any]) -> OpenAiBatch:
    values = {name: row[f"openai_batches_{name}"] for name in _COLUMNS}
    run = None
    if row["batch_runs_id"] is not None:
        run = run_from({name: row[f"batch_runs_{name}"] for name in batch_runs.c.keys()})  # noqa: SIM118
    tokens = (row["batch_stages_prompt_tokens"] or 0, row["batch_stages_tokens"] or 0)
    return OpenAiBatch(**values, run=run, tokens=tokens)
