"""A process that votes: ``python -m tests.records.voter URL VERDICT BATTLES``, begun by a line on its input.

It prints the battles in which its vote was counted, then those in which the same verdict stood already, then all
others, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from app.battle.battle import Status, Verdict
from app.database.database import Database
from app.records.ledger import Ledger
from tests.records.builders import vote


async def main(url: str, verdict: Verdict, count: int) -> None:
    database = Database(url)
    await database.ping()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    ledger = Ledger(database)
    names = [f"b{number}" for number in range(count)]
    cast = await asyncio.gather(*(vote(ledger, verdict, battle=name, outcome=Status.FINISHED) for name in names))
    results = list(zip(names, cast, strict=True))
    counted = [name for name, one in results if one.counted]
    repeated = [name for name, one in results if one.repeated]
    other = [name for name, one in results if not one.counted and not one.repeated]
    sys.stdout.write(json.dumps([counted, repeated, other]) + "\n")
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Verdict(sys.argv[2]), int(sys.argv[3])))
