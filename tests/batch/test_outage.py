"""What a run that could not store something notes afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from app.batch.outage import Outage
from app.store_errors import Trouble, database_lost

LOST = database_lost(Trouble("unavailable", "connection refused"))
FULL = database_lost(Trouble("full", "disk is full"))


class Notes:
    """The part of a run's records that an outage writes to; ``lost`` is what they fail by."""

    def __init__(self) -> None:
        self.waits: list[tuple[str, str, float]] = []
        self.lost: Exception | None = None

    async def waited(self, run: str, note: str, seconds: float) -> None:
        if self.lost is not None:
            raise self.lost
        self.waits.append((run, note, seconds))


@pytest.fixture
def notes() -> Notes:
    return Notes()


class Clock:
    """A clock that stands still unless it is moved, in seconds."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def outage_with(notes: Any, clock: Clock) -> Outage:
    """An outage that takes ``notes`` for a run's records."""
    return Outage(notes, clock)


async def test_steps_that_failed_are_one_wait(notes: Notes) -> None:
    clock = Clock()
    outage = outage_with(notes, clock)
    for clock.seconds, error in ((10.0, LOST), (11.0, FULL), (12.0, LOST)):
        assert outage.seen(error)
    clock.seconds = 15.0
    await outage.over("run", ended=False)
    await outage.over("run", ended=False)
    assert notes.waits == [("run", "waits: the database was unavailable", 5.0)]
    assert not outage.lasts


async def test_an_answer_that_could_not_be_stored_is_a_wait_though_no_step_failed(notes: Notes) -> None:
    clock = Clock()
    outage = outage_with(notes, clock)
    outage.unstored = True
    outage.seen(FULL)
    clock.seconds = 2.0
    await outage.over("run", ended=False)
    assert notes.waits == []
    outage.unstored = False
    await outage.over("run", ended=False)
    assert notes.waits == [("run", "waits: the database took no writes (full)", 2.0)]


async def test_a_run_that_ends_notes_what_it_waited_for_though_another_process_stored_the_answer(notes: Notes) -> None:
    outage = outage_with(notes, Clock())
    outage.unstored = True
    outage.seen(LOST)
    await outage.over("run", ended=True)
    assert len(notes.waits) == 1


async def test_a_wait_that_can_not_be_noted_yet_is_noted_later(notes: Notes) -> None:
    outage = outage_with(notes, Clock())
    outage.seen(LOST)
    notes.lost = FULL
    with pytest.raises(type(FULL)):
        await outage.over("run", ended=False)
    notes.lost = None
    await outage.over("run", ended=False)
    assert [note for _, note, _ in notes.waits] == ["waits: the database was unavailable"]
