"""One run in virtual time: the arena's own window, feeding and planner over hosts that are arithmetic.

A host has room for one model. ``b`` calls of a model at once are each written at ``r(b)`` of the speed of one alone; a
model's server may write fewer at once than it is given (``parallel``), the rest waits there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.batch.chain import CallRecord, Part, missing, window
from app.batch.feeding import HostState, feed
from app.batch.spec import RunSpec, StageSpec
from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Load, Resident, Start, Unload, View, plan

Curve = Callable[[int], float]
"""How fast each of b calls of one model is written, of the speed of one alone."""


def estimated(b: int) -> float:
    """The estimate of facts on Ollama: sigma(4) = 2.94."""
    return 1 / (1 + 0.12 * (b - 1))


def measured(b: int) -> float:
    """TR129, measured on an RTX 4080 laptop: sigma(4) = 1.5."""
    return {1: 1.0, 2: 0.73, 3: 0.5, 4: 0.37}.get(b, 1.5 / b)


DONE = CallRecord("done")


@dataclass(frozen=True, slots=True)
class Case:
    """What is simulated: seconds of a call alone and of a load, the models of the chain, slots, curve, hosts."""

    call_s: float
    load_s: float
    slots: int = 4
    curve: Curve = estimated
    chain: tuple[str, ...] = ("a", "b", "a")
    jobs: int = 1764
    hosts: int = 1
    window: int = 64
    parallel: Mapping[str, int] = field(default_factory=dict)
    seed: int = 3

    def sigma(self, model: str) -> float:
        """What the model's calls at once are worth."""
        slots = min(self.slots, self.parallel.get(model, self.slots))
        return slots * self.curve(slots)

    @property
    def bound_s(self) -> float:
        """Seconds a job that no schedule can be under: the work at full slots, one load per window and change."""
        changes = sum(one != other for one, other in zip(self.chain, self.chain[1:] + self.chain[:1], strict=True))
        loads = changes * self.load_s / self.window if self.hosts == 1 else 0.0
        return sum(self.call_s / self.sigma(model) for model in self.chain) / self.hosts + loads


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; ``first_s`` is when the first job was done, ``ends`` when each was."""

    seconds: float
    loads: int
    first_s: float
    half_s: float
    ends: tuple[float, ...]
    jobs: int

    @property
    def per_job_s(self) -> float:
        """Seconds a job."""
        return self.seconds / self.jobs


@dataclass(slots=True)
class Writing:
    """A call that is being written: what is left of it, in seconds alone."""

    call: tuple[int, Part]
    left_s: float


class SimHost:
    """One card with room for one model."""

    def __init__(self, name: str, case: Case, rng: random.Random) -> None:
        self.name = name
        self.loads = 0
        self.queue: dict[str, tuple[Job, tuple[int, Part], float]] = {}
        self.resident: Resident | None = None
        self._case = case
        self._rng = rng
        self._writing: list[Writing] = []
        self._loading: tuple[str, float] | None = None

    def state(self, models: frozenset[str]) -> HostState:
        """As a run sees it."""
        present = {self.resident.model} if self.resident else set()
        present |= {self._loading[0]} if self._loading else set()
        flying = Counter(job.model for job, _, _ in self.queue.values())
        answer_s = self._case.call_s / self._case.curve(self._case.slots)
        return HostState(self.name, self._case.slots, models, frozenset(present), flying, self._case.load_s, answer_s)

    def act(self, now: float) -> None:
        """Do what the planner says, until it says nothing more."""
        while True:
            actions = plan(self._view(now))
            if not actions:
                return
            for action in actions:
                match action:
                    case Start(job):
                        _, call, work_s = self.queue[job.id]
                        self._writing.append(Writing(call, work_s))
                    case Unload():
                        self.resident = None
                    case Load(model):
                        self.loads += 1
                        self._loading = (model, now + load_s(self._case, self._rng))
            if self._loading:
                return

    def _view(self, now: float) -> View:
        begun = {writing.call for writing in self._writing}
        waiting = tuple(job for job, call, _ in self.queue.values() if call not in begun)
        flying = {} if self.resident is None else {self.resident.model: len(begun)}
        return View(
            now,
            () if self.resident is None else (self.resident,),
            waiting,
            flying,
            flying,
            loading=None if self._loading is None else self._loading[0],
            slots=self._case.slots,
            budget=Budget(max_models=1),
            usual_change_s=self._case.load_s,
        )

    @property
    def _active(self) -> list[Writing]:
        """What the server writes now; the rest waits there for a slot."""
        model = self.resident.model if self.resident else ""
        return self._writing[: self._case.parallel.get(model, len(self._writing))]

    def next_s(self) -> float:
        """How long until something ends here."""
        if self._loading is not None:
            return self._loading[1]
        active = self._active
        return min((one.left_s for one in active), default=float("inf")) / self._case.curve(max(len(active), 1))

    def advance(self, now: float, passed_s: float) -> list[tuple[int, Part]]:
        """Let time pass; the calls that ended."""
        if self._loading is not None:
            if self._loading[1] <= now + 1e-9:
                self.resident = Resident(self._loading[0], 1, since=now, used=now)
                self._loading = None
            return []
        active = self._active
        for one in active:
            one.left_s -= passed_s * self._case.curve(len(active))
        ended = [one for one in active if one.left_s <= 1e-9]
        self._writing = [one for one in self._writing if one not in ended]
        for one in ended:
            self.queue = {id_: entry for id_, entry in self.queue.items() if entry[1] != one.call}
        return [one.call for one in ended]

    def until(self, now: float) -> float:
        """The moment of the next end."""
        return self.next_s() if self._loading is not None else now + self.next_s()


def load_s(case: Case, rng: random.Random) -> float:
    """A load of 1 to 7 s with the case's mean."""
    mean = (case.load_s - 1) / 6
    return 1 + 6 * rng.betavariate(4 * mean, 4 * (1 - mean))


def works(case: Case) -> list[list[float]]:
    """Seconds alone of each call of each job: gamma, with a coefficient of variation of a half."""
    rng = random.Random(case.seed)
    return [[rng.gammavariate(4, case.call_s / 4) for _ in case.chain] for _ in range(case.jobs)]


class _Run:
    """A run as the arena schedules it: what is open of each job, which calls are in flight, and when jobs ended."""

    def __init__(self, case: Case) -> None:
        rng = random.Random(case.seed + 1)
        self.hosts = [SimHost(f"h{number}", case, rng) for number in range(case.hosts)]
        self.ends: list[float] = []
        self._case = case
        self._spec = spec_of(case)
        self._work = works(case)
        self._open: dict[int, dict[Part, CallRecord]] = {}
        self._flying: set[tuple[int, Part]] = set()
        self._admitted = 0

    def admit(self) -> None:
        """Open as many jobs as the window holds."""
        while len(self._open) < window(len(self.ends), self._case.window) and self._admitted < self._case.jobs:
            self._open[self._admitted], self._admitted = {}, self._admitted + 1

    def give(self, now: float) -> None:
        """Give the hosts what the run feeds them, the calls of late stages first."""
        by_model = self._ready()
        models = frozenset(self._case.chain)
        counts = {model: len(calls) for model, calls in by_model.items()}
        for portion in feed([host.state(models) for host in self.hosts], counts, self._spec.shares):
            host = next(host for host in self.hosts if host.name == portion.host)
            for _ in range(portion.count):
                n, part = call = by_model[portion.model].pop(0)
                self._flying.add(call)
                job = Job(f"{n:06}-{part[0]}", 0, portion.model, Priority.BATCH, now)
                host.queue[job.id] = (job, call, self._work[n][part[0]])

    def _ready(self) -> dict[str, list[tuple[int, Part]]]:
        """The calls that can be made, by model, in the order in which they are given."""
        calls = ((n, part) for n, done in self._open.items() for part in missing(self._spec, done))
        ready = [call for call in calls if call not in self._flying]
        ready.sort(key=lambda call: (-call[1][0], call[0]))
        by_model: dict[str, list[tuple[int, Part]]] = {}
        for call in ready:
            by_model.setdefault(self._case.chain[call[1][0]], []).append(call)
        return by_model

    def ended(self, call: tuple[int, Part], now: float) -> None:
        """Note the end of a call, and of its job if it was the last one."""
        n, part = call
        self._flying.discard(call)
        self._open[n][part] = DONE
        if len(self._open[n]) == len(self._case.chain):
            del self._open[n]
            self.ends.append(now)


def scheduled(case: Case) -> Outcome:
    """The run as the arena schedules it."""
    run, now = _Run(case), 0.0
    while len(run.ends) < case.jobs:
        run.admit()
        run.give(now)
        for host in run.hosts:
            host.act(now)
        moment = min(host.until(now) for host in run.hosts)
        passed, now = moment - now, moment
        for host in run.hosts:
            for call in host.advance(now, passed):
                run.ended(call, now)
    return _outcome(run.ends, sum(host.loads for host in run.hosts))


class _ChainOrder:
    """Workers with one job at a time each, and a server that serves the oldest request first."""

    def __init__(self, case: Case, workers: int) -> None:
        self.now = 0.0
        self.loads = 0
        self.ends: list[float] = []
        self._case = case
        self._rng = random.Random(case.seed + 1)
        self._work = works(case)
        self._todo = list(range(case.jobs))[::-1]
        self.queue = [(self._todo.pop(), 0) for _ in range(min(workers, len(self._todo)))]
        self.writing: list[tuple[tuple[int, int], list[float]]] = []
        self._resident = ""

    def begin(self) -> None:
        """Begin calls while there are slots; another model is loaded once nothing is written any more."""
        while self.queue and len(self.writing) < self._case.slots:
            n, stage = self.queue[0]
            if self._case.chain[stage] != self._resident:
                if self.writing:
                    return
                self._resident, self.loads = self._case.chain[stage], self.loads + 1
                self.now += load_s(self._case, self._rng)
            self.writing.append((self.queue.pop(0), [self._work[n][stage]]))

    def write(self) -> None:
        """Write until the next call ends."""
        rate = self._case.curve(len(self.writing))
        passed = min(left[0] for _, left in self.writing) / rate
        self.now += passed
        for _, left in self.writing:
            left[0] -= passed * rate
        for call, _ in [entry for entry in self.writing if entry[1][0] <= 1e-9]:
            self._ended(*call)
        self.writing = [entry for entry in self.writing if entry[1][0] > 1e-9]

    def _ended(self, n: int, stage: int) -> None:
        """The worker asks for the job's next stage, or takes another job."""
        if stage + 1 < len(self._case.chain):
            self.queue.append((n, stage + 1))
            return
        self.ends.append(self.now)
        if self._todo:
            self.queue.append((self._todo.pop(), 0))


def in_chain_order(case: Case, workers: int) -> Outcome:
    """Today: so many workers, each with one job at a time; the server serves the oldest request first."""
    run = _ChainOrder(case, workers)
    while run.queue or run.writing:
        run.begin()
        run.write()
    return _outcome(run.ends, run.loads)


def spec_of(case: Case) -> RunSpec:
    """The chain as a run."""
    stages: Sequence[StageSpec] = [
        StageSpec(f"s{number}", (model,), needs=(number - 1,) if number else ())
        for number, model in enumerate(case.chain)
    ]
    return RunSpec("night", tuple(stages))


def _outcome(ends: list[float], loads: int) -> Outcome:
    return Outcome(ends[-1], loads, ends[0], ends[len(ends) // 2], tuple(ends), len(ends))
