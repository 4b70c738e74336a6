"""How many examples Hypothesis tries: always the same ones in ``make test``, many new ones in ``make explore``."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

EXPLORED: Final = int(os.environ.get("EXPLORE", "50"))
"""In ``make explore`` each test tries so many times as many examples; ``EXPLORE=100 make explore`` takes its time."""


def register_profiles() -> None:
    """Load ``ci``, in which every run of a commit tries the same examples; ``explore`` draws new ones.

    Machines differ in speed, so no example has a deadline.
    """
    either = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
    settings.register_profile("ci", either, derandomize=True, database=None, max_examples=50)
    settings.register_profile("explore", either, derandomize=False, max_examples=50 * EXPLORED)
    settings.load_profile("ci")


def examples(number: int) -> int:
    """So many, or many more while exploring."""
    return number * EXPLORED if settings.get_current_profile_name() == "explore" else number
