"""An arena process in small, for tests that kill it: it enters ``embedded_redis`` and tells what it got.

``python -m tests.redis.embedded_process FOLDER keep|drop [fork]`` prints one line of JSON at once and one for each
line it reads; it ends when its input does. With ``fork`` it first forks a child that does nothing for a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from app.redis.embedded.server import embedded_redis


def _fork_a_sleeper() -> int:
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    return child


async def _main(folder: Path, keep: bool, fork: bool) -> None:
    async with embedded_redis(folder, keep=keep) as server:
        child = _fork_a_sleeper() if fork else None
        while True:
            sys.stdout.write(json.dumps({"url": server.url, "owner": server.owner, "child": child}) + "\n")
            sys.stdout.flush()
            if not await asyncio.to_thread(sys.stdin.readline):
                return


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2] == "keep", "fork" in sys.argv))
