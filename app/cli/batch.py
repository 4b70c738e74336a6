"""``arena batch``: runs of many jobs, beside battles and after them; docs/batch.md."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from app.cli.batch_files import failures_of, find, hours_of, records_on, spec_and_jobs
from app.cli.folder import load_settings, settings_with_records
from app.cli.json_output import write_json
from app.cli.records import on_database
from app.errors import Conflict, InvalidInput
from app.files import to_disk, written

if TYPE_CHECKING:
    from app.batch.runs import Run, StageSums
    from app.database.database import Database
    from app.settings.settings import Settings

batch = typer.Typer(help="Runs of many jobs, each a chain of prompts over several models.", no_args_is_help=True)

RunFile = Annotated[Path, typer.Argument(help="The run file (TOML), or a file of OpenAI's batch lines by itself.")]
JobsFile = Annotated[Path | None, typer.Argument(help="The jobs: JSON lines with a custom_id and fields.")]
RunId = Annotated[str, typer.Argument(help="A run's id, or its beginning; without one the newest.")]
Between = Annotated[str | None, typer.Option(help="Hours of the day to work in: 22:00-07:00.")]
Failures = Annotated[str | None, typer.Option("--max-failures", help="Stop after so many failed jobs: 20 or 5%.")]
Cache = Annotated[bool, typer.Option("--cache", help="Take answers that are there already, as cache = true does.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")]
Folder = Annotated[Path | None, typer.Option("--output", "-o", help="A folder; else one in ARENA_DATA_DIR.")]
_STANDARD = Path("-")


@batch.command()
def check(run_file: RunFile, jobs: JobsFile = None) -> None:
    """Check a run and its jobs, and say what would be done; nothing is stored or generated."""
    from app.batch.submission import RunProblems
    from app.cli.batch_check import say_what_would_be_done

    settings = load_settings()
    spec, file = spec_and_jobs(run_file, jobs)
    try:
        asyncio.run(say_what_would_be_done(settings, spec, file))
    except RunProblems as problems:
        for problem in problems.problems:
            sys.stderr.write(f"arena: {problem}\n")
        raise typer.Exit(2) from None


@batch.command("run")
def run_(
    run_file: RunFile,
    jobs: JobsFile = None,
    between: Between = None,
    max_failures: Failures = None,
    cache: Cache = False,
) -> None:
    """Work a run off in this terminal. Ctrl-C stops it cleanly; the same command goes on where it was."""
    from app.cli.batch_running import run_here

    settings = load_settings()
    spec, file = spec_and_jobs(run_file, jobs, cache=cache)
    raise typer.Exit(run_here(settings, spec, file, hours_of(between), failures_of(max_failures)))


@batch.command()
def submit(
    run_file: RunFile,
    jobs: JobsFile = None,
    between: Between = None,
    max_failures: Failures = None,
    cache: Cache = False,
) -> None:
    """Hand a run in; the service (arena serve) works it off."""
    from app.batch.submission import Limits, hand_in
    from app.batch.submission import check as check_run
    from app.process.batch import chat_of_settings

    settings = load_settings()
    spec, file = spec_and_jobs(run_file, jobs, cache=cache)

    async def work(database: Database) -> Run:
        records = records_on(database)
        with file.open("rb") as lines:
            checked = await check_run(spec, lines, chat_of_settings(settings))
        with file.open("rb") as lines:
            limits = Limits(hours_of(between), failures_of(max_failures))
            return await hand_in(records, checked, lines, limits, foreground=False)

    run = on_database(settings, work)
    say(f"{run.id} {run.status}, {run.jobs} jobs; arena batch watch {run.id} shows how far it is")


@batch.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, as_json: AsJson = False) -> None:
    """List the newest runs."""
    from app.batch.progress import line_of, progress_of

    async def work(database: Database) -> list[tuple[Run, list[StageSums]]]:
        records = records_on(database)
        return [(run, await records.sums(run.id)) for run in await records.runs(limit=limit)]

    found = on_database(settings_with_records(), work)
    if as_json:
        write_json(orjson.dumps([summary(run, sums) for run, sums in found], option=orjson.OPT_INDENT_2))
        return
    for run, sums in found:
        line = line_of(run, progress_of(run, sums))
        say(f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.status:<9}  {line}  {run.spec.name}")
    if not found:
        say("There is no run yet; arena batch run RUN.toml JOBS.jsonl makes one.")


@batch.command()
def status(run: RunId = "", as_json: AsJson = False) -> None:
    """Show how far a run is: its jobs, its stages, what it waits for."""
    from app.batch.progress import line_of, progress_of

    async def work(database: Database) -> tuple[Run, list[StageSums]]:
        records = records_on(database)
        found = await find(records, run)
        return found, await records.sums(found.id)

    found, sums = on_database(settings_with_records(), work)
    if as_json:
        write_json(orjson.dumps(summary(found, sums), option=orjson.OPT_INDENT_2))
        return
    say(f"{found.id} {found.status}: {line_of(found, progress_of(found, sums))}")
    for stage in sums:
        spec = found.spec.stages[stage.stage]
        say(
            f"  {spec.name:<16} {', '.join(spec.models):<32} {stage.done:>7} done {stage.failed:>5} failed "
            f"{stage.skipped:>5} skipped {stage.tokens:>9} tokens"
        )


@batch.command()
def watch(run: RunId = "") -> None:
    """Follow a run until it ends."""
    from app.cli.batch_running import follow

    async def work(database: Database) -> int:
        records = records_on(database)
        return await follow(records, (await find(records, run)).id)

    raise typer.Exit(on_database(settings_with_records(), work))


@batch.command()
def cancel(run: RunId = "") -> None:
    """End a run; what is done stays, and running calls are cut off."""
    _moved(run, ("loading", "queued", "running", "paused"), "cancelled")


@batch.command()
def pause(run: RunId = "") -> None:
    """Let a run rest until it is resumed."""
    _moved(run, ("queued", "running"), "paused")


@batch.command()
def resume(run: RunId = "") -> None:
    """Let a run that was paused, cancelled or stopped go on, in the background."""

    async def work(database: Database) -> Run:
        records = records_on(database)
        found = await find(records, run)
        await records.go_on(found.id, foreground=False, between=None, max_failures=None)
        return await records.run(found.id)

    found = on_database(settings_with_records(), work)
    say(f"{found.id} {found.status}")


@batch.command()
def retry(
    run: RunId = "", failed: Annotated[bool, typer.Option("--failed", help="What failed; must be given.")] = False
) -> None:
    """Do the failed jobs of a run again, in the background; what is done stays."""
    if not failed:
        raise InvalidInput("--failed: what is done is never done again; arena batch retry --failed repeats the rest")

    async def work(database: Database) -> tuple[Run, int]:
        records = records_on(database)
        found = await find(records, run)
        return found, await records.retry_failed(found.id)

    found, count = on_database(settings_with_records(), work)
    say(f"{found.id}: {count} jobs are done again" if count else f"{found.id}: no job has failed")


@batch.command()
def results(
    run: RunId = "",
    form: Annotated[Literal["jsonl", "csv", "openai"], typer.Option("--format")] = "jsonl",
    output: Output = _STANDARD,
) -> None:
    """Write what came of a run, in the order of its jobs; also while it goes on."""
    from app.batch.results import written as result_pieces

    async def work(database: Database) -> None:
        found = await find(records_on(database), run)
        with _sink(output) as sink:
            async with aclosing(result_pieces(database, found, form)) as pieces:
                async for piece in pieces:
                    sink(piece)

    on_database(settings_with_records(), work)


@batch.command()
def compare(
    run: RunId = "",
    stage: Annotated[str | None, typer.Option(help="A stage with several models; else the last one.")] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many pairs, each of another job.")] = 20,
    url: Annotated[str, typer.Option(help="Where the arena is served.")] = "http://127.0.0.1:8000",
    votes: Annotated[bool, typer.Option("--tally", help="Show the votes instead.")] = False,
) -> None:
    """Let people vote blind on pairs of a run's answers; prints a link for each."""
    from app.cli.batch_compare import open_battles, tally

    settings = settings_with_records()
    if votes:
        tally(settings, run)
    else:
        open_battles(settings, run, stage, count, url)


@batch.command()
def report(run: RunId = "", output: Folder = None) -> None:
    """Write a run's report: report.md, report.json, and progress.png if matplotlib is installed (extra plot)."""
    from app.batch.reading import figures_of
    from app.cli.batch_report import write_report

    settings = settings_with_records()

    async def work(database: Database) -> list[Path]:
        records = records_on(database)
        found = await find(records, run)
        return write_report(await figures_of(database, records, found.id), output or report_folder(settings, found.id))

    for file in on_database(settings, work):
        say(str(file))


def report_folder(settings: Settings, run: str) -> Path:
    """Where a run's report is put unless somebody says otherwise."""
    return settings.arena_data_dir / "batch" / run


@contextmanager
def _sink(output: Path) -> Iterator[Callable[[bytes], object]]:
    if output == _STANDARD:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    with written(output) as file:
        yield file.write
        to_disk(file)


def summary(run: Run, sums: list[StageSums]) -> dict[str, object]:
    """A run as JSON."""
    from app.batch.progress import summary_of

    return summary_of(run, sums)


def _moved(run: str, origins: tuple[str, ...], target: Literal["paused", "cancelled"]) -> None:
    async def work(database: Database) -> Run:
        records = records_on(database)
        found = await find(records, run)
        if not await records.move(found.id, origins, target):  # type: ignore[arg-type]
            raise Conflict(f"{found.id} is {found.status}: it can't be {target}")
        return found

    found = on_database(settings_with_records(), work)
    say(f"{found.id} {target}")


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
