"""One house for all tests that do not break it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.whole.client import open_battle, play
from tests.whole.harness import House, Instance, running_house

SHARED = "whole-house"


@dataclass(frozen=True)
class Home:
    """The shared house and two workers of it, each under an address of its own."""

    house: House
    one: Instance
    two: Instance


@pytest.fixture(scope="session")
def _shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with running_house(tmp_path_factory.mktemp("home")) as house:
        one = house.driver()
        # The second worker loses patience early, so that waiting in vain can be tested without waiting.
        two = house.start(ARENA_WAIT="0.4")
        yield Home(house, one, two)


@pytest.fixture
def home(_shared_home: Home) -> Iterator[Home]:
    """The shared house, with model servers that behave."""
    yield _shared_home
    _shared_home.house.granite.clear()
    _shared_home.house.basalt.clear()


@pytest.fixture(scope="session")
def _ended(_shared_home: Home) -> str:
    async def played() -> str:
        battle = (await open_battle(_shared_home.one.url))["battle_id"]
        await play(_shared_home.one.url, battle, ["a", "b"])
        return str(battle)

    return asyncio.run(played())


@pytest.fixture
def ended(home: Home, _ended: str) -> str:
    """A battle that was played to its end."""
    return _ended
