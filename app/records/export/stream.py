"""An export as a stream of bytes: for a file, a pipe or an HTTP response, in the memory of one chunk."""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.database.database import Database
from app.records.comparisons import ALWAYS, CHUNK, Period, comparisons
from app.records.export.formats import Format, Redact, as_it_is, header, lines


async def exported(
    database: Database,
    form: Format,
    *,
    redact: Redact = as_it_is,
    with_ties: bool = False,
    chunk: int = CHUNK,
    period: Period = ALWAYS,
) -> AsyncGenerator[bytes]:
    """Yield the votes of a period that stand in a format, some lines at a time.

    Raises:
        Unavailable: the database is unavailable; what was yielded is whole lines.
    """
    if begin := header(form):
        yield begin
    async with aclosing(comparisons(database, chunk, period)) as chunks:
        async for votes in chunks:
            if data := lines(form, votes, redact=redact, with_ties=with_ties):
                yield data


def redactor(secret: bytes) -> Redact:
    """Replaces a prompt by a keyed hash: equal prompts stay equal, and nobody can guess what they were."""

    def redact(prompt: str) -> str:
        hidden = hmac.new(secret, b"prompt:" + prompt.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
        return f"redacted:{hidden[:16]}"

    return redact
