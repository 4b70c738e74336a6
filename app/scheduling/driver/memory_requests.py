"""What operators asked of a host's memory and what is still to be done of it.

The queue keeps a request until its time is over, so that the next owner of the lease would know it; which ones are
settled is known to this process only. A request that a new owner does again does no harm: it is for an idle model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from app.scheduling.memory_request import MemoryAction, MemoryRequest


class MemoryRequests:
    """The requests of one host, by model in the driver's spelling."""

    def __init__(self) -> None:
        self._open: dict[str, MemoryRequest] = {}
        self._settled: dict[str, MemoryRequest] = {}

    def take(self, asked: Mapping[str, MemoryRequest], present: Collection[str], now: float) -> None:
        """Take what was read from the queue; to unload what is not ``present`` is done already."""
        for model, request in asked.items():
            if request.action == "unload" and model not in present:
                self._settled[model] = request
        self._settled = {model: request for model, request in self._settled.items() if asked.get(model) == request}
        self._open = {
            model: request
            for model, request in asked.items()
            if request.until > now and self._settled.get(model) != request
        }

    def settle(self, model: str) -> None:
        """It is done, can't be done, or somebody who waits needed the memory."""
        if model in self._open:
            self._settled[model] = self._open.pop(model)

    def wanting(self, action: MemoryAction) -> tuple[str, ...]:
        """The models for which ``action`` was asked."""
        return tuple(model for model, request in self._open.items() if request.action == action)
