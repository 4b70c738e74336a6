"""What it costs to bring a model into a host's memory, measured from when room is made for it until it is there.

That is the drain of what has to go, its unload, what the server waits for, the load, and the loads of the models that
the server pushed out beside: they have to come again. A moving mean per model, as in ``app.timing.history``; a model
without a figure costs what the others do, and before the first one what its load is taken to last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.timing.history import NEWEST, History


class ChangeCosts:
    """The costs of one host in seconds; ``now`` is Unix time."""

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self._history = history
        self._now = now
        self._costs: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._closing: tuple[str | None, float] = (None, 0.0)

    def closing(self, model: str | None) -> None:
        """Resident models get no new answers now so that ``model`` can come; None: none has to go."""
        if model != self._closing[0]:
            self._closing = (model, self._now())

    def begun(self, model: str) -> None:
        """Another model is unloaded for ``model``, or its load begins: the first counts, with the drain before it."""
        closing, since = self._closing
        self._begun.setdefault(model, since if closing == model else self._now())

    def given_up(self, model: str) -> None:
        """The load failed: nothing is learned."""
        self._begun.pop(model, None)

    def loaded(self, model: str, pushed_out: int) -> None:
        """``model`` is there; the server pushed out so many others for it."""
        began = self._begun.pop(model, None)
        if began is None:
            return
        took = self._now() - began + pushed_out * self._history.load_s(model)
        old = self._costs.get(model)
        self._costs[model] = took if old is None else old + NEWEST * (took - old)

    def inherit(self, costs: Mapping[str, float]) -> None:
        """Take over what an earlier driver of the host had measured."""
        self._costs = {**costs, **self._costs}

    def known(self) -> dict[str, float]:
        """What was measured, by model."""
        return dict(self._costs)

    @property
    def usual_s(self) -> float:
        """What a model without a figure is taken to cost."""
        if self._costs:
            return sum(self._costs.values()) / len(self._costs)
        return self._history.load_s("")
