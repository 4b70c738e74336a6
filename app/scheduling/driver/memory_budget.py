"""What was learned about how much fits on a host, beside what is configured.

Where no card is configured, Ollama's own default of three models is believed until a load makes the server push out
another model on its own; then as many as were left are believed, and one more after each hour. A total that was seen
to fit is believed all the same: many small models may fit where two large ones don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from time import time

from app.scheduling.planning.budget import Budget

RETRY_AFTER = timedelta(hours=1)
"""How long it counts that something did not fit; then it may be tried again."""


IN_A_ROW = 4
"""After so many loads in a row for which the server made room that was there, somebody else has the memory."""


class MemoryBudget:
    """The ``budget`` of a host with what was learned; ``now`` is Unix time in seconds."""

    def __init__(self, budget: Budget, now: Callable[[], float] = time) -> None:
        self._configured = budget
        self._clock = now
        self._overfull: tuple[int, float] | None = None
        self._learned: tuple[int, float] | None = None
        self._proven = 0
        self._misread_at: float | None = None
        self._contradictions = 0

    @property
    def misread(self) -> bool:
        """Whether the server was seen not to see what is free, lately: it made room where there was room."""
        return self._misread_at is not None and self._clock() - self._misread_at <= RETRY_AFTER.total_seconds()

    def recall_misread(self, at: float) -> None:
        """An earlier driver of the host saw that, at that Unix time."""
        self._misread_at = max(at, self._misread_at or at)

    @property
    def budget(self) -> Budget:
        """What fits, as far as is known now."""
        configured = self._configured
        return Budget(
            configured.memory_bytes,
            configured.max_models,
            overfull_bytes=self._overfull_bytes(),
            proven_bytes=self._proven,
            learned_models=self._learned_models(),
        )

    @property
    def total_bytes(self) -> int | None:
        """What is there for models: as configured, else at least what was seen to fit."""
        return self._configured.memory_bytes or self._proven or None

    @property
    def models(self) -> int:
        """How many models are taken to fit at once, whatever their size."""
        learned = self._learned_models()
        return self._configured.max_models if learned is None else learned

    def is_exceeded_by(self, sizes: Iterable[int]) -> bool:
        """Whether models of these sizes can't be on the card together, as far as its memory is configured."""
        configured = self._configured.memory_bytes
        return configured is not None and sum(sizes) > configured

    def fitted(self, total_bytes: int) -> None:
        """Models of that size together were seen in memory, none of them on the CPU."""
        if total_bytes >= self._proven:
            self._contradictions = 0
        self._proven = max(self._proven, total_bytes)

    def overflowed(self, kept_bytes: Sequence[int], size_bytes: int, left: int) -> None:
        """A model of ``size_bytes`` did not fit beside the others: the server pushed some out, ``left`` are there now.

        Where the card's memory is known, the test of what fits is right with the real sizes, which are known by now;
        and what was seen to fit fits. Then it is the server that is wrong, and nothing is learned of what fits.
        """
        total_bytes = sum(kept_bytes) + size_bytes
        known_to_fit = total_bytes <= self._proven and len(kept_bytes) < self._configured.max_models
        if known_to_fit or (self._configured.memory_bytes and self._configured.takes(kept_bytes, size_bytes)):
            self._contradictions += 1
            if self._contradictions < IN_A_ROW:
                self._misread_at = self._clock()
                return
        if self._configured.memory_bytes is not None:
            return
        known = self._overfull_bytes()
        self._overfull = (total_bytes if known is None else min(total_bytes, known), self._clock())
        self._proven = min(self._proven, total_bytes - 1)
        self._learned = (max(left, 1), self._clock())

    def _overfull_bytes(self) -> int | None:
        if self._overfull is None or self._clock() - self._overfull[1] > RETRY_AFTER.total_seconds():
            return None
        return self._overfull[0]

    def _learned_models(self) -> int | None:
        if self._learned is None:
            return None
        count, at = self._learned
        more = int(max(self._clock() - at, 0.0) / RETRY_AFTER.total_seconds())
        return count + more if count + more < self._configured.max_models else None
