"""What systemd is told, on a real socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.process.notify import Notifier
from tests.helpers import HUNG_S, PATIENCE_S
from tests.whole.harness import arena, serve


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        yield listening


def heard(manager: socket.socket, until: str) -> list[str]:
    states: list[str] = []
    while until not in states:
        states.append(manager.recv(100).decode())
    return states


@pytest.mark.parametrize("command", ["serve", "scheduler"])
def test_a_service_says_when_it_is_ready_alive_and_about_to_end(
    command: str, manager: socket.socket, tmp_path: Path
) -> None:
    settings = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "300000",
        "ARENA_DATA_DIR": str(tmp_path / "data"),
        "OLLAMA_HOST": "127.0.0.1:9",
        "ARENA_DRAIN": "0",
    }
    started = serve(tmp_path, settings) if command == "serve" else arena(tmp_path, settings, "scheduler")
    try:
        started.wait_for_line()
        states = heard(manager, "WATCHDOG=1")
        assert states[0] == "READY=1"
        started.process.send_signal(signal.SIGTERM)
        assert heard(manager, "STOPPING=1")[-1] == "STOPPING=1"
        started.process.wait(HUNG_S)
    finally:
        started.close()


def test_an_abstract_name_and_a_watchdog_of_another_process() -> None:
    name = f"\0arena-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name)
        listening.settimeout(PATIENCE_S)
        notifier = Notifier.of(
            {"NOTIFY_SOCKET": "@" + name[1:], "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}
        )
        notifier.ready()
        assert listening.recv(100) == b"READY=1"
    assert notifier.alive_every_s is None


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000000"}, {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "x"}])
def test_where_nobody_asked_nothing_is_sent(environment: dict[str, str]) -> None:
    notifier = Notifier.of(environment)
    notifier.ready()
    notifier.alive()
    assert notifier.alive_every_s is None


def test_a_manager_that_has_gone_is_no_reason_to_end(tmp_path: Path) -> None:
    with capture_logs() as logged:
        Notifier(str(tmp_path / "gone")).ready()
    assert [(line["event"], line["state"]) for line in logged] == [("service_manager_not_told", "READY=1")]
