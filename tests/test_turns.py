"""Work that is shared by those who ask for it while it waits."""

import asyncio

from app.tasks import cancel_and_wait
from app.turns import Turns
from tests.helpers import wait_until


class Work:
    """Counts its runs; each waits until it is let go."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self.failures = failures
        self.gates = [asyncio.Event() for _ in range(5)]

    async def __call__(self) -> None:
        self.runs += 1
        number = self.runs
        await self.gates[number - 1].wait()
        if number <= self.failures:
            raise ValueError(number)


async def calls(turns: Turns, work: Work, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(turns.take("b", work)) for _ in range(count)]
    for _ in range(2):  # a turn begins one turn of the loop after it was taken
        await asyncio.sleep(0)
    return tasks


async def test_those_who_ask_in_the_same_moment_share_a_run() -> None:
    turns, work = Turns(), Work()
    work.gates[0].set()
    await asyncio.gather(*(turns.take("b", work) for _ in range(3)))
    assert work.runs == 1


async def test_those_who_ask_during_a_run_share_the_next_one() -> None:
    turns, work = Turns(), Work()
    first = await calls(turns, work, 1)
    later = await calls(turns, work, 3)
    work.gates[0].set()
    await asyncio.gather(*first)
    assert work.runs == 2, "what had begun before they asked may have missed what they ask for"
    assert not any(task.done() for task in later)
    work.gates[1].set()
    await asyncio.gather(*later)
    assert work.runs == 2


async def test_a_failure_is_that_of_all_who_shared_the_run() -> None:
    turns, work = Turns(), Work(failures=2)
    [first] = await calls(turns, work, 1)
    later = await calls(turns, work, 2)
    for gate in work.gates:
        gate.set()
    outcomes = await asyncio.gather(first, *later, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["1", "2", "2"]
    await turns.take("b", work)
    assert work.runs == 3, "and of nobody who asks after it"


async def test_a_cancelled_run_counts_for_nobody_else() -> None:
    turns, work = Turns(), Work()
    [first] = await calls(turns, work, 1)
    [second, third] = await calls(turns, work, 2)
    work.gates[0].set()
    await first
    await wait_until(lambda: work.runs == 2)
    await cancel_and_wait(second)
    for gate in work.gates:
        gate.set()
    await asyncio.wait_for(third, 10)
    assert work.runs == 3
    assert second.cancelled()


async def test_keys_do_not_wait_for_each_other_and_are_forgotten() -> None:
    turns, work, other = Turns(), Work(), Work()
    held = await calls(turns, work, 1)
    other.gates[0].set()
    await turns.take("other", other)
    assert other.runs == 1
    work.gates[0].set()
    await asyncio.gather(*held)
    assert not turns._turns
