"""``arena migrate``, ``backup``, ``export``, ``import``, ``forget``: what ops do with the records, as it serves."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal, TypeVar, cast

import typer

from app.cli.folder import settings_for_new_records, settings_with_records
from app.errors import ConfigurationError, InvalidInput
from app.files import to_disk, written
from app.settings.times import parse_day, parse_duration

if TYPE_CHECKING:
    from io import BufferedReader

    from app.database.database import Database
    from app.records.comparisons import Period
    from app.records.imports.importer import Imported, Taking
    from app.settings.settings import Settings

T = TypeVar("T")

_STANDARD = Path("-")

Form = Annotated[
    Literal["dpo", "rlhf", "csv", "arena"],
    typer.Option("--format", help="dpo and rlhf for training, csv for tables, arena for everything."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")]
Redact = Annotated[bool, typer.Option("--redact", help="Replace prompts and system prompts by keyed hashes.")]
Ties = Annotated[bool, typer.Option("--ties", help="In dpo: two opposite pairs for a tie, of half the strength.")]
Since = Annotated[str, typer.Option(help="Only votes since a day (2026-08-31), or of so many days (30d).")]
Until = Annotated[str, typer.Option(help="Only votes until the end of a day, named in the same words.")]
Source = Annotated[
    str,
    typer.Option(help="Where these votes come from; lines without an id are counted within it. Else the file's path."),
]
BothBad = Annotated[
    Literal["keep", "tie", "drop"],
    typer.Option(help="The verdict that both are bad: kept for the board to decide, taken as a tie, or left out."),
]
NotBlind = Annotated[bool, typer.Option("--not-blind", help="Take votes of voters who saw the names (anony: false).")]
Session = Annotated[str, typer.Option(help="Erase the battles of this session, and its voter in all others.")]
Older = Annotated[str, typer.Option(help="Erase battles that were opened longer ago: 720h is 30 days.")]


def migrate(target: Annotated[str, typer.Argument(help="head, base or a revision.")] = "head") -> None:
    """Bring the database's schema to this version's; make a backup first."""
    from app.database.address import database_url
    from app.database.database import migrate as move

    at = asyncio.run(move(database_url(settings_for_new_records()), target))
    _say("The database is empty." if at is None else f"The database is at schema {at}.")


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; PostgreSQL's is one for pg_restore.")],
) -> None:
    """Write a copy of the database to a new file that only you can read, also while the arena serves."""
    from app.database.address import database_url
    from app.records.backup import back_up
    from app.records.voters import secret_mark, secret_of

    settings = settings_with_records()
    back_up(database_url(settings), file, secret_mark(secret_of(settings)))
    _say(f"The backup is in {file}.")


def export(
    form: Form = "arena",
    output: Output = _STANDARD,
    redact: Redact = False,
    ties: Ties = False,
    since: Since = "",
    until: Until = "",
) -> None:
    """Write the votes that stand, a line each; docs/export.md documents the lines."""
    from app.records.export.formats import Format, as_it_is
    from app.records.export.stream import exported, redactor
    from app.records.voters import secret_of

    settings = settings_with_records()
    shown = redactor(secret_of(settings)) if redact else as_it_is
    period = _period(since, until)

    async def work(database: Database) -> None:
        with _written(output) as sink:
            async with aclosing(
                exported(database, Format(form), redact=shown, with_ties=ties, period=period)
            ) as pieces:
                async for piece in pieces:
                    sink.write(piece)
            if output != _STANDARD:
                to_disk(sink)

    on_database(settings, work)


def _period(since: str, until: str) -> Period:
    """From the beginning of the one day to the end of the other, in UTC."""
    from app.records.comparisons import Period

    first, last = _day("--since", since), _day("--until", until)
    if first is not None and last is not None and last < first:
        raise InvalidInput(f"--until: {until!r} is before --since {since!r}; give the later day to --until")
    try:
        return Period(first, None if last is None else last + timedelta(days=1))
    except OverflowError:
        return Period(first)


def _day(option: str, text: str) -> datetime | None:
    """The beginning of a day; None without a text."""
    if not text:
        return None
    try:
        return datetime.combine(parse_day(text, datetime.now(UTC).date()), time(tzinfo=UTC))
    except ValueError as error:
        raise InvalidInput(f"{option} {error}; {text!r} is neither") from None


def import_(
    file: Annotated[Path, typer.Argument(help="JSON lines, a vote each; - is standard input.")],
    source: Source = "",
    both_bad: BothBad = "keep",
    not_blind: NotBlind = False,
) -> None:
    """Take votes of other arenas; what is there already stays as it is."""
    from app.records.imports.importer import BothBad, Taking, import_lines
    from app.records.imports.sources import is_known

    name = source or ("standard input" if file == _STANDARD else str(file.resolve()))
    taking = Taking(name, BothBad(both_bad), not_blind)

    async def work(database: Database) -> Imported:
        new = not source and file.is_file() and not await is_known(database, name)
        if new and (done := await _known_already(database, file, taking)):
            return done
        with _read(file) as lines:
            return await import_lines(database, lines, taking=taking)

    gc.disable()  # an import makes millions of values, none of which refers to itself: collecting took 40 % of its time
    _report(on_database(settings_for_new_records(), work))


async def _known_already(database: Database, file: Path, taking: Taking) -> Imported | None:
    """A warning if the same lines were imported before under another name, in any order; else None."""
    from app.records.imports.importer import contents_of
    from app.records.imports.sources import any_source, sources_of

    if not await any_source(database):
        return None  # nothing can be known, and to read the file for that takes as long as a third of the import
    with _read(file) as lines:
        contents, done = contents_of(lines, taking)
    earlier = await sources_of(database, contents) if contents else ()
    if not earlier:
        return None
    _say(f"{file} has the same lines as {' and '.join(earlier)}, which was imported before, in any order.")
    _say("If these are other votes, name their source: --source NAME.")
    return done


def _report(done: Imported) -> None:
    """Say what became of the lines; exit with 1 if some were refused."""
    known = "1 was" if done.known == 1 else f"{done.known:,} were"
    _say(f"{_were(done.added, 'vote')} added, {known} known already, {_were(done.refused, 'line')} refused.")
    if done.not_blind:
        seen = "their voters saw the names (anony: false); --not-blind takes them"
        _say(f"{_were(done.not_blind, 'vote')} left out: {seen}.")
    if done.both_bad:
        _say(f"{_were(done.both_bad, 'vote')} left out: both answers were bad.")
    if done.refused:
        shown = "\n".join(done.faults) + ("\n…" if done.refused > len(done.faults) else "")
        many = f"{done.refused:,} lines are no votes; correct them"
        what = "1 line is no vote; correct it" if done.refused == 1 else many
        raise InvalidInput(f"{what} and import the file again:\n{shown}")


def _were(count: int, noun: str) -> str:
    return f"1 {noun} was" if count == 1 else f"{count:,} {noun}s were"


def forget(session: Session = "", older_than: Older = "") -> None:
    """Erase prompts, texts and voters for good; verdicts, models and timings stay, so the ratings do not change."""
    from app.records.erasure import Forgotten, forget_older, forget_session
    from app.records.ledger import utc_now
    from app.records.voters import secret_of, voter_key

    if bool(session) == bool(older_than):
        raise InvalidInput("say whom to forget: either --session ID or --older-than 720h")
    settings = settings_with_records()

    async def work(database: Database) -> Forgotten:
        if older_than:
            return await forget_older(database, _before(older_than, utc_now()))
        return await forget_session(database, session, voter_key(secret_of(settings), "session", session))

    done = on_database(settings, work)
    _say(f"{done.battles} battles were erased, and the voter of {done.votes} votes in others.")
    if done.in_log:
        raise ConfigurationError(
            "their words are still in the database's log (arena.db-wal), since another process was reading it; run "
            "this again when its export or backup is done"
        )


def _before(older_than: str, now: datetime) -> datetime:
    try:
        age = parse_duration(older_than)
        assert isinstance(age, timedelta)
        if age < timedelta(0):
            raise ValueError("lies in the future: write how long ago")
        return now - age
    except OverflowError:
        raise InvalidInput(f"--older-than: {older_than!r} is longer than there are dates") from None
    except ValueError as error:
        raise InvalidInput(f"--older-than: {older_than!r} {error}") from None


def on_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``work`` on the configured database, whose schema must be this version's."""
    from app.database.address import database_url
    from app.database.database import Database
    from app.database.schema import ready

    async def run() -> T:
        url = database_url(settings)
        await ready(url)
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.aclose()

    return asyncio.run(run())


@contextmanager
def _written(file: Path) -> Iterator[IO[bytes]]:
    """What ``--output`` names, to be written; see ``app.files.written``.

    Raises:
        ConfigurationError: it can't be.
    """
    try:
        with _standard_output() if file == _STANDARD else written(file) as sink:
            yield sink
    except OSError as error:
        name = "standard output" if file == _STANDARD else file
        raise ConfigurationError(f"{name} can't be written ({error.strerror}); choose another with --output") from None


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it again at its end
        if not isinstance(error, BrokenPipeError):  # who reads has had enough
            raise


@contextmanager
def _read(file: Path) -> Iterator[Iterable[bytes]]:
    """The lines of a file, in UTF-8."""
    from app.records.imports.encoding import lines_of

    if file == _STANDARD:
        yield lines_of(cast("BufferedReader", sys.stdin.buffer))
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise InvalidInput(f"{file} can't be read ({error.strerror})") from None
    with source:
        yield lines_of(source)


def _say(sentence: str) -> None:
    print(sentence)  # noqa: T201 - the output of a command
