"""Completions whose callers asked for the cache: the same question of the same caller gets the answer that was given.

Only answers of which the same is to be expected again are taken (temperature 0 or a seed), and none that calls a tool.
A battle of /v1 is never among them: what is rated is written anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from redis.exceptions import RedisError

from app.arena.store import LogStore
from app.backends.base import GenerationRequest
from app.completions.completion import Completion
from app.errors import Unavailable
from app.records.answer_cache import AnswerCache, CachedAnswer, answer_key, is_repeatable
from app.tasks import Background

Outcome = Literal["HIT", "MISS", "BYPASS"]
"""BYPASS: such a question is never answered from the cache."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CompletionCache:
    """The cache as calls of /v1 see it; a database that is unavailable is a miss, and no error.

    ``digests_of`` are the digests of a model on its hosts, ``digest_of`` the one that wrote an answer: (host, answer,
    model) -> digest.
    """

    store: LogStore[Completion]
    answers: AnswerCache
    digests_of: Callable[[str], frozenset[str]]
    digest_of: Callable[[str, str, str], str]
    _background: Background = field(default_factory=Background)

    async def found(self, who: str, request: GenerationRequest) -> tuple[Outcome, CachedAnswer | None]:
        """The answer that ``who`` was given to this question before."""
        digests = self.digests_of(request.model)
        if not (self.answers.is_on and digests and is_repeatable(request) and request.tools is None):
            return "BYPASS", None
        try:
            found = await self.answers.found(who, [answer_key(request, digest) for digest in sorted(digests)])
        except Unavailable:
            return "MISS", None
        return ("HIT", next(iter(found.values()))) if found else ("MISS", None)

    def keep(self, who: str, id_: str) -> None:
        """Keep a completion that has ended, in the background."""
        self._background.start(partial(self._keep, who, id_), f"cache {id_}")

    async def _keep(self, who: str, id_: str) -> None:
        try:
            state = await self.store.state(id_, "all")
            if state is None or not state.answers[0].complete:
                return
            answer, request = state.answers[0], state.document.request
            digest = self.digest_of(answer.host, id_, request.model)
            if digest and not answer.calls:
                key, timing = answer_key(request, digest), answer.timing
                read, written = (0, 0) if timing is None else (timing.prompt_tokens, timing.tokens)
                cached = CachedAnswer(key, request.model, digest, answer.text, answer.finish, written, read)
                await self.answers.keep(who, [cached])
        except (RedisError, OSError, Unavailable) as error:
            log.warning("answer_not_cached", completion=id_, reason=type(error).__name__)

    async def aclose(self) -> None:
        """End what is being kept."""
        await self._background.aclose()
