"""Whether anybody is left waiting while others are served."""

from __future__ import annotations

from collections.abc import Iterable

from app.scheduling.job import Job


def passed_s(begun: Iterable[tuple[Job, float]]) -> float:
    """The longest time for which an opening answer waited while later ones, of other models, were begun.

    Answers of the same model keep their order and don't count, nor do those that were prefetched: nobody waited.
    """
    jobs = sorted(begun, key=lambda one: one[0].enqueued_at)
    longest = 0.0
    for place, (job, at) in enumerate(jobs):
        if job.answer > 1:
            continue
        for later, later_at in jobs[place + 1 :]:
            if later.enqueued_at > at:
                break
            if later_at < at and later.model != job.model and later.enqueued_at > job.enqueued_at:
                longest = max(longest, later_at - job.enqueued_at)
    return longest
