"""Which host writes an answer, and the way to its queue.

For now a model is written by the first host that has it, in the order in which hosts are configured, so that the same
model always goes to the same place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from time import monotonic

from app.errors import Unavailable
from app.lanes.job import Job
from app.lanes.queue import Queue, queue_full
from app.lanes.residency import key_of

LOOK_AGAIN_S = 0.25
"""How long the length of a queue that is less than half full is taken for granted."""


class Router:
    """The queues of all hosts.

    ``queues`` are by host, in the configured order; ``models`` says what each host has, and may change while we look.
    ``bound`` is the largest number of jobs that a host takes.
    """

    def __init__(
        self,
        queues: Mapping[str, Queue],
        models: Mapping[str, Collection[str]],
        bound: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._queues = dict(queues)
        self._models = models
        self._bound = bound
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def host_for(self, model: str) -> str:
        """Return the name of the host that writes the answers of ``model``.

        Raises:
            Unavailable: no host has it.
        """
        wanted = key_of(model)
        for host in self._queues:
            if any(key_of(name) == wanted for name in self._models.get(host, ())):
                return host
        raise Unavailable("No model host has this model now; pull it there or take it off the list of models")

    async def room(self, models: Iterable[str]) -> None:
        """Look whether all ``models`` could be enqueued now, before a battle is accepted; nothing is reserved.

        Raises:
            QueueFull: a host has no room for them.
            Unavailable: no host has one of them.
        """
        asked = Counter(self.host_for(model) for model in models)
        lengths = await asyncio.gather(*(self._length(host) for host in asked))
        if any(length + count > self._bound for length, count in zip(lengths, asked.values(), strict=True)):
            raise queue_full()

    async def _length(self, host: str) -> int:
        """How many jobs a host has; far from its bound, what was seen a moment ago is as good as a look."""
        length, seen = self._seen.get(host, (self._bound, -LOOK_AGAIN_S))
        if 2 * length > self._bound or self._clock() - seen > LOOK_AGAIN_S:
            length = await self._queues[host].length()
            self._seen[host] = (length, self._clock())
        return length

    async def enqueue(self, jobs: Iterable[Job]) -> None:
        """Put each job into its host's queue; to repeat it is harmless, also after it half succeeded.

        Raises:
            QueueFull: a host has no room; the jobs of other hosts are in.
            Unavailable: no host is known to have one of the models yet; the other jobs are in.
        """
        by_host: dict[str, list[Job]] = {}
        nowhere: Unavailable | None = None
        for job in jobs:
            try:
                by_host.setdefault(self._destination(job.model), []).append(job)
            except Unavailable as error:
                nowhere = error
        for host, group in by_host.items():
            length, seen = self._seen.get(host, (self._bound, -LOOK_AGAIN_S))
            self._seen[host] = (length + len(group), seen)
        calls = (self._queues[host].enqueue(group, self._bound) for host, group in by_host.items())
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if nowhere is not None:
            raise nowhere

    def _destination(self, model: str) -> str:
        """The host that writes ``model``, or the one that finds out that it can't be written any more.

        A model may be deleted while its battle runs. Once every host has said what it has, and none has the model,
        the first one fails the answer, as it would if the model vanished while it waited there.

        Raises:
            Unavailable: no host has it, but one has not said yet.
        """
        try:
            return self.host_for(model)
        except Unavailable:
            if any(host not in self._models for host in self._queues):
                raise
            return next(iter(self._queues))

    async def cancel(self, jobs: Iterable[Job | str]) -> None:
        """Take jobs (or job ids) back, wherever they are: their lanes close the sockets."""
        ids = [job if isinstance(job, str) else job.id for job in jobs]
        if ids:
            await asyncio.gather(*(queue.remove(ids) for queue in self._queues.values()))
