"""The hosts as a run needs them: what each has, what is in its memory, and the way of a call to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.arena.steps import LogEvent
from app.arena.store import LogStore, new_name
from app.batch.call import BatchCall
from app.batch.feeding import HostState
from app.batch.runs import LoadSeen
from app.battle.events import Event
from app.hosts.names import same_model
from app.scheduling.dispatch.placement import Candidate
from app.scheduling.dispatch.router import Router
from app.scheduling.job import Job, Priority
from app.timing.history import FIRST_ANSWER_S, FIRST_LOAD_S


@dataclass(frozen=True, slots=True)
class RunHosts:
    """The hosts at one moment, and the loads of the run's models that they report.

    ``lost`` are hosts that have models of the run and are down.
    """

    hosts: tuple[HostState, ...]
    loads: tuple[LoadSeen, ...] = ()
    lost: tuple[str, ...] = ()


class CallHosts:
    """Asks the router what there is, and puts calls into queues; ``clock`` is Unix time, the same on all machines."""

    def __init__(self, router: Router, store: LogStore[BatchCall], clock: Callable[[], float]) -> None:
        self._router = router
        self._store = store
        self._clock = clock

    async def seen(self, models: Iterable[str], in_flight: Mapping[str, Mapping[str, int]]) -> RunHosts:
        """The hosts that work, with the run's calls that each has by model.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        wanted = tuple(models)
        having = {model: frozenset(self._router.hosts_of(model)) for model in wanted}
        found = await self._router.candidates()
        able = [one for one in found.values() if one.usable]
        able = [one for one in able if not one.fallback] or able
        states = tuple(_state(one, wanted, having, in_flight.get(one.host, {})) for one in able)
        concerned = frozenset[str]().union(*having.values())
        lost = sorted(one.host for one in found.values() if not one.usable and one.host in concerned)
        return RunHosts(states, tuple(_loads(able, wanted)), tuple(lost))

    async def put(self, calls: Sequence[tuple[BatchCall, str]]) -> dict[str, str]:
        """Write calls down and queue them at the hosts that were chosen; the host of each by the call's id.

        Raises:
            QueueFull: a host has no room now.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        for call, _ in calls:
            await self._store.advance(new_name(), 0, call, (LogEvent(Event("begin", {})),))
        jobs = {self._job(call): host for call, host in calls}
        hosts = await self._router.put(jobs)
        return {job.battle: hosts[job.id] for job in jobs}

    async def take_back(self, ids: Iterable[str]) -> None:
        """Cancel calls, wherever they are; nothing of them is left.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        calls = tuple(ids)
        await self._router.cancel([f"{id_}:0" for id_ in calls])
        for id_ in calls:
            await self._store.drop(id_)

    def _job(self, call: BatchCall) -> Job:
        return Job(call.id, 0, call.request.model, Priority.BATCH, self._clock())


def what_is_missing(seen: RunHosts, ready: Iterable[str]) -> str:
    """What a run waits for whose calls to these models are ready, or does without; empty when nothing is missing."""
    working = {model for host in seen.hosts for model in host.models}
    absent = sorted(model for model in ready if model not in working)
    if not seen.hosts:
        return "waits: no host works now"
    if not absent:
        return f"goes on without {', '.join(seen.lost)}: down" if seen.lost else ""
    return f"waits: no host that works has {', '.join(absent)}; pull it, or start its host"


def _state(
    one: Candidate, wanted: Sequence[str], having: Mapping[str, frozenset[str]], in_flight: Mapping[str, int]
) -> HostState:
    report = one.report
    present = [] if report is None else [resident.model for resident in report.residents if resident.ours]
    if report is not None and report.loading:
        present.append(report.loading)
    return HostState(
        one.host,
        max(one.slots, 1),
        frozenset(model for model in wanted if one.host in having[model]),
        frozenset(model for model in wanted if any(same_model(model, resident) for resident in present)),
        in_flight,
        _mean({} if report is None else report.load_s, FIRST_LOAD_S),
        _mean({} if report is None else report.answer_s, FIRST_ANSWER_S),
        one.weight,
    )


def _mean(figures: Mapping[str, float], first: float) -> float:
    return sum(figures.values()) / len(figures) if figures else first


def _loads(able: Sequence[Candidate], wanted: Sequence[str]) -> Iterable[LoadSeen]:
    for one in able:
        report = one.report
        for resident in () if report is None else report.residents:
            if (
                report is not None
                and resident.ours
                and resident.since
                and any(same_model(resident.model, model) for model in wanted)
            ):
                yield LoadSeen(one.host, resident.since, resident.model, report.load_s.get(resident.model), 0)
