"""The models of a round that is about to be committed are asked already, where this process drives their hosts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from app.arena.document import Document
from app.arena.rounds import RoundToJudge
from app.backends.base import GenerationRequest
from app.battle.battle import Battle, Side
from app.scheduling.head_start import HeadStart, NoHeadStart
from app.scheduling.job import Job

log = structlog.get_logger(__name__)

RequestOf = Callable[[Document, str], GenerationRequest]


class AskedEarly:
    """The answers of a round that were asked for early; they are dropped unless they are kept."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def keep(self, committed: bool) -> None:
        """Leave them to their driver if the round was ``committed``: then their jobs are on the way."""
        self.ids = [] if committed else self.ids


class HeadStarts:
    """Asks the models of a battle early; ``request_of`` makes what a model is asked."""

    def __init__(self, start: HeadStart | None = None, request_of: RequestOf | None = None) -> None:
        self._start = start or NoHeadStart()
        self._request_of = request_of

    @contextmanager
    def of(self, document: Document, known: Collection[int] = ()) -> Iterator[AskedEarly]:
        """Ask the two on stage, but those ``known`` to have been asked; what is not kept by the end is closed."""
        asked = AskedEarly([])
        try:
            self._ask(document, known, asked)
            yield asked
        finally:
            self._start.drop(asked.ids)

    @contextmanager
    def of_next(self, judged: RoundToJudge, after: Battle) -> Iterator[AskedEarly]:
        """Ask who comes on stage by a verdict and has not been asked yet; what is not kept by the end is closed."""
        if judged.state is None or not after.running:
            yield AskedEarly([])
            return
        with self.of(replace(judged.state.document, battle=after), judged.asked) as asked:
            yield asked

    def _ask(self, document: Document, known: Collection[int], asked: AskedEarly) -> None:
        if self._request_of is None:
            return
        battle = document.battle
        for entry in (battle.pair.on(side) for side in Side):
            if entry in known:
                continue
            job = Job(battle.id, entry, battle.contestants[entry].model)
            try:
                self._start.begin(job, self._request_of(document, job.model))
            except Exception as error:  # whatever it is, the usual way meets it, too, and says it
                log.warning("head_start_failed", battle=battle.id, answer=entry, exc_info=error)
            asked.ids.append(job.id)
