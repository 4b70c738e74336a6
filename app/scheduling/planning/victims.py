"""Which models leave for another, and in which order. Pure.

While any model is loaded, Ollama (seen in 0.33) does not measure again what is free on a card: it goes by what was
free when a loaded one came, mostly by the one that has been there longest. So after an unload it may still believe
that the card is full, wait for 5 s and evict more. Where that was seen, every resident has a ``reading_bytes``, and
its price is reckoned: the longest resident, whose reading is the largest, stays as the base while the others change
places; it leaves together with all. Among others that would be missed equally, the one that came last leaves: it has
the smallest reading.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import log2

from app.scheduling.planning.budget import FREE_SHARE
from app.scheduling.planning.view import Resident, View


def order_of_leaving(view: View, candidates: Collection[Resident]) -> list[Resident]:
    """Who of ``candidates`` goes first: pinned ones last, before them the base, then by how many wait for them.

    Before all others go those that battles are no longer drawn from. One of them is no base to be kept: the models of
    the rotation would change places beside it for as long as it stays.
    """
    base, queued = _base(view.residents), view.viewers
    out = {one.model for one in view.rotated_out(view.residents)}

    def key(one: Resident) -> tuple[bool, bool, bool, int, int, float, str]:
        stays = one is base and one.reading_bytes is not None
        age = one.used if one.reading_bytes is None else -one.since
        return (
            one.model in view.pins,
            one.model not in out,
            stays,
            queued[one.model],
            _missed(view, one),
            age,
            one.model,
        )

    return sorted(candidates, key=key)


def who_leaves(view: View, model: str, candidates: Sequence[Resident]) -> list[Resident] | None:
    """The fewest of ``candidates``, in their order, that make room for ``model``; None: not even all do.

    All leave where the server would not believe that the fewest were enough, the longest resident first.
    """
    fewest = _fewest(view, model, candidates)
    if fewest is None or _is_believed(view, model, fewest):
        return fewest
    return _oldest_first(candidates) if len(candidates) == len(view.residents) else None


def outdated(view: View) -> list[Resident]:
    """All residents, if the server's reading keeps a model out that would find room on an empty card; else none."""
    base = _base(view.residents)
    if base is None or base.reading_bytes is None or view.empty_bytes is None:
        return []
    fresh = view.empty_bytes - base.size_bytes
    absent = [size for model, size in view.sizes.items() if model not in view.present]
    kept_out = any(FREE_SHARE * base.reading_bytes < size <= FREE_SHARE * fresh for size in absent)
    return _oldest_first(view.residents) if kept_out else []


def _oldest_first(residents: Collection[Resident]) -> list[Resident]:
    """In the order in which a server that does not measure again is done soonest.

    After each unload, and before the next, it waits for up to 5 s until what it takes to be free has changed. Mostly it
    goes by the longest resident: once that is gone it goes by another's reading, which differs, so it sees a change at
    once. In the other order it waits in vain after each but the last.
    """
    return sorted(residents, key=lambda one: (one.since, one.model))


def _missed(view: View, resident: Resident) -> int:
    """How much it would be missed: less with each doubling of its idle time, in costs to bring it."""
    if resident.reading_bytes is None:
        return 0
    idle_s = max(view.now - resident.used, 0.0)
    return -int(log2(1 + idle_s / max(view.cost_s(resident.model), 0.01)))


def _base(residents: Collection[Resident]) -> Resident | None:
    """The one that has been there longest: the server goes by its reading."""
    return min(residents, key=lambda one: (one.since, one.model), default=None)


def _is_believed(view: View, model: str, gone: Collection[Resident]) -> bool:
    """Whether the server will see that there is room for ``model``, and after this change still sees what leaves."""
    kept = [resident for resident in view.residents if resident not in gone]
    base = _base(kept)
    if base is None or base.reading_bytes is None:
        return True
    return base is _base(view.residents) and view.sizes.get(model, 0) <= FREE_SHARE * base.reading_bytes


def _fewest(view: View, model: str, candidates: Sequence[Resident]) -> list[Resident] | None:
    size = view.sizes.get(model, 0)
    gone: list[Resident] = []
    if not _fits(view, size, gone):
        for candidate in candidates:
            gone.append(candidate)
            if _fits(view, size, gone):
                break
        else:
            return None
    # One that was taken early may turn out to be too small to matter.
    for candidate in list(gone):
        rest = [other for other in gone if other is not candidate]
        if _fits(view, size, rest):
            gone = rest
    return gone


def _fits(view: View, size: int, gone: Collection[Resident]) -> bool:
    return view.budget.takes((r.size_bytes for r in view.residents if r not in gone), size)
