"""Settings and services of which a test gives only what it is about."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from secrets import token_bytes
from typing import Any, NoReturn

from fastapi import FastAPI

from app.hosts.roster import Roster
from app.scheduling.testing.in_memory import MemoryReports
from app.settings.settings import Settings
from app.web import application
from app.web.shared.fleet import Fleet
from app.web.shared.services import Services

ROOMS = (
    "cache",
    "completions",
    "quotas",
    "columns",
    "batch",
    "manager",
    "viewing",
    "boards",
    "contestants",
    "readiness",
    "comparisons",
    "arrivals",
)


class Absent:
    """A room that the test did not give; whatever is asked of it fails."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        raise AssertionError(f"this test has no {self._name}, and {attribute} of it was asked for")


def settings_with(**known: Any) -> Settings:
    """The settings' defaults, and ``known``; no ``.env`` file is read."""
    return Settings(**{"_env_file": None, **known})


def services_with(settings: Settings | None = None, **rooms: Any) -> Services:
    """The services that a test gives by their fields' names; the other rooms are absent."""
    given: dict[str, Any] = {name: Absent(name) for name in ROOMS}
    given |= {"secret": token_bytes(32), "fleet": fleet_without_hosts()} | rooms
    return Services(settings=settings or settings_with(), **given)


def fleet_without_hosts() -> Fleet:
    """What a test has that is not about hosts: none, and all models count as listed."""
    absent: Any = Absent("fleet")
    return Fleet((), Roster((), {}, ()), MemoryReports(), absent, absent, absent, absent, absent, absent)


def app_with(services: object) -> FastAPI:
    """The application on services that are open already; its lifespan is not run."""
    app = application.create(_opened)
    app.state.services = services
    return app


def _opened() -> AbstractAsyncContextManager[Services]:
    raise AssertionError("the services of this application are open already")
