"""What happened to a host's residents without our doing, written down as events of the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.listing import GIB, HIDDEN_BYTES, Listed


class ResidencyEvents:
    """Writes into the ``events`` of a host."""

    def __init__(self, events: HostEvents) -> None:
        self._events = events

    def foreign(self, listed: Mapping[str, Listed], before: Mapping[str, Listed]) -> None:
        """Others loaded what is not ours and was not there before."""
        for model, seen in listed.items():
            if not seen.ours and model not in before:
                self._events.record("foreign_model", model, "somebody else uses this host")

    def flawed(self, model: str, seen: Listed, before: Listed | None) -> None:
        """A resident has flaws that it did not have before."""
        for flaw in set(seen.flaws) - set(before.flaws if before is not None else ()):
            if flaw == "offloaded":
                share = 1 - seen.entry.vram_bytes / seen.entry.size_bytes
                self._events.record("offloaded", model, f"{share:.0%} of it is on the CPU")
            elif flaw == "context_shrunk":
                self._events.record("context_shrunk", model, f"its context is {seen.entry.context_length}")

    def expired(self, model: str) -> None:
        """It left at its announced end."""
        self._events.record("expired", model, "its keep-alive ran out")

    def pushed_out(self, model: str, loading: str) -> None:
        """It left while ``loading`` was being loaded."""
        self._events.record("pushed_out", model, f"the server made room for {loading}")

    def unloaded_by_others(self, model: str) -> None:
        """It left, and nobody here asked for that."""
        self._events.record("unloaded_by_others", model, "it left without our doing")

    def crashed(self, model: str) -> None:
        """Its process ended, and the server lives."""
        self._events.record("crashed", model, "its process ended under an answer, and the server did not")

    def replaced(self, model: str) -> None:
        """It left and came again between two looks, with the server's own keep_alive."""
        self._events.record("replaced", model, "it left and came again without our doing; it has our keep_alive again")

    def memory_misread(self, kept_bytes: Sequence[int], readings: Sequence[int], total_bytes: int) -> None:
        """The server made room although there was enough: it goes by older readings of what is free."""
        free = total_bytes - sum(kept_bytes) - HIDDEN_BYTES * len(kept_bytes)
        believed = f"{max(min(readings), 0) / GIB:.1f} GiB" if readings else "less"
        self._events.record("memory_misread", detail=f"the server believes {believed} free, {free / GIB:.1f} GiB are")
