"""``python -m tests.race.command --votes 10000 --database sqlite``: a long race; status 1 when the books differ."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.race.race import race


def main() -> int:
    """Run one race and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="drawn when not given")
    parser.add_argument("--kill-every", type=int, default=60, help="in so many rounds one worker is killed")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds, after which it has failed")
    parser.add_argument("--folder", type=Path, help="where data and logs stay; without it they are removed")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # so that no worker outlives the race
    _say(f"race: {given.votes} votes on {given.database}, seed {given.seed}")
    with TemporaryDirectory(prefix="arena-race-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(race(given.database, given.votes, given.seed, folder, given.limit, given.kill_every))
    _say(str(report))
    return 0 if report.clean else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
