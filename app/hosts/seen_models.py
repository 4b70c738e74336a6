"""What a host's driver saw of its models since the roster asked last: which weights wrote an answer, and what is gone.

The roster asks every 30 s. A tag that is created anew meanwhile has other weights at once, so an answer is signed with
the digest that the server listed while it was written; a model that the server refused as unknown is not drawn again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

KEPT = 10_000
"""Answers whose digest is kept: those between their first token and the moment when they are stored."""


class SeenModels:
    """Digests of answers by host, battle and model; ``forget`` takes a model from what a host is known to have."""

    def __init__(self, forget: Callable[[str, str], None]) -> None:
        self._forget = forget
        self._digests: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    def written(self, host: str, battle: str, model: str, digest: str) -> None:
        """Note the digest of the weights that write an answer of ``battle`` now."""
        self._digests[host, battle, model] = digest
        self._digests.move_to_end((host, battle, model))
        while len(self._digests) > KEPT:
            self._digests.popitem(last=False)

    def refused(self, host: str, model: str) -> None:
        """The host does not have the model: it is not drawn there until the host lists it again."""
        self._forget(host, model)

    def digest(self, host: str, battle: str, model: str) -> str | None:
        """The digest that was noted; None when none was."""
        return self._digests.get((host, battle, model))
