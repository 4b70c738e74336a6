"""Whether a set of models fits on a card, by Ollama's own test before it loads a model beside others. Pure.

Predicted size (Ollama 0.30 and later, server/sched.go and llm/llama_server.go): the file, plus keys and values as
``2 * layers * kv_heads * head_dim * num_ctx * num_parallel * 2`` bytes (always computed for f16, whatever
OLLAMA_KV_CACHE_TYPE says), plus a surcharge for the automatic batch size: nothing up to a context of 4096 for all
slots together, 768 MiB up to 32768, 2 GiB above. A model is loaded beside others only if that is at most 80 % of what
they leave free; before it refuses, the server tries a batch of 512, which has no surcharge (recorded on an H100:
7.1 GiB with num_batch 1024, 6.3 GiB with 512). An empty card takes any model, partly in main memory if needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from app.doctor.probing.observation import UNKNOWN_SHAPE, Shape
from app.doctor.texts.units import GIB, MIB
from app.scheduling.planning.budget import FREE_SHARE

CONTEXTS = (262144, 131072, 65536, 49152, 32768, 24576, 16384, 12288, 8192, 6144, 4096, 3072, 2048, 1024)
OLLAMAS_MAX_MODELS = 3
"""OLLAMA_MAX_LOADED_MODELS where it isn't set: three for each card."""

_MOST_TO_TRY = 12
_GUESS_FACTOR, _GUESS_EXTRA = 1.1, 768 * MIB  # as drivers guess a model that was never seen in memory


@dataclass(frozen=True, slots=True)
class Sized:
    """A model with what determines its size. ``batch_is_set``: its options name num_batch, so there is no surcharge."""

    model: str
    file_bytes: int
    num_ctx: int
    parallel: int = 1
    shape: Shape = UNKNOWN_SHAPE
    batch_is_set: bool = False

    @property
    def cache_bytes(self) -> int:
        """Keys and values of all slots; 0 when the shape is unknown."""
        shape = self.shape
        return 2 * shape.layers * shape.kv_heads * shape.head_dim * self.num_ctx * self.parallel * 2

    @property
    def surcharge_bytes(self) -> int:
        """What the automatic batch adds."""
        all_slots = self.num_ctx * self.parallel
        if self.batch_is_set or not self.shape.known or all_slots <= 4096:
            return 0
        return 768 * MIB if all_slots <= 32768 else 2 * GIB

    @property
    def least_bytes(self) -> int:
        """Ollama's prediction with the smallest batch, by which it refuses; a rough guess when the shape is unknown."""
        if not self.shape.known:
            return int(self.file_bytes * _GUESS_FACTOR) + _GUESS_EXTRA
        return self.file_bytes + self.cache_bytes

    @property
    def predicted_bytes(self) -> int:
        """Ollama's first prediction, with the batch that it takes where there is room."""
        return self.least_bytes + self.surcharge_bytes

    def at(self, num_ctx: int) -> Sized:
        """The same model with a context of at most ``num_ctx``."""
        smaller = min(self.num_ctx, num_ctx)
        return Sized(self.model, self.file_bytes, smaller, self.parallel, self.shape, self.batch_is_set)


@dataclass(frozen=True, slots=True)
class FitTable:
    """The contestants of a host against its card, the largest first.

    ``fits``: all at once. If not, ``drop`` are the fewest to leave out so that the rest fits, and ``num_ctx`` is the
    largest context with which all fit, None if there is none.
    """

    host: str
    memory_bytes: int
    rows: tuple[Sized, ...]
    fits: bool
    drop: tuple[str, ...] = ()
    num_ctx: int | None = None

    @property
    def total_bytes(self) -> int:
        """The sum of what they need at least."""
        return sum(row.least_bytes for row in self.rows)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        rows = [
            {
                "model": row.model,
                "file_bytes": row.file_bytes,
                "num_ctx": row.num_ctx,
                "cache_bytes": row.cache_bytes,
                "least_bytes": row.least_bytes,
                "predicted_bytes": row.predicted_bytes,
                "guessed": not row.shape.known,
            }
            for row in self.rows
        ]
        return {
            "host": self.host,
            "memory_bytes": self.memory_bytes,
            "total_bytes": self.total_bytes,
            "fits": self.fits,
            "drop": list(self.drop),
            "num_ctx": self.num_ctx,
            "models": rows,
        }


def fits(models: Iterable[Sized], memory_bytes: int) -> bool:
    """Whether all models can be loaded one after the other, each with the larger batch if that fits.

    Loading the largest first leaves most room to the 80 %; the smallest first may leave the surcharges unpaid.
    """
    ascending = sorted(models, key=lambda one: one.least_bytes)
    return _load_in_turn(ascending[::-1], memory_bytes) or _load_in_turn(ascending, memory_bytes)


def _load_in_turn(models: Iterable[Sized], memory_bytes: int) -> bool:
    taken = 0
    for count, model in enumerate(models):
        allowed = memory_bytes if count == 0 else FREE_SHARE * (memory_bytes - taken)
        size = model.predicted_bytes if model.predicted_bytes <= allowed else model.least_bytes
        if size > allowed:
            return False
        taken += size
    return True


def table(host: str, memory_bytes: int, models: Sequence[Sized]) -> FitTable:
    """Compare ``models`` with a card of ``memory_bytes``."""
    rows = tuple(sorted(models, key=lambda row: (-row.least_bytes, row.model)))
    if fits(rows, memory_bytes):
        return FitTable(host, memory_bytes, rows, fits=True)
    return FitTable(host, memory_bytes, rows, False, _to_drop(rows, memory_bytes), largest_context(rows, memory_bytes))


def spread(
    models: Mapping[str, Mapping[str, Sized]], memory: Mapping[str, int | None], most: Mapping[str, int]
) -> bool:
    """Whether every model finds room on some host, the largest first.

    ``models`` are sizes by host and model, ``memory`` the card of each host (None: unknown), ``most`` how
    many models it holds at once.
    """
    sizes: dict[str, int] = {}
    for known in models.values():
        for model, sized in known.items():
            sizes[model] = max(sized.least_bytes, sizes.get(model, 0))
    placed: dict[str, list[Sized]] = {host: [] for host in models}
    for model in sorted(sizes, key=lambda name: (-sizes[name], name)):
        host = next(
            (h for h in models if model in models[h] and _takes(placed[h], models[h][model], memory[h], most[h])), ""
        )
        if not host:
            return False
        placed[host].append(models[host][model])
    return True


def _takes(placed: Sequence[Sized], model: Sized, memory_bytes: int | None, most: int) -> bool:
    if len(placed) >= most:
        return False
    return memory_bytes is None or fits([*placed, model], memory_bytes)


def _to_drop(rows: Sequence[Sized], memory_bytes: int) -> tuple[str, ...]:
    """The fewest models without which the rest fits; of several choices the one that drops the fewest bytes."""
    if len(rows) > _MOST_TO_TRY:  # too many to try all sets: the largest go first
        for count in range(1, len(rows)):
            if fits(rows[count:], memory_bytes):
                return tuple(row.model for row in rows[:count])
    for count in range(1, len(rows)):
        choices = [
            gone for gone in combinations(rows, count) if fits([row for row in rows if row not in gone], memory_bytes)
        ]
        if choices:
            return tuple(row.model for row in min(choices, key=lambda gone: sum(row.least_bytes for row in gone)))
    return ()


def largest_context(rows: Sequence[Sized], memory_bytes: int) -> int | None:
    """The largest usual context, smaller than now, with which all ``rows`` fit; None if there is none."""
    largest = max(row.num_ctx for row in rows)
    for num_ctx in CONTEXTS:
        if num_ctx < largest and fits([row.at(num_ctx) for row in rows], memory_bytes):
            return num_ctx
    return None
