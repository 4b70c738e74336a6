"""What a large public data set costs: ``python -m benchmarks.imports [votes]`` (1,670,000 unless told otherwise).

A file of so many votes on 129 models in 3,460 pairs is made up, as narrow as published ones are (models, winner and
language). The commands ``arena import`` and ``arena board`` read it into a SQLite file and make boards of it, each in a
process of its own: wall clock, CPU of all its threads and peak of resident memory are told by the system. Goals: an
import in 120 s and 300 bytes a vote, a board in 10 s and 300 MB.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

MODELS, PAIRS = 129, 3_460
LANGUAGES = ("English", "Chinese", "Russian", "German", "Japanese", "French", "Spanish", "Portuguese", "unknown")
WINNERS = ("model_a", "model_b", "tie", "tie (bothbad)")
BOARDS = ((), ("--language", "de", "--both-bad", "tie"))


def write_votes(file: Path, votes: int) -> int:
    """Make up so many votes, one JSON object a line; returns the size in bytes."""
    seeded = random.Random(7)
    names = [f"maker-{number % 17}/model-{number:03}-instruct" for number in range(MODELS)]
    pairs = [seeded.sample(names, 2) for _ in range(PAIRS)]
    lines = [
        f'{{"model_a": "{a}", "model_b": "{b}", "winner": "{winner}", "language": "{language}"}}\n'
        for a, b in pairs
        for winner in WINNERS
        for language in LANGUAGES
    ]
    weights = [seeded.random() * (4 if '"English"' in line else 1) for line in lines]
    with file.open("w") as sink:
        for start in range(0, votes, 100_000):
            sink.writelines(seeded.choices(lines, weights, k=min(100_000, votes - start)))
    return file.stat().st_size


def arena(folder: Path, *words: str) -> bytes:
    """Run a command of the arena and print what it took; returns what it says."""
    known = os.environ | {"DATABASE_URL": f"sqlite:///{folder}/arena.db", "ARENA_DATA_DIR": str(folder)}
    began = perf_counter()
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen([sys.executable, "-m", "app.cli", *words], env=known, stdout=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = perf_counter() - began
        said.seek(0)
        printed = said.read()
    if status:
        raise SystemExit(f"arena {words[0]} failed")
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    shown = " ".join(Path(word).name for word in words)
    print(f"{shown:<50} {wall:>7.1f} s  CPU {cpu:>6.1f} s  {peak:>6.1f} MB", flush=True)
    return printed


def main(votes: int) -> None:
    """Print a line for each step."""
    with tempfile.TemporaryDirectory(prefix="arena-imports-") as name:
        folder = Path(name)
        file = folder / "votes.jsonl"
        size = write_votes(file, votes)
        for _ in range(2):
            print(arena(folder, "import", str(file)).decode().strip())
        stored = sum(part.stat().st_size for part in folder.glob("arena.db*"))
        print(f"{size / votes:.0f} bytes a vote in the file, {stored / votes:.0f} in SQLite", flush=True)
        for how in BOARDS:
            arena(folder, "board", "--json", *how)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("votes", type=int, nargs="?", default=1_670_000)
    main(parser.parse_args().votes)
