"""``arena cache``: the answers that may be given again; docs/batch.md."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from app.cli.folder import settings_with_records
from app.cli.json_output import write_json
from app.cli.records import on_database

if TYPE_CHECKING:
    from app.database.database import Database
    from app.records.answer_cache import AnswerCache, ScopeSize
    from app.settings.settings import Settings

cache = typer.Typer(help="Answers that may be given again to whoever asked for them.", no_args_is_help=True)

Key = Annotated[str | None, typer.Option("--key", help="Only those of this key of /v1 (local: the machine's own).")]
Model = Annotated[str | None, typer.Option(help="Only those of this model.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]


@cache.command()
def stats(as_json: AsJson = False) -> None:
    """Show how many answers each key has in the cache, and how large they are."""
    settings = settings_with_records()

    async def work(database: Database) -> list[ScopeSize]:
        return await _cache(settings, database).sizes()

    found = on_database(settings, work)
    if as_json:
        body = {"limit_bytes": settings.arena_cache_bytes, "ttl_s": settings.arena_cache_ttl.total_seconds()}
        write_json(orjson.dumps(body | {"keys": found}, option=orjson.OPT_INDENT_2))
        return
    for scope in found:
        _say(
            f"{scope.scope:<24} {scope.answers:>8} answers {scope.bytes / 1e6:>9.1f} MB, since {scope.oldest:%Y-%m-%d}"
        )
    used = sum(scope.bytes for scope in found) / 1e6
    _say(f"{used:.1f} of {settings.arena_cache_bytes / 1e6:.0f} MB (ARENA_CACHE_BYTES)")


@cache.command()
def clear(key: Key = None, model: Model = None) -> None:
    """Forget the answers, or those of a key or of a model; they are asked for anew."""
    settings = settings_with_records()

    async def work(database: Database) -> int:
        return await _cache(settings, database).clear(key, model)

    _say(f"{on_database(settings, work)} answers forgotten")


def _cache(settings: Settings, database: Database) -> AnswerCache:
    from app.records.answer_cache import AnswerCache
    from app.records.ledger import utc_now

    return AnswerCache(database, utc_now, settings.arena_cache_bytes, settings.arena_cache_ttl)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
