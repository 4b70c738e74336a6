"""Who can be drawn now, and which host is to hold what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from app.backends.base import BackendUnavailable
from app.backends.scripted import GeneratingBackend, ScriptedBackend
from app.errors import Unavailable
from app.hosts.host import Host
from app.hosts.roster import ASK_AGAIN, Roster, ignore

ONE, TWO, THREE = (Host(name, f"http://{name}:11434") for name in ("one", "two", "three"))
CLOUD = Host("cloud", "http://cloud:11434", fallback=True)
REFUSED = BackendUnavailable("refused")


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Asked(ScriptedBackend):
    """A server that counts its probes."""

    probes: int = 0

    async def version(self) -> str:
        self.probes += 1
        return await super().version()


@dataclass
class Fleet:
    """Hosts, what they have, and the roster that looks at them."""

    servers: dict[str, Asked]
    roster: Roster
    clock: Clock

    async def read_hosts(self) -> None:
        self.clock.now += ASK_AGAIN.total_seconds()
        await self.roster.refresh()


def fleet(having: dict[Host, tuple[str, ...]], configured: tuple[str, ...] = ()) -> Fleet:
    servers = {host.name: Asked(models=models) for host, models in having.items()}
    clock = Clock()
    return Fleet(servers, Roster(tuple(having), servers, configured, clock, on_trouble=ignore), clock)


async def test_what_the_hosts_have_can_be_drawn() -> None:
    hosts = fleet({ONE: ("a", "b"), TWO: ("b", "c")})
    await hosts.read_hosts()
    assert hosts.roster.catalog.models == ("a", "b", "c")
    assert hosts.roster.models_by_host == {"one": ("a", "b"), "two": ("b", "c")}


async def test_a_host_that_dies_takes_only_what_nobody_else_has() -> None:
    hosts = fleet({ONE: ("a", "b"), TWO: ("b", "c")})
    await hosts.read_hosts()
    hosts.servers["two"].down = REFUSED
    await hosts.read_hosts()
    assert hosts.roster.catalog.models == ("a", "b")
    assert not hosts.roster.reaches("two")
    assert hosts.roster.models_by_host["two"] == ("b", "c"), "its running battles still know where they belong"


async def test_a_host_that_was_never_asked_is_taken_to_answer() -> None:
    hosts = fleet({ONE: ("a",)})
    assert hosts.roster.reaches("one")
    hosts.servers["one"].down = REFUSED
    await hosts.read_hosts()
    assert not hosts.roster.reaches("one")


async def test_too_few_models_is_said_with_the_reason() -> None:
    hosts = fleet({ONE: ("a",), TWO: ("b",)}, ("a", "b", "c"))
    hosts.servers["two"].down = REFUSED
    hosts.clock.now = 10.0
    with pytest.raises(Unavailable, match=r"host two does not answer; missing: b, c"):
        await hosts.roster.at_hand()
    hosts.servers["two"].down = None
    hosts.clock.now = 20.0
    assert await hosts.roster.at_hand() == ("a", "b")


async def test_impatient_callers_do_not_reach_the_hosts_more_often_than_once_a_second() -> None:
    hosts = fleet({ONE: ("a", "b")})
    hosts.clock.now = 10.0
    for _ in range(20):
        await hosts.roster.refresh()
    assert hosts.servers["one"].probes == 1


async def test_a_host_that_scales_to_zero_and_whose_models_are_configured_is_never_asked() -> None:
    sleeper = replace(TWO, scale_to_zero=True, models=("c", "d"))
    hosts = fleet({ONE: ("a",), sleeper: ("c", "d")}, ("a", "c", "d"))
    hosts.servers["two"].down = REFUSED
    for _ in range(3):
        await hosts.read_hosts()
    assert hosts.servers["two"].probes == 0
    assert hosts.roster.catalog.models == ("a", "c", "d")
    assert hosts.roster.reaches("two")


async def test_hosts_with_the_same_models_hold_different_ones_first() -> None:
    models = ("a", "b", "c", "d", "e", "f")
    hosts = fleet(dict.fromkeys((ONE, TWO, THREE), models))
    await hosts.read_hosts()
    kept = {host: hosts.roster.kept_on(host) for host in ("one", "two", "three")}
    assert {host: set(names) for host, names in kept.items()} == {host: set(models) for host in kept}
    first = [set(names[:2]) for names in kept.values()]
    assert set.union(*first) == set(models), "two on each of three hosts are all six"


async def test_a_model_that_only_one_host_has_is_held_there_first() -> None:
    hosts = fleet({ONE: ("a", "b", "c"), TWO: ("c",)}, ("a", "b", "c"))
    await hosts.read_hosts()
    assert hosts.roster.kept_on("two") == ("c",)
    assert hosts.roster.kept_on("one")[:2] == ("a", "b")


async def test_models_that_are_held_come_in_the_configured_order() -> None:
    hosts = fleet({ONE: ("a", "b", "c")}, ("c", "a"))
    await hosts.read_hosts()
    assert hosts.roster.kept_on("one") == ("c", "a")


async def test_a_fallback_is_no_home_of_a_model() -> None:
    hosts = fleet({CLOUD: ("a", "b"), ONE: ("a", "b")})
    await hosts.read_hosts()
    assert hosts.roster.kept_on("one") == ("a", "b")
    assert hosts.roster.kept_on("cloud") == ()


async def test_what_only_a_fallback_has_is_no_contestant() -> None:
    hosts = fleet({ONE: ("a", "b"), CLOUD: ("b", "x")})
    await hosts.read_hosts()
    assert hosts.roster.catalog.models == ("a", "b")


async def test_what_only_a_fallback_has_is_a_contestant_if_it_is_configured() -> None:
    hosts = fleet({ONE: ("a", "b"), CLOUD: ("b", "x")}, ("a", "x"))
    await hosts.read_hosts()
    assert hosts.roster.catalog.models == ("a", "x")


async def test_a_fallback_stands_in_for_a_dead_host_with_what_that_one_had() -> None:
    hosts = fleet({ONE: ("a", "b"), CLOUD: ("a", "b", "x")})
    await hosts.read_hosts()
    hosts.servers["one"].down = REFUSED
    await hosts.read_hosts()
    assert hosts.roster.catalog.models == ("a", "b")
    assert {contender.hosts for contender in hosts.roster.catalog.contenders} == {("cloud",)}
    hosts.servers["one"].down = None
    await hosts.read_hosts()
    assert {contender.hosts for contender in hosts.roster.catalog.contenders} == {("one", "cloud")}


async def test_what_a_host_had_is_remembered_with_its_size() -> None:
    hosts = fleet({ONE: ("a", "b")})
    await hosts.read_hosts()
    hosts.servers["one"].down = REFUSED
    await hosts.read_hosts()
    known = hosts.roster.installed("one", "A:latest")
    assert known is not None
    assert known.size_bytes == hosts.servers["one"].size_bytes
    assert hosts.roster.installed("one", "c") is None
    assert hosts.roster.installed("nowhere", "a") is None


async def test_a_host_that_can_not_be_asked_has_the_models_that_are_configured() -> None:
    host = Host("plain", "http://plain:1", models=("a:1", "b:1"))
    roster = Roster((host,), {"plain": GeneratingBackend()}, ())
    await roster.refresh()
    assert (roster.catalog.models, roster.reaches("plain")) == (("a:1", "b:1"), True)


async def test_a_model_that_its_host_refused_is_not_drawn_until_the_host_lists_it_again() -> None:
    watched = fleet({ONE: ("a", "b", "c"), TWO: ("c",)})
    await watched.read_hosts()
    for model in ("b", "c"):
        watched.roster.forget("one", model)
    assert watched.roster.catalog.models == ("a", "c")
    assert watched.roster.installed("one", "b") is None
    assert watched.roster.models_by_host["one"] == ("a",)
    watched.roster.forget("unknown", "a")
    await watched.read_hosts()
    assert list(watched.roster.catalog.models) == ["a", "b", "c"]
