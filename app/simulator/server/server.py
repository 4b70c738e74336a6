"""The simulated server on a port of this machine, inside the event loop that is running."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import Faults
from app.simulator.engine.machine import Machine
from app.simulator.protocol.http import HttpConnection
from app.simulator.server.listener import Listener
from app.simulator.server.routes import Application
from app.tasks import cancel_and_wait

__all__ = ["RunningSimulator", "SimulatorConfig", "running_simulator"]


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A server that answers at ``url`` and takes faults at ``control_url``; ``machine`` is what is behind both."""

    url: str
    port: int
    control_url: str
    machine: Machine

    @property
    def faults(self) -> Faults:
        """The switches; change them with ``set`` and ``clear``."""
        return self.machine.faults


@asynccontextmanager
async def running_simulator(config: SimulatorConfig | None = None) -> AsyncGenerator[RunningSimulator]:
    """Serve until the end of the block.

    Raises:
        ConfigurationError: the address can't be had.
    """
    config = config or SimulatorConfig()
    async with Machine.running(config) as machine:
        application = Application(machine, checks_host=_is_loopback(config.host))
        try:
            async with _listening(config.host, config.port, machine.faults, application) as listener:
                machine.on_down = listener.reset_all
                url = f"http://{_shown(config.host)}:{listener.port}"
                async with _control_port(config, application) as control:
                    control_url = url if control is None else f"http://{_shown(config.host)}:{control.port}"
                    yield RunningSimulator(url, listener.port, f"{control_url}/_sim", machine)
        finally:
            await application.control.aclose()


@asynccontextmanager
async def _listening(host: str, port: int, faults: Faults, application: Application) -> AsyncGenerator[Listener]:
    tasks: set[asyncio.Task[None]] = set()
    listener = Listener(host, port, faults, lambda: HttpConnection(application, tasks))
    await listener.open()
    try:
        yield listener
    finally:
        try:
            await listener.aclose()
        finally:
            await cancel_and_wait(*tasks)


@asynccontextmanager
async def _control_port(config: SimulatorConfig, application: Application) -> AsyncGenerator[Listener | None]:
    """A second port, with no faults of the wire, so that faults can always be taken back."""
    if config.control_port is None:
        yield None
        return
    async with _listening(config.host, config.control_port, Faults(), application) as listener:
        yield listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    """How a client writes the address; all addresses are reached by loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
