"""``make stress-test``: the whole suite several times beside busy processes on all cores; no test may mind."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = (
    "import os, sys\nos.nice(int(sys.argv[1]))\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"
)
SUITE = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "-q")


@contextmanager
def busy(processes: int, niceness: int) -> Iterator[None]:
    """Processes that do nothing but work, until the block ends; they end with this process, too."""
    command = [sys.executable, "-c", BUSY, str(niceness)]
    working = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in working:
            process.kill()
            process.wait()


def main() -> int:
    """Run the suite; ends with 1 if a run had a failure, after all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often the suite is run")
    parser.add_argument("--busy", type=int, default=2, help="busy processes for each core")
    parser.add_argument("--nice", type=int, default=5, help="their niceness")
    chosen, more = parser.parse_known_args()
    with busy(chosen.busy * (os.cpu_count() or 1), chosen.nice):
        statuses = [subprocess.run([sys.executable, *SUITE, *more]).returncode for _ in range(chosen.times)]
    sys.stdout.write(f"{statuses.count(0)} of {chosen.times} runs had no failure\n")
    return int(any(statuses))


if __name__ == "__main__":
    raise SystemExit(main())
