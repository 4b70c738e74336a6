"""What tests of every room use."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Self, TypeVar, overload

T = TypeVar("T")

PATIENCE_S = 100.0
"""After this long what a test waits for has hung, however busy the machine is."""

HUNG_S = 150.0
"""After this long a process that was started has hung: on an idle machine it starts and ends in a second or two."""


TICK_S = 0.01


class MachineTime:
    """The seconds within the block in which this machine had time for us; ``seconds`` may be read at any moment.

    A thread wakes up a hundred times a second; when it is woken late, the machine was busy with other things, and what
    is beyond twice the pause does not count. On an idle machine it is the wall clock's time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, name="machine time", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        last = monotonic()
        while not self._over.wait(TICK_S):
            now = monotonic()
            self.seconds += min(now - last, 2 * TICK_S)
            last = now


def known(value: T | None) -> T:
    """The value, which must not be None."""
    assert value is not None
    return value


@overload
async def wait_until(
    predicate: Callable[[], Awaitable[T]],
    timeout: float = PATIENCE_S,  # noqa: ASYNC109
    *,
    interval: float = 0.01,
) -> T: ...


@overload
async def wait_until(
    predicate: Callable[[], T],
    timeout: float = PATIENCE_S,  # noqa: ASYNC109
    *,
    interval: float = 0.01,
) -> T: ...


async def wait_until(
    predicate: Callable[[], Any],
    timeout: float = PATIENCE_S,  # noqa: ASYNC109 - the name that callers expect; the failure names the predicate
    *,
    interval: float = 0.01,
) -> Any:
    """Return the first true answer of ``predicate`` (sync or async); fail after ``timeout`` seconds.

    The time-out is for what hangs, not a bound that a test asserts: a machine that is busy with other things may take
    many times as long as an idle one. On a loop in virtual time its seconds are virtual. An AssertionError of the
    predicate counts as "not yet", and the last one is what the test fails with.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    reason: AssertionError | None = None
    while True:
        try:
            answer = predicate()
            if inspect.isawaitable(answer):
                answer = await asyncio.wait_for(answer, max(deadline - clock(), interval))
            if answer:
                return answer
        except (AssertionError, TimeoutError) as error:
            reason = error if isinstance(error, AssertionError) else None
        if clock() > deadline:
            name = getattr(predicate, "__qualname__", repr(predicate))
            raise AssertionError(f"not true within {timeout} s: {name}") from reason
        await asyncio.sleep(interval)
