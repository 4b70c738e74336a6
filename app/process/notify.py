"""Reports the state of the service to systemd: started, alive, about to end (``Type=notify``; sd_notify(3)).

A datagram goes to the socket that ``NOTIFY_SOCKET`` names; a name that begins with ``@`` is an abstract one. Without
that variable nobody asked, and nothing is sent. ``WATCHDOG_USEC`` is how long systemd waits for a sign of life.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notifier:
    """The way to the service manager; without an ``address`` there is none, without ``watchdog_s`` nobody waits."""

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier:
        """What the environment says; a watchdog that is meant for another process is not ours."""
        microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        watched = microseconds.isdigit() and int(microseconds) > 0 and pid in ("", str(os.getpid()))
        return cls(environment.get("NOTIFY_SOCKET", ""), int(microseconds) / 1e6 if watched else None)

    @property
    def alive_every_s(self) -> float | None:
        """How often a sign of life is due: three times as often as it is waited for."""
        return None if self.watchdog_s is None or not self.address else self.watchdog_s / 3

    def ready(self) -> None:
        """It serves."""
        self._send("READY=1")

    def alive(self) -> None:
        """It works; systemd restarts it when that was not said for too long."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It is about to end."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self.address:
            return
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(state.encode(), name)
        except OSError as error:  # the service goes on; systemd acts as if nothing was said
            log.warning("service_manager_not_told", state=state, reason=str(error))
