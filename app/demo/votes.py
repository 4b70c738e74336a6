"""Who votes in the demo: a key on the keyboard, or the program itself."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from app.battle.battle import Side, Verdict
from app.battle.events import Snapshot

Voter = Callable[[Snapshot], Awaitable[Verdict]]

KEYS = {"a": Verdict.A, "b": Verdict.B, "t": Verdict.TIE, "n": Verdict.BOTH_BAD}


_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
"""What a terminal sends for keys without a character, such as arrows: ECMA-48's CSI and SS3 sequences."""


def keys_in(sent: str) -> str:
    """The characters that were typed; an arrow key is none, though its sequence ends with a letter."""
    return _ESCAPE_SEQUENCE.sub("", sent)


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
        terminal = sys.stdin.fileno()

        def read() -> None:
            # Unbuffered, so that an escape sequence comes whole: a buffered read would leave its letter for later.
            for key in keys_in(os.read(terminal, 1024).decode(errors="replace")):
                pressed.put_nowait(key)

        with _single_keys():
            loop.add_reader(terminal, read)
            try:
                while (verdict := KEYS.get((await pressed.get()).lower())) is None:
                    continue
            finally:
                loop.remove_reader(terminal)
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
