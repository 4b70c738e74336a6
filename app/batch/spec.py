"""What a run does: its stages, as plain values. Pure; the run file is read in ``run_file``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Literal

from pydantic import TypeAdapter

FORMAT = 1

Caching = bool | Literal["all"]
"""Whether answers are taken from the cache: those that can be expected again, or (``all``) any."""
JsonOutput = Literal["any"] | dict[str, object] | None
"""What an answer has to be: any JSON, JSON that follows a schema, or (None) text."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage: what is asked of which models, once for each job.

    ``prompt``, ``system`` and ``when`` are Jinja2 over the job's fields and the answers of earlier stages; a stage
    whose ``when`` is false is skipped. An answer that is not the ``json`` it has to be is asked for again up to
    ``reasks`` times. ``needs`` are the earlier stages that its templates read, by number. Of a ``chat`` the messages
    stand in the job itself (OpenAI's lines). There is a call for each model and sample: its ``parts``.
    """

    name: str
    models: tuple[str, ...] = ()
    prompt: str = ""
    system: str = ""
    when: str = ""
    samples: int = 1
    json: JsonOutput = None
    reasks: int = 2
    options: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[int, ...] = ()
    chat: bool = False

    @property
    def parts(self) -> int:
        """How many calls a job has in this stage."""
        return max(len(self.models), 1) * self.samples

    def model_of(self, part: int) -> str:
        """The model of a part; empty for a ``chat``, whose job names it."""
        return self.models[part // self.samples] if self.models else ""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A whole run. ``window`` is the most jobs in flight, ``max_failures`` a number of jobs or a share (``5%``)."""

    name: str
    stages: tuple[StageSpec, ...]
    seed: int | None = None
    window: int | None = None
    max_failures: str = ""
    cache: Caching = False
    format: int = FORMAT

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that a stage names, once each."""
        return tuple(dict.fromkeys(model for stage in self.stages for model in stage.models))

    @property
    def parts(self) -> int:
        """How many calls one job has at most."""
        return sum(stage.parts for stage in self.stages)

    @property
    def shares(self) -> dict[str, float]:
        """The share of each model in all calls."""
        counts = Counter[str]()
        for stage in self.stages:
            counts.update(dict.fromkeys(stage.models, stage.samples))
        return {model: count / counts.total() for model, count in counts.items()}


CHAT_STAGE = StageSpec("chat", chat=True)

_CODEC = TypeAdapter(RunSpec)


def encode_spec(spec: RunSpec) -> str:
    """The spec as JSON."""
    return _CODEC.dump_json(spec).decode()


def decode_spec(stored: str) -> RunSpec:
    """Read a spec back.

    Raises:
        pydantic.ValidationError: another version of the arena wrote it.
    """
    return _CODEC.validate_json(stored)


def identity_of(spec: RunSpec) -> bytes:
    """What makes two runs the same, beside their jobs: everything that changes an answer, and the name."""
    return _CODEC.dump_json(replace(spec, window=None, max_failures="", cache=False))


def seed_of(spec: RunSpec, custom_id: str, stage: int, part: int) -> int | None:
    """The seed of one call: the same in every order and on every host; None without a seed of the run."""
    if spec.seed is None:
        return None
    named = f"{spec.seed}\0{custom_id}\0{stage}\0{part}".encode()
    return int.from_bytes(blake2b(named, digest_size=4).digest()) >> 1
