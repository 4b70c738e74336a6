"""What a simulated server is made of, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import ConfigurationError, InvalidInput
from app.simulator.engine.devices import BATCH_PENALTY
from app.simulator.engine.faults import Faults, ScriptedFault
from app.simulator.models.cards import CARDS, DISKS, GIB, Card
from app.simulator.models.catalog import DEFAULT_MODELS, Model, parse_model
from app.simulator.protocol.keepalive import DurationInvalid, keep_alive_setting


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """All parameters. Raises ConfigurationError, in one line, for a bad one.

    ``models`` are names of the table or ``name=<file size in GB>``; ``disk`` is a name of the table or GB/s.
    ``num_parallel`` to ``context_length`` are Ollama's own environment variables (``max_loaded`` and
    ``context_length`` 0: automatic). ``tokens_per_s`` and ``load_s`` replace what card and disk would give.
    ``others_gb``: GiB of each GPU that other processes hold.
    ``cold_boot``: the first load pays for a machine that has just started. ``faults`` are switched on at start,
    ``script`` has lines like ``at 90 connection_refused for 30``. ``port`` 0 means any free one.
    ``control_port`` opens another port for ``/_sim`` that no fault reaches.
    """

    host: str = "127.0.0.1"
    port: int = 0
    card: str = "a10g"
    gpus: int = 1
    models: tuple[str, ...] = DEFAULT_MODELS
    speed: float = 1.0
    seed: int = 0
    disk: str = "nvme"
    num_parallel: int = 1
    max_loaded: int = 0
    max_queue: int = 512
    keep_alive: str = "5m"
    load_timeout_s: float = 300.0
    context_length: int = 0
    spread: bool = False
    answer_tokens: int = 120
    answer_spread: float = 0.35
    tokens_per_s: float | None = None
    load_s: float | None = None
    others_gb: float = 0.0
    batch_penalty: float = BATCH_PENALTY
    cold_boot: bool = False
    version: str = "0.33.3"
    faults: tuple[tuple[str, object], ...] = ()
    script: tuple[str, ...] = ()
    control_port: int | None = None

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_ranges()
        try:
            _ = self.keep_alive_s
        except DurationInvalid as error:
            raise ConfigurationError(f"--keep-alive: {error}") from None
        _ = self.catalogue, self.disk_gb_s
        self._check_faults()

    def _check_faults(self) -> None:
        option = "--fault"
        try:
            _ = self.first_faults
            option = "--at"
            _ = self.scripted
        except InvalidInput as error:
            raise ConfigurationError(f"{option}: {error.sentence}") from None

    def _check_choices(self) -> None:
        if self.card not in CARDS:
            raise ConfigurationError(f"--card: {self.card!r} is not known; use one of {', '.join(CARDS)}")
        if not self.models:
            raise ConfigurationError("--models: name at least one model")

    def _check_ranges(self) -> None:
        for name, value, low, high in (
            ("port", self.port, 0, 65535),
            ("control-port", self.control_port or 0, 0, 65535),
            ("gpus", self.gpus, 1, 16),
            ("speed", self.speed, 0.001, 100_000),
            ("num-parallel", self.num_parallel, 1, 1024),
            ("max-loaded", self.max_loaded, 0, 64),
            ("max-queue", self.max_queue, 1, 1_000_000),
            ("context-length", self.context_length, 0, 10_000_000),
            ("answer-tokens", self.answer_tokens, 1, 1_000_000),
            ("tokens-per-s", 1 if self.tokens_per_s is None else self.tokens_per_s, 0.01, 1_000_000),
            ("load-timeout-s", self.load_timeout_s, 1, 86_400),
            ("others-gb", self.others_gb, 0, 1000),
            ("load-s", 1 if self.load_s is None else self.load_s, 0, 86_400),
        ):
            if not low <= value <= high:
                raise ConfigurationError(f"--{name}: {value} is out of range; use {low} to {high}")

    @property
    def gpu(self) -> Card:
        """The card."""
        return CARDS[self.card]

    @property
    def catalogue(self) -> tuple[Model, ...]:
        """The installed models."""
        return tuple({model.name: model for model in map(parse_model, self.models)}.values())

    @property
    def disk_gb_s(self) -> float:
        """How fast a load reads."""
        if self.disk in DISKS:
            return DISKS[self.disk]
        try:
            value = float(self.disk)
        except ValueError:
            value = 0.0
        if not 0.001 <= value <= 1000:
            raise ConfigurationError(f"--disk: {self.disk!r} is neither one of {', '.join(DISKS)} nor GB/s above 0")
        return value

    @property
    def keep_alive_s(self) -> float:
        """OLLAMA_KEEP_ALIVE in seconds; infinite for ever."""
        return keep_alive_setting(self.keep_alive)

    @property
    def gpu_bytes(self) -> tuple[int, ...]:
        """Memory of each GPU; empty without one."""
        return (self.gpu.vram_bytes,) * self.gpus if self.gpu.vram_bytes else ()

    @property
    def others_bytes(self) -> int:
        """What other processes hold on each GPU."""
        return int(self.others_gb * GIB)

    @property
    def free_bytes(self) -> int:
        """What is there for models on all GPUs together."""
        return sum(self.gpu_bytes) - len(self.gpu_bytes) * self.others_bytes

    @property
    def loaded_limit(self) -> int:
        """OLLAMA_MAX_LOADED_MODELS in force: automatic means 3 for each GPU, and 3 without one."""
        return self.max_loaded or 3 * max(1, len(self.gpu_bytes))

    @property
    def first_faults(self) -> Faults:
        """The switches at start."""
        faults = Faults()
        faults.set(dict(self.faults))
        return faults

    @property
    def scripted(self) -> tuple[ScriptedFault, ...]:
        """The script, read."""
        return tuple(ScriptedFault.parse(line) for line in self.script)
