"""Hosts fair_share over processes: a fair share each, nobody waits for the dead, nothing swings to and fro."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.redis.client import commands_client
from app.scheduling.fair_share import AllHosts, FairShare, Share
from app.scheduling.lease import HostLease
from tests.helpers import PATIENCE_S, wait_until
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")
HOSTS = ("one", "two", "three", "four")


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """The drivers of one process as far as they ask, take and give up; ``step`` is one turn of each."""

    def __init__(self, redis: Redis, hosts: Sequence[str] = HOSTS, clock: Clock | None = None, name: str = "") -> None:
        self.clock = clock or Clock()
        self.fair_share = FairShare(redis, hosts, clock=self.clock, member=name)
        self.leases = {host: HostLease(redis, host) for host in hosts}
        self.held: set[str] = set()
        self.busy: set[str] = set()
        self.asked: list[str] = []

    async def step(self) -> None:
        await self.fair_share.refresh()
        for host, lease in self.leases.items():
            if host in self.held:
                await self._stay(host, lease)
            elif self.fair_share.may_ask(host):
                self.asked.append(host)
                if await lease.acquire():
                    self.held.add(host)
                    self.fair_share.taken(host)

    async def _stay(self, host: str, lease: HostLease) -> None:
        if host not in self.busy and self.fair_share.should_give_up(host):
            self.held.remove(host)
            self.fair_share.lost(host)
            await lease.release()
        else:
            await lease.renew()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def first(redis: Redis, clock: Clock) -> Process:
    return Process(redis, clock=clock)


@pytest.fixture
def second(redis: Redis, clock: Clock) -> Process:
    return Process(redis, clock=clock)


async def turns(*processes: Process, times: int = 3, each_s: float = 0.25) -> None:
    for _ in range(times):
        for process in processes:
            await process.step()
        processes[0].clock.now += each_s


async def test_a_process_that_is_alone_drives_all_hosts_at_once(first: Process) -> None:
    assert not first.fair_share.may_ask("one"), "nothing is known before the first look"
    await first.step()
    assert first.held == set(HOSTS)


async def test_who_comes_later_gets_a_fair_share(first: Process, second: Process) -> None:
    await turns(first)
    await turns(first, second)
    assert (len(first.held), len(second.held)) == (2, 2)
    assert first.held | second.held == set(HOSTS)
    before = set(first.asked)
    first.asked.clear()
    await turns(first, second, times=20)
    assert before
    assert not first.asked, "and then they leave each other alone"
    assert not second.asked[2:]


async def test_three_processes_share_four_hosts(redis: Redis, clock: Clock) -> None:
    processes = [Process(redis, clock=clock) for _ in range(3)]
    await turns(*processes, times=12)
    assert sorted(len(process.held) for process in processes) == [0, 2, 2]
    assert set().union(*(process.held for process in processes)) == set(HOSTS)


async def test_a_host_is_given_up_only_when_it_is_idle(first: Process, second: Process) -> None:
    await turns(first)
    first.busy = {"one", "two", "three"}
    await turns(first, second, times=20)
    assert first.held == {"one", "two", "three"}
    first.busy.clear()
    await turns(first, second, times=4)
    assert len(first.held) == 2


async def test_who_has_its_share_asks_for_more_when_nobody_took_it_for_some_time(
    first: Process, second: Process
) -> None:
    await turns(first)
    await turns(first, second, times=10)
    (host, _) = second.held
    await second.leases[host].release()
    second.held.remove(host)
    assert second.fair_share.drivers == 2, "it lives, but does not ask"
    await first.step()
    assert host not in first.held
    first.clock.now += 0.5
    await first.step()
    assert host not in first.held
    first.clock.now += 0.3
    await first.step()
    assert host in first.held


async def test_the_hosts_of_a_dead_process_are_asked_for_as_soon_as_they_are_free(
    redis: Redis, first: Process, second: Process
) -> None:
    await turns(first)
    await turns(first, second, times=10)
    left = set(second.held)
    await redis.zrem("arena:drivers", second.fair_share._member)
    await first.step()
    assert not left & first.held, "its leases are not over yet"
    for host in left:
        await second.leases[host].release()
    await first.step()
    assert first.held == set(HOSTS)


async def test_a_host_that_nobody_takes_does_not_swing_to_and_fro(redis: Redis, first: Process) -> None:
    await redis.zadd("arena:drivers", {"a process without any of these hosts": 4e12})
    await turns(first, times=30, each_s=0.5)
    assert first.held == set(HOSTS)
    first.asked.clear()
    await turns(first, times=30, each_s=0.5)
    assert first.held == set(HOSTS)
    assert not first.asked
    await redis.zadd("arena:drivers", {"one more": 4e12})
    await turns(first, times=3)
    assert len(first.held) == 2, "somebody new is offered them again"


async def test_while_a_host_is_left_to_others_it_is_not_asked_for(first: Process, second: Process) -> None:
    await turns(first)
    await second.fair_share.refresh()
    await turns(first, times=2)
    (given, other) = set(HOSTS) - first.held
    assert not first.fair_share.may_ask(given)
    await turns(first, times=5)
    assert not {given, other} & first.held
    await turns(first, times=8)
    assert given in first.held, "nobody took it"


async def test_who_leaves_does_not_count_and_asks_no_more(first: Process, second: Process) -> None:
    await turns(first)
    await turns(first, second)
    second.fair_share.leave()
    await second.fair_share.run()
    await first.fair_share.refresh()
    assert first.fair_share.drivers == 1
    assert not any(second.fair_share.may_ask(host) for host in HOSTS)
    assert not any(second.fair_share.should_give_up(host) for host in HOSTS)


async def test_who_is_silent_for_two_seconds_does_not_count(redis: Redis, first: Process, second: Process) -> None:
    await second.fair_share.refresh()
    await first.fair_share.refresh()
    assert first.fair_share.drivers == 2
    seconds, micros = await redis.time()
    await redis.zadd("arena:drivers", {second.fair_share._member: seconds * 1000 + micros // 1000 - 2100})
    await first.fair_share.refresh()
    assert first.fair_share.drivers == 1


async def test_without_redis_for_three_seconds_everybody_may_ask(first: Process, second: Process) -> None:
    await second.fair_share.refresh()
    await first.step()
    assert len(first.held) == 2
    (host, *_) = set(HOSTS) - first.held
    first.clock.now += 3.1
    assert first.fair_share.may_ask(host), "the lease decides"
    assert not any(first.fair_share.should_give_up(host) for host in HOSTS)
    await first.fair_share.refresh()
    assert first.fair_share.drivers == 2


async def test_different_processes_want_different_hosts_first(redis: Redis) -> None:
    hosts = tuple(f"host-{n}" for n in range(40))
    pair = [Process(redis, hosts, name=f"process {n}") for n in range(2)]
    for process in (*pair, *pair):
        await process.fair_share.refresh()
    wanted = [{host for host in hosts if process.fair_share.may_ask(host)} for process in pair]
    assert [len(some) for some in wanted] == [20, 20]
    assert wanted[0] != wanted[1]


@pytest.fixture
async def running(redis_url: str) -> AsyncIterator[tuple[FairShare, asyncio.Task[None]]]:
    client = commands_client(redis_url)
    fair_share = FairShare(client, HOSTS)
    task = asyncio.create_task(fair_share.run(), name="fair_share")
    yield fair_share, task
    task.cancel()
    await asyncio.wait({task})
    await client.aclose()


async def test_it_runs_until_it_is_to_leave(redis: Redis, running: tuple[FairShare, asyncio.Task[None]]) -> None:
    fair_share, task = running

    async def announced() -> bool:
        return await redis.zcard("arena:drivers") == 1

    await wait_until(announced)
    assert await redis.pttl("arena:drivers") > 0
    await wait_until(lambda: fair_share.drivers == 1)
    fair_share.leave()
    await asyncio.wait_for(task, PATIENCE_S)
    assert not await announced()


async def test_an_outage_ends_nothing(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = commands_client(redis_server.url)
    fair_share = FairShare(client, HOSTS)
    task = asyncio.create_task(fair_share.run(), name="fair_share")
    await wait_until(lambda: fair_share.drivers == 1)
    refresh, failures = fair_share.refresh, list[str]()

    async def counted() -> None:
        try:
            await refresh()
        except (RedisError, OSError) as error:
            failures.append(str(error))
            raise

    monkeypatch.setattr(fair_share, "refresh", counted)
    redis_server.kill()
    await wait_until(lambda: len(failures) == 2)
    assert not task.done()
    assert fair_share.drivers == 1, "what was seen last holds"
    await asyncio.to_thread(redis_server.start)
    fair_share._drivers = frozenset()
    await wait_until(lambda: fair_share.drivers == 1)
    fair_share.leave()
    await asyncio.wait_for(task, PATIENCE_S)
    await client.aclose()


def test_everything_is_for_who_is_alone() -> None:
    share: Share = AllHosts()
    share.taken("one")
    assert share.may_ask("one")
    assert not share.should_give_up("one")
    share.lost("one")
    assert share.may_ask("one")
