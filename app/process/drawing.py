"""Wiring of the draw: the shared rotation, what it is decided from, and the draw of a battle's contestants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.backends.base import residency_control
from app.draw.drawer import SharedDraw
from app.draw.places import host_fields
from app.draw.planning.field import HostField
from app.draw.planning.pairs import PairVotes
from app.draw.planning.rotation import Stay
from app.draw.rotator import Moments, ReadVotes, Rotator, no_votes
from app.draw.shown import ShownRotation, shown
from app.draw.store import DrawStore
from app.hosts.catalog import Contender
from app.hosts.roster import Roster
from app.metrics.counters import Counters, read_sums
from app.process.connections import Connections
from app.scheduling.report import HostReport, Reports


class DrawWiring:
    """What one process has of the draw. ``votes`` reads those that the board counts, once there is a board."""

    def __init__(self, to: Connections, roster: Roster, reports: Reports, counters: Counters) -> None:
        settings = to.settings
        self._to, self._roster, self._reports = to, roster, reports
        self._last: dict[str, HostReport] = {}
        self._free = [name for name, backend in to.backends.items() if residency_control(backend) is None]
        self.votes: ReadVotes = no_votes
        self.store = DrawStore(to.redis, to.clock.time)
        rotates = settings.arena_draw == "rotation"
        self.draw = SharedDraw(self.store, rotates=rotates, hosts_of=self._hosts_of, counters=counters)
        self.rotator = Rotator(
            to.redis,
            self.store,
            self._observe,
            self._read_votes,
            rotates=rotates,
            contestants=settings.arena_num_models,
            stay=Stay(settings.arena_draw_shortest.total_seconds(), settings.arena_draw_longest.total_seconds()),
            moments=Moments(now=to.clock.time),
        )

    def is_current(self, name: str, digest: str | None) -> bool:
        """Whether some host has the model ``name`` with these weights, or nobody can tell."""
        found = [self._roster.installed(host.name, name) for host in self._to.hosts]
        known = {one.digest for one in found if one is not None and one.digest}
        return not digest or not known or digest in known

    async def shown(self) -> ShownRotation | None:
        """The rotation for operators; None where there is none."""
        if self._to.settings.arena_draw != "rotation":
            return None
        return await shown(self.store, partial(read_sums, self._to.redis))

    def _hosts_of(self, model: str) -> Sequence[str]:
        contender = self._roster.catalog.find(model)
        return () if contender is None else contender.hosts

    async def _observe(self) -> tuple[Sequence[Contender], tuple[HostField, ...]]:
        """A host whose driver is just being replaced is as it was last reported."""
        self._last |= await self._reports.read()
        contenders = self._roster.catalog.contenders
        return contenders, host_fields(contenders, self._to.hosts, self._last, self._free)

    async def _read_votes(self) -> Sequence[PairVotes]:
        return await self.votes()
