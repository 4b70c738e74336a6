"""``arena why``: why a battle took as long as it did, from the database alone; no server and no log is needed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.folder import settings_with_records
from app.cli.records import on_database
from app.errors import NotFound

if TYPE_CHECKING:
    from app.database.database import Database


def why(battle: Annotated[str, typer.Argument(help="A battle's id; arena battles list shows them.")]) -> None:
    """Tell the story of a battle: who waited for what, on which host, for which load, and what was tried again."""
    from app.cli.why_lines import story_lines
    from app.records.ledger import Ledger
    from app.records.waits import neighbours, round_times

    async def work(database: Database) -> list[str]:
        ledger = Ledger(database)
        record = await ledger.battle(battle)
        if record is None:
            raise NotFound(f"There is no battle {battle!r}; arena battles list shows those that there are")
        answers = await ledger.answers(battle)
        beside = await neighbours(database, answers)
        return list(story_lines(record, await round_times(database, battle), answers, beside))

    for line in on_database(settings_with_records(), work):
        sys.stdout.write(f"{line}\n")
