"""``arena config``: each setting, where its value came from, and which files were read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from app.cli.folder import load_settings
from app.cli.json_output import write_json
from app.network.addresses import shown

if TYPE_CHECKING:
    from app.settings.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]

_ADDRESSES = ("ollama_host", "redis_url", "redis_host", "database_url")
_SECRETS = ("redis_password", "arena_secret", "arena_admin_key", "arena_api_keys")


def config(as_json: AsJson = False) -> None:
    """Show each setting, where its value came from, and which files were read. Passwords and keys are left out."""
    settings = load_settings()
    rows = list(rows_of(settings))
    if as_json:
        written = {name: {"value": value, "from": source} for name, value, source in rows}
        write_json(orjson.dumps(written, option=orjson.OPT_INDENT_2))
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        sys.stdout.write(f"{name:<{width}}  {value or '(empty)'}  [{source}]\n")
    for line in _files(settings):
        sys.stdout.write(f"{line}\n")
    for ignored in settings.ignored:
        sys.stderr.write(f"arena: {ignored.setting}: {ignored.why}; {ignored.remedy}\n")


def rows_of(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Name, value as it is written in ``.env``, and source of each setting; then the tables of ``arena.toml``."""
    from app.settings.settings import source_of

    for field in type(settings).model_fields:
        if field not in ("hosts", "models", "categories", "ignored", "given"):
            yield field.upper(), _value(field, getattr(settings, field)), source_of(field.upper())
    file = str(settings.arena_config)
    for host in settings.hosts:
        limits = host.model_dump(exclude={"name", "url", "headers"}, exclude_defaults=True)
        limits |= {"headers": ",".join(host.headers)} if host.headers else {}
        parts = [shown(host.url), *(f"{name}={value}" for name, value in limits.items())]
        yield f"[[hosts]] {host.name}", " ".join(parts), file
    for model in settings.models:
        given = model.model_dump(exclude={"name"}, exclude_defaults=True)
        yield f"[[models]] {model.name}", " ".join(f"{name}={value}" for name, value in given.items()), file
    for category in settings.categories:
        yield f"[[categories]] {category.name}", f"words={','.join(category.words)}", file


def _value(field: str, value: object) -> str:
    if field in _SECRETS:
        return "(set)" if value else ""
    if field in _ADDRESSES:
        return shown(str(value)) if value else ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _files(settings: Settings) -> Iterator[str]:
    from app.settings.settings import ENV_FILE

    status = "read" if ENV_FILE.is_file() else "not there"
    yield f"\n{ENV_FILE.resolve()}: {status}"
    if settings.arena_config is not None:
        yield f"{settings.arena_config.resolve()}: read"
