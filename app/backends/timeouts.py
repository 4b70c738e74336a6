"""How long a backend waits for what; every wait has its own limit because a cold load is slow and a stall is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of one model server.

    ``first_token`` covers connecting, the server's queue, a cold load and the prompt. ``load`` is a bound for loads
    that nobody else limits (the driver does: ``app.scheduling.driver.load_limit``).
    ``stall`` is the longest silence after it, ``total`` the longest answer counted from it. ``probe`` is for the
    short questions (what is loaded, what is installed, which version, unload).
    """

    connect: timedelta = timedelta(seconds=2)
    first_token: timedelta = timedelta(seconds=180)
    stall: timedelta = timedelta(seconds=20)
    total: timedelta = timedelta(seconds=300)
    probe: timedelta = timedelta(seconds=2)
    load: timedelta = timedelta(hours=24)


DEFAULT_LIMITS = Timeouts()
