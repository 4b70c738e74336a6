"""Votes of those who could read a name before they judged are marked, whichever call opened the battle."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Literal

import pytest
from redis.asyncio import Redis

from app.arena.requests import OpenRequest
from app.records.votes import NAMED, NAMES_SHOWN, names_were_known
from app.web.legacy.history import TWO_STEP, history_of
from app.web.legacy.opening import open_battle
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.services import services_with, settings_with


@dataclass
class Manager:
    """Takes requests for battles."""

    opened: list[OpenRequest] = field(default_factory=list)

    async def open(self, request: OpenRequest) -> None:
        self.opened.append(request)


@dataclass
class Contestants:
    """Two models are at hand."""

    context_of: SimpleNamespace = field(default_factory=SimpleNamespace)

    async def at_hand(self) -> tuple[str, ...]:
        return "x", "y"

    async def room_for(self, models: tuple[str, ...]) -> None:
        assert models == ("x", "y")


async def opened(reveal: Literal["end", "vote", "always"]) -> OpenRequest:
    manager, contestants = Manager(), Contestants()
    contestants.context_of = lambda model: None  # type: ignore[assignment]
    services = services_with(settings_with(arena_reveal=reveal), manager=manager, contestants=contestants)
    await open_battle(services, "Why?", None, options=TWO_STEP)
    [request] = manager.opened
    return request


async def test_a_battle_whose_names_the_older_calls_show_from_the_start_is_marked() -> None:
    assert (await opened("always")).options == {**TWO_STEP, NAMES_SHOWN: "start"}
    assert (await opened("vote")).options == TWO_STEP
    assert (await opened("end")).options == TWO_STEP


async def test_names_shown_after_each_vote_are_kept_with_the_battle(redis: Redis) -> None:
    arena = ArenaOnRedis(redis, named=True)
    shown = await arena.open()
    assert arena.ledger.battles[shown.battle_id].options == {NAMES_SHOWN: "vote"}
    from_start = await arena.manager.open(OpenRequest("Why?", ["x", "y"], 2, options={NAMES_SHOWN: "start"}))
    assert arena.ledger.battles[from_start.battle_id].options == {NAMES_SHOWN: "start"}
    blind = await ArenaOnRedis(redis).open()
    assert arena.ledger.battles.get(blind.battle_id) is None


async def test_a_mark_leaves_a_battle_one_of_two_steps(redis: Redis) -> None:
    arena = ArenaOnRedis(redis, named=True)
    shown = await arena.manager.open(OpenRequest("Why?", ["x", "y"], 2, options=TWO_STEP))
    assert history_of(shown, arena.ledger.battles[shown.battle_id], "vote").is_two_step
    other = await arena.open(2)
    assert not history_of(other, arena.ledger.battles[other.battle_id], "vote").is_two_step


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({}, [False, False]),
        ({NAMED: True}, [True, True]),
        ({NAMES_SHOWN: "start"}, [True, True]),
        ({NAMES_SHOWN: "vote"}, [False, True]),
        ({NAMES_SHOWN: "vote", NAMED: True}, [True, True]),
    ],
)
def test_who_judges_a_later_round_knows_its_champion_if_names_came_with_the_verdict(
    options: dict[str, object], known: list[bool]
) -> None:
    assert [names_were_known(options, round_number) for round_number in (1, 2)] == known
