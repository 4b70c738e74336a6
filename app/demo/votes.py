"""Who votes in the demo: a key on the keyboard, or the program itself."""

from __future__ import annotations

import asyncio
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from app.battle.battle import Side, Verdict
from app.battle.events import Snapshot

Voter = Callable[[Snapshot], Awaitable[Verdict]]

KEYS = {"a": Verdict.A, "b": Verdict.B, "t": Verdict.TIE, "n": Verdict.BOTH_BAD}


async def by_itself(snapshot: Snapshot) -> Verdict:
    """Prefer the longer answer: as good a reason as any between simulated models."""
    lengths = {side: len(snapshot.sides[side].text) for side in Side}
    if lengths[Side.A] == lengths[Side.B]:
        return Verdict.TIE
    return Verdict.A if lengths[Side.A] > lengths[Side.B] else Verdict.B


class Keyboard:
    """Waits for one of the keys a, b, t (tie), n (neither)."""

    async def __call__(self, _: Snapshot) -> Verdict:
        """The verdict of the next key that is one."""
        loop = asyncio.get_running_loop()
        pressed: asyncio.Queue[str] = asyncio.Queue()
        with _single_keys():
            loop.add_reader(sys.stdin, lambda: pressed.put_nowait(sys.stdin.read(1)))
            try:
                while (verdict := KEYS.get((await pressed.get()).lower())) is None:
                    continue
            finally:
                loop.remove_reader(sys.stdin)
        return verdict


@contextmanager
def _single_keys() -> Generator[None]:
    """Let the terminal give each key at once; Ctrl-C still works."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
