"""The cache of a run that asked for it: calls that were answered before are not made again.

An answer is kept once it was judged, so none that is not the JSON it has to be. Which answers may stand for others:
those of which the same is to be expected again (temperature 0 or a seed); with ``cache = "all"`` any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.backends.base import GenerationRequest
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, Part
from app.batch.run_values import CallChange, Run
from app.batch.runs import RunRecords
from app.records.answer_cache import LOCAL, AnswerCache, CachedAnswer, answer_key, is_repeatable

DigestsOf = Callable[[str], frozenset[str]]
"""model -> the digests of its weights on the hosts that have it, as far as they say."""


@dataclass(slots=True)
class RunCache:
    """The cache as one run sees it."""

    records: RunRecords
    cache: AnswerCache
    digests_of: DigestsOf
    run: Run
    _missed: dict[CallKey, int] = field(default_factory=dict)

    async def without_known(self, calls: Sequence[BatchCall]) -> list[BatchCall]:
        """Store the answers that are kept already; the calls that are left to be made. Each is looked up once."""
        if not self.run.spec.cache:
            return list(calls)
        keys = {call.id: self._keys(call) for call in calls if self._missed.get(call.key) != call.tries}
        found = await self.cache.found(self._scope, [key for known in keys.values() for key in known])
        hits: dict[str, CachedAnswer] = {}
        for call in calls:
            key = next((key for key in keys.get(call.id, ()) if key in found), None)
            if key is None:
                self._missed[call.key] = call.tries
            else:
                hits[call.id] = found[key]
        await self.records.store_known([(call, hits[call.id]) for call in calls if call.id in hits])
        return [call for call in calls if call.id not in hits]

    async def keep(
        self,
        changes: Sequence[CallChange],
        answered: Mapping[int, Mapping[Part, CallRecord]],
        asked: Mapping[CallKey, GenerationRequest],
    ) -> None:
        """Keep the answers that are done; ``asked`` is what the models were asked, where this process knows it."""
        if not self.run.spec.cache:
            return
        kept = []
        for change in changes:
            key, request = change.key, asked.get(change.key)
            record = answered[key.n][key.stage, key.part]
            if change.status == "done" and request is not None and not record.cached and self._may_stand(request):
                kept.append((key, request, record))
        await self.cache.keep(self._scope, [self._answer(*one) for one in kept if one[2].digest])

    def forget(self, n: int) -> None:
        """A job has ended."""
        for key in [key for key in self._missed if key.n == n]:
            del self._missed[key]

    @property
    def _scope(self) -> str:
        return self.run.owner or LOCAL

    def _keys(self, call: BatchCall) -> list[str]:
        if not self._may_stand(call.request):
            return []
        sample = self._sample(call.key)
        return [answer_key(call.request, digest, sample) for digest in sorted(self.digests_of(call.request.model))]

    def _may_stand(self, request: GenerationRequest) -> bool:
        return self.run.spec.cache == "all" or is_repeatable(request)

    def _sample(self, key: CallKey) -> int:
        return key.part % self.run.spec.stages[key.stage].samples

    def _answer(self, key: CallKey, request: GenerationRequest, record: CallRecord) -> CachedAnswer:
        return CachedAnswer(
            answer_key(request, record.digest, self._sample(key)),
            record.model,
            record.digest,
            record.text,
            record.finish_reason,
            record.tokens,
            record.prompt_tokens,
        )
