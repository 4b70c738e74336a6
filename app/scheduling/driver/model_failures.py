"""What went wrong with the models of a host, and what a second load of them did not help."""

from __future__ import annotations

from collections.abc import Collection

MOST_REMEMBERED = 256

_Situation = tuple[str, frozenset[str], int]
"""A model, those beside it, and its context: all that its memory depends on, for its other options never change."""


class ModelFailures:
    """``hung`` are models to load anew, ``loaded_anew`` those that were and have not answered since."""

    def __init__(self) -> None:
        self.hung: set[str] = set()
        self.loaded_anew: set[str] = set()
        self._broken: set[str] = set()
        self._crashed: set[str] = set()
        self._explained: set[str] = set()
        self._offloaded: dict[_Situation, None] = {}

    def failed(self, model: str, *, silent: bool) -> None:
        """An answer of ``model`` was cut off, or nothing came of it (``silent``), though it counted as in memory."""
        (self.hung if silent else self._broken).add(model)

    def try_anew(self, model: str) -> bool:
        """Whether ``model``, which hangs, is to be loaded anew: once, until it has answered."""
        self.hung.discard(model)
        first = model not in self.loaded_anew
        self.loaded_anew.add(model)
        return first

    def worked(self, model: str) -> None:
        """An answer of ``model`` came to its end."""
        self.hung.discard(model)
        self.loaded_anew.discard(model)

    def take_broken(self) -> list[str]:
        """The models whose answers were cut off since this was asked last."""
        broken = sorted(self._broken)
        self._crashed |= self._broken - self._explained
        self._broken.clear()
        self._explained.clear()
        return broken

    def explains(self, model: str) -> bool:
        """Whether ``model`` comes anew because its process broke; that explains it once."""
        if model in self._broken:
            self._explained.add(model)
            return True
        explained = model in self._crashed
        self._crashed.discard(model)
        return explained

    def note_offloaded(self, model: str, beside: Collection[str], num_ctx: int) -> None:
        """With this context ``model`` stays partly on the CPU ``beside`` others: it will the next time, too."""
        self._offloaded[_situation(model, beside, num_ctx)] = None
        while len(self._offloaded) > MOST_REMEMBERED:
            del self._offloaded[next(iter(self._offloaded))]

    def stays_offloaded(self, model: str, beside: Collection[str], num_ctx: int) -> bool:
        """Whether a second load of ``model`` ``beside`` the same others was in vain before."""
        return _situation(model, beside, num_ctx) in self._offloaded


def _situation(model: str, beside: Collection[str], num_ctx: int) -> _Situation:
    return model, frozenset(beside) - {model}, num_ctx
