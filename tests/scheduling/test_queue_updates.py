import asyncio

from app.scheduling.driver.queue_updates import QueueUpdates
from app.scheduling.job import Job
from app.scheduling.planning.eta import QueueUpdate
from app.scheduling.testing.in_memory import MemorySink
from tests.scheduling.conftest import job

ONE = job(1)


class Teller:
    """Notices with a clock that moves when told."""

    def __init__(self, sink: MemorySink | None = None) -> None:
        self.sink = sink or MemorySink()
        self.now = 0.0
        self.notices = QueueUpdates(self.sink, "gpu", lambda: self.now)

    async def send(self, state: str, place: int | None, eta_s: int, after_s: float = 0.0) -> None:
        self.now += after_s
        self.notices.publish([ONE], {ONE.id: QueueUpdate(state, place, eta_s)})  # type: ignore[arg-type]
        await asyncio.sleep(0.001)

    @property
    def shown(self) -> list[tuple[str, int | None, int | None]]:
        return self.sink.answer(ONE).shown


async def test_the_same_outlook_is_told_once() -> None:
    teller = Teller()
    for _ in range(5):
        await teller.send("queued", 2, 10, after_s=0.1)
    assert teller.shown == [("queued", 2, 10)]


async def test_a_countdown_that_goes_as_told_is_not_told_again() -> None:
    teller = Teller()
    for second in range(9):
        await teller.send("queued", 2, 10 - second, after_s=1.0)
    assert teller.shown == [("queued", 2, 10)]


async def test_an_estimate_that_turned_out_wrong_is_told_again() -> None:
    teller = Teller()
    await teller.send("queued", 2, 10)
    await teller.send("queued", 2, 30, after_s=1.5)
    assert teller.shown == [("queued", 2, 10), ("queued", 2, 30)]


async def test_a_new_place_is_told_at_most_every_second() -> None:
    teller = Teller()
    for place in range(20, 0, -1):
        await teller.send("queued", place, 10, after_s=0.25)
    assert [place for _, place, _ in teller.shown] == [20, 16, 12, 8, 4]


async def test_a_new_state_is_told_at_once() -> None:
    teller = Teller()
    await teller.send("queued", 1, 10)
    await teller.send("loading", None, 8, after_s=0.05)
    assert [state for state, _, _ in teller.shown] == ["queued", "loading"]


async def test_what_could_not_be_told_is_told_the_next_time() -> None:
    class Failing(MemorySink):
        tries = 0

        async def show(self, job: Job, *what: object) -> None:
            self.tries += 1
            if self.tries == 1:
                raise ConnectionError("Redis is unavailable")
            await super().show(job, *what)  # type: ignore[arg-type]

    teller = Teller(Failing())
    await teller.send("queued", 1, 10)
    await teller.send("queued", 1, 10)
    assert teller.shown == [("queued", 1, 10)]
