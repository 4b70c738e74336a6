"""What a server lists as loaded, read as values: whose it is, what is wrong with it, how it left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from app.backends.base import LoadedModel

GIB = 1024**3

HIDDEN_BYTES = int(0.58 * GIB)
"""What a model's process has on a card beside what the server lists, measured on an H100."""

SIZE_FACTOR = 1.1
SIZE_EXTRA = 768 * 1024**2
"""A model's size in memory is guessed from its file until it was seen there: the file, its context and buffers."""

EXPIRY_SLACK_S = 5.0
"""A model that left this long before its announced end, or later, left because of it."""

SKEW_S = 5.0
"""A server's clock that differs by less counts as ours: it is known to about a second."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the server's list, the flaws that it has, and whether its context is ours."""

    entry: LoadedModel
    flaws: tuple[str, ...] = ()
    ours: bool = True


def guessed_bytes(file_bytes: int) -> int:
    """How much a model of such a file probably takes in memory."""
    return int(file_bytes * SIZE_FACTOR) + SIZE_EXTRA


def by_our_clock(entry: LoadedModel, now: float) -> LoadedModel:
    """The same, with the time at which it expires by our clock instead of the server's."""
    ahead_s = 0.0 if entry.listed_at is None else entry.listed_at - now
    if entry.expires_at is None or abs(ahead_s) < SKEW_S:
        return replace(entry, listed_at=None)
    return replace(entry, expires_at=entry.expires_at - ahead_s, listed_at=None)


def flaws_of(entry: LoadedModel, num_ctx: int, *, has_card: bool) -> tuple[str, ...]:
    """What is not as our load asked for; ``has_card``: some model had memory of a card on this host."""
    flaws = []
    if entry.context_length not in (None, num_ctx):
        flaws.append("context_shrunk")
    # 0 for every model means a host without a card, which is as it should be, unless one was seen there.
    if entry.vram_bytes < entry.size_bytes and has_card:
        flaws.append("offloaded")
    return tuple(flaws)


def has_expired(expires_at: float | None, now: float) -> bool:
    """Whether a model that has left did so because its keep-alive ran out."""
    return expires_at is not None and expires_at <= now + EXPIRY_SLACK_S


def unrequested(
    listed: Mapping[str, Listed], before: Mapping[str, Listed], loading: str | None, now: float
) -> frozenset[str]:
    """Ours that came without our load, or whose process was replaced: they have the server's own keep_alive."""
    return frozenset(
        model
        for model, seen in listed.items()
        if seen.ours and model != loading and _is_new(seen, before.get(model), now)
    )


def _is_new(seen: Listed, before: Listed | None, now: float) -> bool:
    if before is None:
        return True
    was, now_is = before.entry.expires_at, seen.entry.expires_at
    if was is None or now_is is None or has_expired(now_is, now):
        return False  # the latter is about to leave
    return was - now_is > EXPIRY_SLACK_S


def reading_of(entry: LoadedModel, loaded: Iterable[LoadedModel], total: int | None) -> int | None:
    """What a model that has just come found free on the card, less what it takes: the server goes by that later."""
    if total is None or not entry.vram_bytes:
        return None
    return total - sum(other.vram_bytes + HIDDEN_BYTES for other in loaded)
