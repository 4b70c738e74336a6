"""Peak memory and time of exports at two sizes: ``python -m benchmarks.export [--formats arena,dpo] [votes …]``.

Books of battles with three models and two votes each are written into a SQLite file with plain SQL; every export runs
in a process of its own, whose peak resident memory the system tells. An import of arena lines is measured likewise, at
100,000 votes or fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sqlite3
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

from app.database.database import Database, migrate
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.imports.importer import import_lines

MOST_TAKEN_BACK = 100_000
"""Votes; an import takes several times as long as an export."""

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {battles}) "
_NOW = "'2026-03-01 12:00:00.000000'"
_BOOKS = (
    "INSERT INTO contestants (id, model, digest, quantization, options, created_at) "
    "VALUES ('c0', 'm0:8b', 'sha256:0', 'Q4_K_M', '{{\"num_ctx\": 4096}}', " + _NOW + ")",
    "INSERT INTO battles (id, message, status, round, contestants, options, created_at, ended_at) "
    + _NUMBERS
    + "SELECT printf('b%08d', i), 'Why is the sky blue on day ' || i || '?', 'finished', 2, "
    f'\'["m0:8b", "m1:7b", "m2:9b"]\', \'{{{{}}}}\', {_NOW}, {_NOW} FROM n',
    "INSERT INTO answers (battle_id, entry, side, model, contestant_id, digest, quantization, options, host, text, "
    "finish_reason, attempts, ttft_s, total_s, tokens, tokens_per_s, thinking_s, cold, cached_prompt, created_at) "
    "SELECT b.id, e.column1, CASE e.column1 WHEN 0 THEN 'a' ELSE 'b' END, 'm' || e.column1 || ':8b', 'c0', 'sha256:0', "
    "'Q4_K_M', '{{\"num_ctx\": 4096, \"seed\": 7}}', 'gpu', b.id || e.column1 || '{text}', 'stop', 1, 0.25, 2.5, 120, "
    f"48.5, 0.0, 0, 0, {_NOW} FROM battles b CROSS JOIN (VALUES (0), (1), (2)) e",
    "INSERT INTO votes (battle_id, round, verdict, entry_a, entry_b, voter, created_at) "
    "SELECT b.id, r.column1, CASE abs(random()) % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'b' WHEN 2 THEN 'tie' ELSE 'both_bad' "
    f"END, 0, r.column1, '4f1e', {_NOW} FROM battles b CROSS JOIN (VALUES (1), (2)) r",
)


def write_books(folder: Path, votes: int) -> str:
    """A database with so many votes; returns its URL."""
    file = folder / f"books-{votes}.db"
    url = f"sqlite:///{file}"
    asyncio.run(migrate(url))
    connection = sqlite3.connect(file)
    for statement in _BOOKS:
        connection.execute(statement.format(battles=votes // 2, text=" Light is scattered by the air." * 16))
    connection.commit()
    connection.close()
    return url


async def export(url: str, form: Format, file: Path) -> int:
    """Export into a file; returns its size in bytes."""
    database = Database(url)
    with file.open("wb") as sink:
        async for piece in exported(database, form):
            sink.write(piece)
    await database.aclose()
    return file.stat().st_size  # noqa: ASYNC240


async def take_back(url: str, file: Path) -> int:
    """Import a file; returns the number of votes."""
    await migrate(url)
    database = Database(url)
    with file.open("rb") as lines:
        done = await import_lines(database, lines)
    await database.aclose()
    return done.added


def _child(answer: Connection, work: Callable[[], int]) -> None:
    begun = perf_counter()
    result = work()
    answer.send((result, perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measured(work: Callable[[], int]) -> tuple[int, float, float]:
    """What ``work`` returns in a fresh process, the seconds it took, and the peak of resident memory in MB."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, work))
    process.start()
    answer: tuple[int, float, float] = ours.recv()
    process.join()
    return answer


def main(sizes: list[int], forms: list[Format]) -> None:
    """Print a line for each size and format."""
    print(f"{'votes':>9}  {'what':<14} {'result':>13} {'s':>7} {'votes/s':>9} {'peak MB':>8}")
    for votes in sizes:
        with tempfile.TemporaryDirectory(prefix="arena-export-") as name:
            _measure(votes, forms, Path(name))


def _measure(votes: int, forms: list[Format], folder: Path) -> None:
    url, lines = write_books(folder, votes), folder / "votes.jsonl"
    for form in forms:
        found = measured(lambda form=form: asyncio.run(export(url, form, lines)))  # type: ignore[misc]
        _print_row(votes, f"export {form}", f"{found[0] / 1e6:.1f} MB", found)
        if form is Format.ARENA and votes <= MOST_TAKEN_BACK:
            found = measured(lambda: asyncio.run(take_back(f"sqlite:///{folder}/copy.db", lines)))
            _print_row(votes, "import arena", f"{found[0]} votes", found)


def _print_row(votes: int, what: str, result: str, found: tuple[int, float, float]) -> None:
    _, seconds, peak = found
    print(f"{votes:>9}  {what:<14} {result:>13} {seconds:>7.1f} {votes / seconds:>9.0f} {peak:>8.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("votes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--formats", default=",".join(Format))
    given = parser.parse_args()
    main(given.votes, [Format(name) for name in given.formats.split(",")])
