"""Whether a set of models fits on a card, by Ollama's own test before it loads a model beside others. Pure.

Predicted size (Ollama 0.30 and later, server/sched.go and llm/llama_server.go): the file, plus keys and values as
``2 * layers * kv_heads * head_dim * num_ctx * num_parallel * 2`` bytes (always computed for f16, whatever
OLLAMA_KV_CACHE_TYPE says), plus a surcharge for the automatic batch size: nothing up to a context of 4096,
768 MiB up to 32768, 2 GiB above. A model is loaded beside others only if that is at most 80 % of what they leave
free; an empty card takes any model, partly in main memory if needed. Loading the largest first is the order in which
most fits.
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
        if self.batch_is_set or self.num_ctx <= 4096:
            return 0
        return 768 * MIB if self.num_ctx <= 32768 else 2 * GIB

    @property
    def predicted_bytes(self) -> int:
        """Ollama's own prediction; a rough guess when the shape is unknown."""
        if not self.shape.known:
            return int(self.file_bytes * _GUESS_FACTOR) + _GUESS_EXTRA
        return self.file_bytes + self.cache_bytes + self.surcharge_bytes

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
        """The sum of the predictions."""
        return sum(row.predicted_bytes for row in self.rows)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        rows = [
            {
                "model": row.model,
                "file_bytes": row.file_bytes,
                "num_ctx": row.num_ctx,
                "cache_bytes": row.cache_bytes,
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


def fits(sizes: Iterable[int], memory_bytes: int) -> bool:
    """Whether models of these predicted sizes can all be loaded, the largest first."""
    taken = 0
    for count, size in enumerate(sorted(sizes, reverse=True)):
        allowed = memory_bytes if count == 0 else FREE_SHARE * (memory_bytes - taken)
        if size > allowed:
            return False
        taken += size
    return True


def table(host: str, memory_bytes: int, models: Sequence[Sized]) -> FitTable:
    """Compare ``models`` with a card of ``memory_bytes``."""
    rows = tuple(sorted(models, key=lambda row: (-row.predicted_bytes, row.model)))
    if fits((row.predicted_bytes for row in rows), memory_bytes):
        return FitTable(host, memory_bytes, rows, fits=True)
    return FitTable(host, memory_bytes, rows, False, _to_drop(rows, memory_bytes), _context(rows, memory_bytes))


def spread(models: Mapping[str, Mapping[str, int]], memory: Mapping[str, int | None], most: Mapping[str, int]) -> bool:
    """Whether every model finds room on some host, the largest first.

    ``models`` are predicted sizes by host and model, ``memory`` the card of each host (None: unknown), ``most`` how
    many models it holds at once.
    """
    sizes: dict[str, int] = {}
    for known in models.values():
        for model, size in known.items():
            sizes[model] = max(size, sizes.get(model, 0))
    placed: dict[str, list[int]] = {host: [] for host in models}
    for model in sorted(sizes, key=lambda name: (-sizes[name], name)):
        host = next(
            (h for h in models if model in models[h] and _takes(placed[h], sizes[model], memory[h], most[h])), ""
        )
        if not host:
            return False
        placed[host].append(sizes[model])
    return True


def _takes(placed: Sequence[int], size: int, memory_bytes: int | None, most: int) -> bool:
    if len(placed) >= most:
        return False
    return memory_bytes is None or fits([*placed, size], memory_bytes)


def _to_drop(rows: Sequence[Sized], memory_bytes: int) -> tuple[str, ...]:
    """The fewest models without which the rest fits; of several choices the one that drops the fewest bytes."""
    if len(rows) > _MOST_TO_TRY:  # too many to try all sets: the largest go first
        for count in range(1, len(rows)):
            if fits((row.predicted_bytes for row in rows[count:]), memory_bytes):
                return tuple(row.model for row in rows[:count])
    for count in range(1, len(rows)):
        choices = [
            gone
            for gone in combinations(rows, count)
            if fits((row.predicted_bytes for row in rows if row not in gone), memory_bytes)
        ]
        if choices:
            return tuple(row.model for row in min(choices, key=lambda gone: sum(row.predicted_bytes for row in gone)))
    return ()


def _context(rows: Sequence[Sized], memory_bytes: int) -> int | None:
    largest = max(row.num_ctx for row in rows)
    for num_ctx in CONTEXTS:
        if num_ctx < largest and fits((row.at(num_ctx).predicted_bytes for row in rows), memory_bytes):
            return num_ctx
    return None
