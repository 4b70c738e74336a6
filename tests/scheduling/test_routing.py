"""The way of answers to the queues of several hosts that know of each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from app.errors import QueueFull, Unavailable
from app.hosts.host import Host
from app.metrics import families
from app.metrics.counters import Counters
from app.scheduling.dispatch.assignments import Assignments, MemoryAssignments
from app.scheduling.dispatch.router import WANTED_FOR, Router
from app.scheduling.job import Job
from app.scheduling.report import Health, HostReport, ResidentReport
from app.scheduling.testing.in_memory import MemoryQueue, MemoryReports
from app.timing.time import Time
from tests.scheduling.conftest import Clock, a_host, job

HOSTS = ("one", "two", "three")


def report(host: str, *residents: str, health: Health = "up", answer_s: float = 10.0) -> HostReport:
    listed = tuple(ResidentReport(model) for model in residents)
    return HostReport(host, 0.0, health, residents=listed, answer_s={"a": answer_s})


@dataclass
class Fleet:
    """Hosts that all have the models a and b, and what every process shares of them."""

    clock: Clock
    queues: dict[str, MemoryQueue] = field(default_factory=lambda: {host: MemoryQueue() for host in HOSTS})
    reports: MemoryReports = field(default_factory=MemoryReports)
    assignments: Assignments = field(default_factory=MemoryAssignments)
    counters: Counters = field(default_factory=Counters)

    def router(self, *hosts: Host, bound: int = 10, **more: object) -> Router:
        """The router of one process."""
        destinations = hosts or tuple(a_host(name) for name in HOSTS)
        return Router(
            destinations,
            {host.name: self.queues[host.name] for host in destinations},
            {host.name: ["a", "b"] for host in destinations},
            bound,
            self.reports,
            assignments=self.assignments,
            counters=self.counters,
            time=Time(self.clock, self.clock),
            **more,  # type: ignore[arg-type]
        )

    async def report_all(self, *reports: HostReport) -> None:
        for one in reports:
            await self.reports.put(one)
        self.clock.now += 1  # nobody takes for granted any more what was seen before

    async def where(self, one: Job) -> list[str]:
        """The hosts in whose queues a job is."""
        return [host for host, queue in self.queues.items() if one.id in {kept.id for kept in await queue.read()}]


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(clock)


async def test_an_answer_goes_where_its_model_is_in_memory(fleet: Fleet) -> None:
    await fleet.report_all(report("one"), report("two", "a"), report("three", "b"))
    router = fleet.router()
    await router.enqueue([job(1, "a"), job(2, "b")])
    assert await fleet.where(job(1)) == ["two"]
    assert await fleet.where(job(2)) == ["three"]


async def test_answers_of_one_call_are_counted_as_they_are_dispatched(fleet: Fleet) -> None:
    await fleet.report_all(*(report(host, "a") for host in HOSTS))
    await fleet.router().enqueue([job(n, "a") for n in range(9)])
    assert [await queue.length() for queue in fleet.queues.values()] == [3, 3, 3]


async def test_answers_of_one_moment_are_counted_as_they_are_dispatched(fleet: Fleet) -> None:
    await fleet.report_all(*(report(host, "a") for host in HOSTS))
    router = fleet.router()
    for n in range(9):
        await router.enqueue([job(n, "a")])
    assert [await queue.length() for queue in fleet.queues.values()] == [3, 3, 3]


async def test_a_host_that_fails_fast_attracts_nothing(fleet: Fleet) -> None:
    await fleet.report_all(
        report("one", "a", health="down"), report("two", answer_s=60.0), report("three", answer_s=60.0)
    )
    await fleet.router().enqueue([job(n, "a") for n in range(8)])
    assert await fleet.queues["one"].length() == 0


async def test_a_host_that_is_tried_gets_one_answer_and_no_more(fleet: Fleet) -> None:
    await fleet.report_all(report("one", "a", health="trying"), report("two"), report("three"))
    router = fleet.router()
    await router.enqueue([job(n, "a") for n in range(4)])
    for n in range(4, 8):
        await router.enqueue([job(n, "a")])
    assert await fleet.queues["one"].length() == 1


async def test_a_battle_that_was_let_in_for_the_room_of_two_hosts_gets_it(fleet: Fleet) -> None:
    await fleet.report_all(report("one", "a", answer_s=0.1), report("two"))
    router = fleet.router(a_host("one"), a_host("two"), bound=1)
    await router.room(["a", "a"])
    await router.enqueue([job(1, "a"), job(2, "a")])
    assert [await fleet.queues[host].length() for host in ("one", "two")] == [1, 1]


async def test_a_battle_is_refused_as_full_only_when_every_host_is(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"), a_host("two"), bound=2)
    await router.enqueue([job(n, "a") for n in range(3)])
    await router.room(["a"])
    with pytest.raises(QueueFull):
        await router.room(["a", "a"])


async def test_a_battle_is_refused_when_no_host_of_a_model_works(fleet: Fleet) -> None:
    await fleet.report_all(*(report(host, health="down") for host in HOSTS))
    with pytest.raises(Unavailable, match="No host of one of the models works now") as refused:
        await fleet.router().room(["a"])
    assert refused.value.retry_after_s


async def test_hosts_that_nobody_drives_are_judged_by_whether_this_process_reaches_them(fleet: Fleet) -> None:
    router = fleet.router(alive=lambda host: host == "three")
    await router.room(["a"])
    await router.enqueue([job(1, "a")])
    assert await fleet.where(job(1)) == ["three"]
    with pytest.raises(Unavailable):
        await fleet.router(alive=lambda _: False).room(["a"])


async def test_an_answer_of_a_running_battle_waits_at_a_dead_host_rather_than_nowhere(fleet: Fleet) -> None:
    await fleet.report_all(*(report(host, health="down") for host in HOSTS))
    await fleet.router().enqueue([job(1, "a")])
    assert await fleet.where(job(1)) == ["one"]


async def test_a_fallback_gets_an_answer_only_when_no_other_host_can(fleet: Fleet) -> None:
    hosts = (a_host("one", fallback=True), a_host("two"))
    await fleet.report_all(report("one", "a"), report("two"))
    router = fleet.router(*hosts)
    await router.enqueue([job(n, "a") for n in range(5)])
    assert await fleet.queues["one"].length() == 0
    await fleet.report_all(report("two", health="down"))
    await router.enqueue([job(9, "a")])
    assert await fleet.where(job(9)) == ["one"]


async def test_a_host_gets_only_what_it_may_write(fleet: Fleet) -> None:
    await fleet.report_all(report("one", "a"), report("two"))
    router = fleet.router(a_host("one", models=("b:latest",)), a_host("two"))
    await router.enqueue([job(1, "a")])
    assert await fleet.where(job(1)) == ["two"]


async def test_an_answer_that_two_processes_enqueue_is_in_one_queue(fleet: Fleet) -> None:
    first, second = fleet.router(), fleet.router()
    await fleet.report_all(report("one", "a"))
    await first.enqueue([job(1, "a", at=5.0)])
    await fleet.report_all(report("one"), report("two", "a"))
    await second.enqueue([job(1, "a", at=9.0)])
    assert await fleet.where(job(1)) == ["one"]
    assert [one.enqueued_at for one in await fleet.queues["one"].read()] == [5.0]


async def test_an_answer_that_is_over_may_be_sent_anywhere_again(fleet: Fleet) -> None:
    router = fleet.router()
    await fleet.report_all(report("one", "a"))
    await router.enqueue([job(1, "a")])
    await router.forget(job(1))
    await router.cancel([job(1)])
    await fleet.report_all(report("one"), report("two", "a"))
    await router.enqueue([job(1, "a")])
    assert await fleet.where(job(1)) == ["two"]


async def test_a_cancelled_answer_is_forgotten_wherever_it_is(fleet: Fleet) -> None:
    router = fleet.router()
    await router.enqueue([job(1, "a")])
    await router.cancel([job(1)])
    assert await fleet.where(job(1)) == []
    assert await fleet.assignments.of(job(1).id) is None


async def test_a_moved_answer_is_in_the_other_queue_only_and_knows_where_it_was(fleet: Fleet) -> None:
    router = fleet.router()
    await fleet.report_all(report("one", "a"))
    await router.enqueue([job(1, "a", at=5.0)])
    await fleet.report_all(report("one", health="down"), report("two", "a"))
    assert await router.move(job(1, "a", at=5.0), "one") == "two"
    assert await fleet.where(job(1)) == ["two"]
    assert await fleet.queues["two"].read() == (replace(job(1, "a", at=5.0), tried=("one",)),)
    assert fleet.counters.counted == {(families.FAILOVERS.name, "one", "two"): 1}


async def test_an_answer_never_goes_back_to_a_host_that_could_not_write_it(fleet: Fleet) -> None:
    router = fleet.router()
    one = job(1, "a")
    await fleet.report_all(*(report(host, "a") for host in HOSTS))
    await router.enqueue([one])
    seen = await fleet.where(one)
    for _ in range(2):
        (holder,) = await fleet.where(one)
        (kept,) = await fleet.queues[holder].read()
        assert await router.move(kept, holder) is not None
        seen += await fleet.where(one)
    assert sorted(seen) == sorted(HOSTS)
    (kept,) = await fleet.queues[seen[-1]].read()
    assert await router.move(kept, seen[-1]) is None
    assert await fleet.where(one) == seen[-1:], "it stays with the last"


async def test_an_answer_stays_where_every_other_host_is_full(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"), a_host("two"), bound=1)
    await fleet.report_all(report("one", "a"), report("two"))
    await router.enqueue([job(1, "a")])
    await fleet.queues["two"].enqueue([job(2, "a")], 1)
    await fleet.report_all()
    assert await router.move(job(1, "a"), "one") is None
    assert await fleet.where(job(1)) == ["one"]
    assert await fleet.assignments.of(job(1).id) == "one"


async def test_an_answer_that_finds_the_other_queue_full_on_arrival_stays(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"), a_host("two"), bound=1)
    await fleet.report_all(report("one", "a"), report("two"))
    await router.enqueue([job(1, "a")])
    await fleet.queues["two"].enqueue([job(2, "a")], 1)  # unseen, a moment later
    assert await router.move(job(1, "a"), "one") is None
    assert await fleet.where(job(1)) == ["one"]
    assert await fleet.assignments.of(job(1).id) == "one"


async def test_many_answers_of_a_dead_host_spread_over_the_others(fleet: Fleet) -> None:
    router = fleet.router()
    await fleet.report_all(report("one", health="down"), report("two", "a"), report("three", "a"))
    jobs = [job(n, "a") for n in range(8)]
    await fleet.queues["one"].enqueue(jobs, 10)
    for one in jobs:
        assert await router.move(one, "one") is not None
    assert [await queue.length() for queue in fleet.queues.values()] == [0, 4, 4]


async def test_no_more_than_one_answer_moves_to_a_host_that_is_tried_while_another_is_up(fleet: Fleet) -> None:
    router = fleet.router()
    await fleet.report_all(report("one", health="down"), report("two", "a", health="trying"), report("three"))
    jobs = [job(n, "a") for n in range(3)]
    await fleet.queues["one"].enqueue(jobs, 10)
    assert [await router.move(one, "one") for one in jobs] == ["two", "three", "three"]


async def test_a_battle_is_let_in_when_the_only_host_is_being_tried(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"))
    await fleet.report_all(report("one", "a", health="trying"))
    await router.room(["a", "b", "a"])
    await router.enqueue([job(1, "a"), job(2, "b"), job(3, "a")])
    assert await fleet.queues["one"].length() == 3


async def test_an_answer_that_only_waited_at_a_host_may_come_back_to_it(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"), a_host("two"))
    await fleet.queues["one"].enqueue([job(1, "a")], 10)
    assert await router.move(job(1, "a"), "one", begun=False) == "two"
    (there,) = await fleet.queues["two"].read()
    assert await router.move(there, "two", begun=False) == "one"
    assert await fleet.where(there) == ["one"]


async def test_an_answer_that_was_tried_somewhere_goes_there_again_only_if_it_waits_for_a_dead_host(
    fleet: Fleet,
) -> None:
    router = fleet.router(a_host("one"), a_host("two"))
    tried = replace(job(1, "a"), tried=("two",))
    await fleet.queues["one"].enqueue([tried], 10)
    assert await router.move(tried, "one") is None
    assert await router.move(tried, "one", begun=False) == "two"


async def test_an_answer_that_a_worker_assigned_and_did_not_enqueue_is_brought_to_its_host(fleet: Fleet) -> None:
    router = fleet.router()
    one = job(1, "a")
    await fleet.queues["one"].enqueue([one], 10)
    await fleet.assignments.move(one.id, "one", "two")  # and here the worker died
    assert await router.forward(one, "one")
    assert await fleet.where(one) == ["two"]
    (kept,) = await fleet.queues["two"].read()
    assert kept == one
    assert not await router.forward(kept, "two"), "it is at home"


async def test_an_answer_that_is_nobodys_is_written_where_it_is_found(fleet: Fleet) -> None:
    assert not await fleet.router().forward(job(1, "a"), "one")


async def test_an_answer_whose_host_is_no_longer_configured_is_written_where_it_is_found(fleet: Fleet) -> None:
    await fleet.assignments.assign({job(1).id: "gone"})
    assert not await fleet.router().forward(job(1, "a"), "one")


async def test_an_answer_of_a_host_that_was_taken_off_the_list_is_asked_of_another(fleet: Fleet) -> None:
    await fleet.assignments.assign({job(1).id: "gone"})
    await fleet.router().enqueue([job(1, "a"), job(2, "a")])
    (now_at,) = await fleet.where(job(1))
    assert await fleet.assignments.of(job(1).id) == now_at
    assert len(await fleet.where(job(2))) == 1


async def test_what_another_process_moved_meanwhile_is_where_that_one_moved_it(fleet: Fleet) -> None:
    router = fleet.router()
    one = job(1, "a")
    await fleet.report_all(report("two", "a"), report("three"))
    await fleet.queues["one"].enqueue([one], 10)
    await fleet.assignments.move(one.id, "one", "three")
    assert await router.move(one, "one") == "three"
    assert await fleet.where(one) == ["three"]


async def test_a_single_host_keeps_what_it_has(fleet: Fleet) -> None:
    router = fleet.router(a_host("one"))
    await router.enqueue([job(1, "a")])
    assert await router.move(job(1, "a"), "one") is None
    assert not await router.forward(job(1, "a"), "one")
    assert await fleet.assignments.of(job(1).id) is None


async def test_a_visit_is_announced_to_the_hosts_that_would_write_its_models(fleet: Fleet) -> None:
    await fleet.report_all(report("one", "a"), report("two", health="down"), report("three"))
    fleet.clock.now = 100.0
    await fleet.router().warm(["a", "b", "unknown"])
    until = 100.0 + WANTED_FOR.total_seconds()
    announced = {host: await queue.prewarm_requests() for host, queue in fleet.queues.items()}
    assert announced["one"]["a"] == until
    assert announced["two"] == {}
    assert {model for models in announced.values() for model in models} == {"a", "b"}


async def test_nothing_is_announced_where_no_host_works(fleet: Fleet) -> None:
    await fleet.report_all(*(report(host, health="down") for host in HOSTS))
    await fleet.router().warm(["a"])
    assert [await queue.prewarm_requests() for queue in fleet.queues.values()] == [{}, {}, {}]
