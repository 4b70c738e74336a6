"""What the commands of ``arena batch`` are given: files, and runs by their ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, InvalidInput, NotFound

if TYPE_CHECKING:
    from app.batch.runs import Run, RunRecords
    from app.batch.spec import RunSpec
    from app.database.database import Database


def spec_and_jobs(run_file: Path, jobs: Path | None, *, cache: bool = False) -> tuple[RunSpec, Path]:
    """What is to be run: a run file with its jobs, or a file of OpenAI's batch lines.

    ``cache`` turns the run's cache on where its file does not.

    Raises:
        InvalidInput: one line that names the file, the field and the remedy.
        ConfigurationError: a file can't be read.
    """
    from app.batch.jobs_file import begins_with_chat
    from app.batch.run_file import read_run
    from app.batch.spec import CHAT_STAGE, RunSpec

    try:
        if jobs is None:
            with run_file.open("rb") as lines:
                first = next((line for line in lines if line.strip()), b"")
            if not begins_with_chat(first):
                raise InvalidInput(f"{run_file}: give the jobs as well: arena batch run {run_file} JOBS.jsonl")
            return RunSpec(run_file.stem, (CHAT_STAGE,), cache=cache), run_file
        text = run_file.read_text(encoding="utf-8-sig")
        with jobs.open("rb"):
            pass
    except UnicodeDecodeError:
        raise InvalidInput(f"{run_file} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{error.filename} can't be read: {error.strerror}") from None
    try:
        spec = read_run(text, run_file.stem)
        return replace(spec, cache=spec.cache or cache), jobs
    except InvalidInput as error:
        raise InvalidInput(f"{run_file}: {error.sentence}", field=error.field) from None


def records_on(database: Database) -> RunRecords:
    """The runs of a database."""
    from app.batch.runs import RunRecords
    from app.records.ledger import utc_now

    return RunRecords(database, utc_now)


def hours_of(given: str | None) -> str | None:
    """The hours that --between names."""
    from app.batch.hours import hours_form

    return None if given is None else hours_form(given, "--between")


def failures_of(given: str | None) -> str | None:
    """How many failures --max-failures allows."""
    from app.batch.run_file import failures_form

    return None if given is None else failures_form(given, "--max-failures")


async def find(records: RunRecords, run: str) -> Run:
    """The run whose id begins so; the newest one without an id.

    Raises:
        InvalidInput: several begin so.
        NotFound: none does.
    """
    found = [one for one in await records.runs(limit=1000) if one.id.startswith(run)]
    if not found:
        raise NotFound(f"there is no run {run!r}; arena batch list shows those that there are")
    if run and len(found) > 1:
        raise InvalidInput(f"{len(found)} runs begin with {run!r}; write more of the id")
    return found[0]
