"""Which models can be drawn now, by the roster and the router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from app.errors import Unavailable
from app.hosts.roster import Roster
from app.scheduling.dispatch.router import Router


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """``app.web.shared.services.Contestants`` over the roster and the router."""

    roster: Roster
    router: Router

    async def at_hand(self) -> tuple[str, ...]:
        """Names of the models that can be drawn now; while Redis is unavailable, by what this process saw.

        Raises:
            Unavailable: fewer than two; the sentence says why.
        """
        listed = await self.roster.at_hand()
        try:
            served = await self.router.written(listed)
        except RedisError:  # to open a battle, ``room_for`` needs Redis and fails; others only read the list
            return listed
        if len(served) < 2:
            spent = await self.router.over_budget()
            if spent:
                why = f"today's budget of host {', '.join(spent)} is spent: nothing wakes it before tomorrow (UTC)"
                raise Unavailable(why, code="too_few_models", retry_after_s=600)
            why = (
                f"a battle needs two models and {len(served)} can be written now ({len(listed) - len(served)} on hosts"
            )
            raise Unavailable(f"{why} that are down); try again in a moment", code="too_few_models", retry_after_s=5)
        return served

    async def listed(self) -> tuple[str, ...]:
        """Names of the models that can be asked now, however few; while Redis is unavailable, as this process saw."""
        listed = self.roster.catalog.models
        try:
            return await self.router.written(listed)
        except RedisError:
            return listed

    def sees(self, model: str) -> bool:
        """Whether ``model`` takes images, as far as its host says; True where it does not say."""
        found = [self.roster.installed(host, model) for host in self.router.hosts_of(model)]
        return any(one is not None and (not one.capabilities or "vision" in one.capabilities) for one in found)

    def context_of(self, model: str) -> int | None:
        """How many tokens prompt and answer may have together where a server of ``model`` decides that, else None.

        Of several hosts the shortest counts: any of them may write the answer.
        """
        found = [self.roster.installed(host, model) for host in self.router.hosts_of(model)]
        return min((one.context_length for one in found if one is not None and one.context_length), default=None)

    def calls(self, model: str) -> bool:
        """Whether ``model`` can call tools, as far as its hosts say; True where they do not say."""
        found = [self.roster.installed(host, model) for host in self.router.hosts_of(model)]
        return all(one is None or not one.capabilities or "tools" in one.capabilities for one in found)

    def calls_on_demand(self, model: str) -> bool:
        """Whether all hosts of ``model`` can be told that it has to call a tool."""
        return all(self.roster.forces_tools(host) for host in self.router.hosts_of(model))

    async def room_for(self, models: Sequence[str]) -> None:
        """Make sure that the hosts' queues would take one answer of each model."""
        await self.router.room(models)
