"""``auto``: the best model that is in memory, by the board."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import orjson

from app.errors import Unavailable
from app.hosts.names import same_model
from app.web.shared.services import Services


async def best_model(services: Services) -> str:
    """The model that ``auto`` means now: the highest on the board of those in memory, else of all that can be asked.

    Raises:
        Unavailable: no model can be asked now.
    """
    listed = await services.contestants.listed()
    if not listed:
        raise Unavailable("no model can be asked now; try again in a moment", code="no_model", retry_after_s=5)
    return best_of(listed, await _warm(services), await _ranking(services))


def best_of(listed: Sequence[str], warm: Collection[str], ranking: Sequence[str]) -> str:
    """The first of ``ranking`` among those in memory, else among all; models that nobody voted on come last. Pure."""
    in_memory = [name for name in listed if any(same_model(name, one) for one in warm)]
    candidates = in_memory or list(listed)
    ranked = [name for place in ranking for name in candidates if same_model(name, place)]
    return (ranked or candidates)[0]


async def _warm(services: Services) -> set[str]:
    reports = (await services.fleet.reports.read()).values()
    return {one.model for report in reports if report.health == "up" for one in report.residents if one.ours}


async def _ranking(services: Services) -> list[str]:
    """The models of the board in its order; none while there is no board."""
    try:
        body = await services.boards.board()
    except Unavailable:
        return []
    return [row["model"] for row in orjson.loads(body)["leaderboard"]] if isinstance(body, bytes) else []
