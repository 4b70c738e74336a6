"""``arena restore``: a backup becomes the database of an arena that is empty."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.folder import settings_for_new_records
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.settings.settings import Settings

_KEYS = "arena:" + "*"

OtherSecret = Annotated[
    bool,
    typer.Option("--other-secret", help="Take a backup made with another ARENA_SECRET: its voters count as new ones."),
]


def restore(
    file: Annotated[Path, typer.Argument(help="What arena backup has written.")], other_secret: OtherSecret = False
) -> None:
    """Make the database from a backup; it and Redis must be empty. The file is for its owner only.

    Redis must be empty, for battles of another time would go on in it that this database does not have.
    """
    from app.database.address import database_url
    from app.records.restore import restore_backup
    from app.records.voters import secret_mark, secret_of

    settings = settings_for_new_records()
    _refuse_full_redis(settings)
    url = database_url(settings)
    schema = restore_backup(file, url, secret_mark(secret_of(settings)), other_secret=other_secret)
    sys.stdout.write(f"The database is restored, at schema {schema}. Run arena migrate, then arena doctor.\n")


def _refuse_full_redis(settings: Settings) -> None:
    if not settings.redis_address:
        folder = settings.arena_data_dir / "redis" / "data"
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigurationError(
                f"the arena's own Redis has kept data ({folder.resolve()}); end all its processes and move "
                f"{folder.parent.resolve()} away"
            )
    elif asyncio.run(_has_battles(settings.redis_address)):
        raise ConfigurationError(
            "REDIS_URL: this Redis has keys of an arena; give the restored one an empty database of its own, "
            "or end all processes of the arena and delete them"
        )


async def _has_battles(url: str) -> bool:
    """Whether an arena uses this Redis.

    Raises:
        ConfigurationError: it refuses us.
        Unavailable: it does not answer.
    """
    from app.redis.client import check_redis, commands_client

    client = commands_client(url)
    try:
        await check_redis(client)
        async for _ in client.scan_iter(match=_KEYS, count=1000):
            return True
        return False
    finally:
        await client.aclose()
