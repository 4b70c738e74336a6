"""Who meets whom: the entry order is drawn once, at random, and stored with the battle."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from app.battle.battle import Contestant


def draw(models: Sequence[str], count: int, rng: Random) -> tuple[Contestant, ...]:
    """Draw ``count`` of ``models`` in a random entry order.

    Raises:
        ValueError: fewer than two, or more than there are, or a model twice.
    """
    if len(set(models)) != len(models):
        raise ValueError("a model can enter a battle once")
    if not 2 <= count <= len(models):
        raise ValueError(f"a battle takes 2 to {len(models)} of these models, not {count}")
    return tuple(Contestant(entry, model) for entry, model in enumerate(rng.sample(list(models), count)))
