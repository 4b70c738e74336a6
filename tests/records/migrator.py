"""A process that migrates: ``python -m tests.records.migrator URL``, begun by a line on its input."""

from __future__ import annotations

import asyncio
import sys

from app.database.database import head, migrate


def main(url: str) -> None:
    head()  # so that all the imports are done
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{asyncio.run(migrate(url))}\n")


if __name__ == "__main__":
    main(sys.argv[1])
