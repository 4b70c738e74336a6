"""Since when somebody waits, as a host's report says it."""

from __future__ import annotations

from app.scheduling.driver.reporter import oldest_wait
from app.scheduling.job import Job, Priority


def test_the_oldest_that_somebody_waits_for_counts_and_batches_do_not() -> None:
    batch, viewer = Job("run", 0, "m", Priority.BATCH, 10.0), Job("b", 0, "m", enqueued_at=30.0)
    chat = Job("c", 0, "m", Priority.DIRECT, 20.0)
    assert oldest_wait(()) == 0.0
    assert oldest_wait((batch,)) == 0.0
    assert oldest_wait((batch, viewer)) == 30.0
    assert oldest_wait((batch, viewer, chat)) == 20.0
