"""``/v1/files`` of OpenAI's API, as far as its Batch API needs them: what is uploaded, and what batches have made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.batch.files import BatchFile
from app.batch.openai_batches import OpenAiBatch, outputs_until
from app.batch.outputs import error_lines, forget_outputs, output_lines
from app.errors import Conflict, InvalidInput, NotFound
from app.web.openai.callers import Known
from app.web.shared.answering import DocumentedRoute
from app.web.shared.event_stream import STREAM_HEADERS
from app.web.shared.forms import MEDIA, FieldTexts, FormPart, announced_length, form_pieces, media_of
from app.web.shared.keys import Owner, owner_of
from app.web.shared.services import BatchServices, Wired

PIECE_BYTES = 64 * 1024
SHORTEST_S, LONGEST_S = 3600, 2_592_000
"""How long a file may be kept if its owner says so: an hour to 30 days."""
LONGEST_NAME = 255

router = APIRouter(prefix="/v1", route_class=DocumentedRoute, include_in_schema=False)

KINDS: dict[str, Literal["output_bytes", "error_bytes"]] = {"output": "output_bytes", "errors": "error_bytes"}
_MADE = {"output_bytes": output_lines, "error_bytes": error_lines}


async def v1_owner(request: Request, services: Wired, _: Known) -> Owner:
    """Whose files and batches are meant; who may not call /v1 was refused before."""
    owner = owner_of(request, services)
    assert owner is not None
    return owner


V1Owner = Annotated[Owner, Depends(v1_owner)]


@dataclass(frozen=True, slots=True)
class Made:
    """A file that a batch has made: which of the two, and how large it is."""

    batch: OpenAiBatch
    kind: Literal["output", "errors"]

    @property
    def id(self) -> str:
        """Its id, made of the batch's."""
        return f"file-{self.batch.id.removeprefix('batch_')}-{self.kind}"

    @property
    def size(self) -> int:
        """Its size; 0 when there is nothing of that kind, or it was deleted."""
        return getattr(self.batch, KINDS[self.kind]) or 0 if self.batch.is_finalized else 0

    def content(self, services: BatchServices) -> AsyncGenerator[bytes]:
        """Yield its lines."""
        return _MADE[KINDS[self.kind]](services.database, self.batch)


def made_by(batch: OpenAiBatch) -> list[Made]:
    """The files that a batch has made and that are not empty."""
    return [made for made in (Made(batch, "output"), Made(batch, "errors")) if made.size]


@router.post("/files")
async def create_file(request: Request, services: Wired, owner: V1Owner) -> dict[str, Any]:
    """Upload the lines of a batch."""
    if media_of(request) != MEDIA:
        raise InvalidInput("send the file as a form: multipart/form-data with file and purpose", field="file")
    batch = services.batch
    texts, part, name = FieldTexts(), FormPart(""), None
    async with batch.intake.upload(owner.key, announced_length(request), batch.intake.limits.lines) as spool:
        async with aclosing(form_pieces(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, FormPart):
                    part = piece
                    name = part.filename or "batch.jsonl" if part.name == "file" else name
                elif part.name == "file":
                    await spool.write(piece)
                else:
                    texts.add(part, piece)
        if texts.get("purpose") != "batch":
            raise InvalidInput("purpose must be batch: no other files are kept here", field="purpose")
        if name is None or not spool.size:
            raise InvalidInput("file is required, and may not be empty", field="file")
        keep = _kept_for(texts)
        return file_view(await batch.files.put(spool, owner.key, name[:LONGEST_NAME], keep))


def _kept_for(texts: FieldTexts) -> timedelta | None:
    """How long a file is kept: as its owner says, else until he deletes it."""
    seconds, anchor = texts.get("expires_after[seconds]"), texts.get("expires_after[anchor]")
    if seconds is None and anchor is None:
        return None
    if anchor != "created_at" or not (seconds or "").isdigit():
        raise InvalidInput("expires_after has anchor created_at and seconds", field="expires_after")
    return timedelta(seconds=checked_seconds(int(seconds or 0), "expires_after.seconds"))


def checked_seconds(seconds: int, field: str) -> int:
    """How long something is kept.

    Raises:
        InvalidInput: it is not from an hour to 30 days.
    """
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InvalidInput(f"{field} must be from {SHORTEST_S} to {LONGEST_S}", field=field)
    return seconds


@router.get("/files")
async def list_files(
    services: Wired,
    owner: V1Owner,
    purpose: str = "",
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
) -> dict[str, Any]:
    """The files that were uploaded, and those that batches have made."""
    everybody = owner.key is None
    uploaded = [file_view(file) for file in await services.batch.files.files(owner.key, everybody=everybody)]
    batches = await services.batch.openai.batches(owner.key, everybody=everybody)
    made = [made_view(one) for batch in batches for one in made_by(batch)]
    rows = [row for row in uploaded + made if purpose in ("", row["purpose"])]
    rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=order == "desc")
    return page_of(rows, after, limit)


@router.get("/files/{file_id}")
async def read_file(file_id: str, services: Wired, owner: V1Owner) -> dict[str, Any]:
    """One file, without its content."""
    file = await _file(services.batch, owner, file_id)
    return file_view(file) if isinstance(file, BatchFile) else made_view(file)


@router.get("/files/{file_id}/content")
async def read_content(file_id: str, services: Wired, owner: V1Owner) -> Response:
    """What is in a file."""
    file = await _file(services.batch, owner, file_id)
    lines = services.batch.files.content(file.id) if isinstance(file, BatchFile) else file.content(services.batch)
    return StreamingResponse(_in_pieces(lines), media_type="application/octet-stream", headers=STREAM_HEADERS)


async def _in_pieces(lines: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    held = bytearray()
    async with aclosing(lines):
        async for line in lines:
            held += line
            if len(held) >= PIECE_BYTES:
                yield bytes(held)
                held.clear()
    yield bytes(held)


@router.delete("/files/{file_id}")
async def delete_file(file_id: str, services: Wired, owner: V1Owner) -> dict[str, Any]:
    """Delete a file, for good; what a batch has made goes with its answers."""
    file = await _file(services.batch, owner, file_id)
    if isinstance(file, BatchFile):
        if await services.batch.openai.reads(file.id):
            raise Conflict("a batch of this file is being validated; delete it in a moment", code="file_in_use")
        await services.batch.files.remove(file.id)
    else:
        await forget_outputs(services.batch.database, services.batch.openai, file.batch, (KINDS[file.kind],))
    return {"id": file_id, "object": "file", "deleted": True}


async def _file(services: BatchServices, owner: Owner, file_id: str) -> BatchFile | Made:
    """A file of this owner.

    Raises:
        NotFound: there is none of that id, or it is somebody else's.
    """
    stem, _, kind = file_id.removeprefix("file-").partition("-")
    if kind:
        batch = await services.openai.batch(f"batch_{stem}")
        made = [] if batch is None or not owner.sees(batch.owner) else made_by(batch)
        found: list[BatchFile | Made] = [one for one in made if one.kind == kind]
    else:
        file = await services.files.file(file_id)
        found = [] if file is None or not owner.sees(file.owner) else [file]
    if not found:
        raise NotFound(f"No such File object: {file_id[:100]}", code="file_not_found", field="id")
    return found[0]


async def own_file(services: BatchServices, owner: Owner, file_id: str) -> BatchFile:
    """An uploaded file of this owner.

    Raises:
        NotFound: there is none of that id, or it is somebody else's, or a batch has made it.
    """
    file = await _file(services, owner, file_id)
    if not isinstance(file, BatchFile):
        raise InvalidInput("input_file_id is a file that a batch has made; upload the lines", field="input_file_id")
    return file


def file_view(file: BatchFile) -> dict[str, Any]:
    """An uploaded file as OpenAI's clients read it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": seconds_of(file.created_at),
        "expires_at": seconds_of(file.expires_at),
        "filename": file.filename,
        "purpose": "batch",
        "status": "processed",
        "status_details": None,
    }


def made_view(made: Made) -> dict[str, Any]:
    """A file that a batch has made as OpenAI's clients read it."""
    return {
        "id": made.id,
        "object": "file",
        "bytes": made.size,
        "created_at": seconds_of(made.batch.finalized_at),
        "expires_at": seconds_of(outputs_until(made.batch)),
        "filename": f"{made.batch.id}_{made.kind}.jsonl",
        "purpose": "batch_output",
        "status": "processed",
        "status_details": None,
    }


def seconds_of(moment: datetime | None) -> int | None:
    """A moment as whole Unix seconds."""
    return None if moment is None else int(moment.timestamp())


def page_of(rows: list[dict[str, Any]], after: str, limit: int) -> dict[str, Any]:
    """A page of a list: what follows the row with the id ``after``.

    Raises:
        InvalidInput: there is no such row.
    """
    if after:
        places = [place for place, row in enumerate(rows) if row["id"] == after]
        if not places:
            raise InvalidInput(f"after: there is nothing with the id {after[:100]}", field="after")
        rows = rows[places[0] + 1 :]
    page = rows[:limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": len(rows) > limit}
