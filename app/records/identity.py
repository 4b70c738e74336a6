"""Which model wrote an answer: its name says too little, for a tag can be pulled anew and served with other options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_ROLL = "seed"
"""The option that makes another roll of the dice, but no other contestant."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A contestant: the digest of its weights, their quantisation, its options and the kind of server that runs it.

    All must be the same. The name counts only where the digest is not known (empty). ``options`` are all that were
    sent, with the seed. ``server`` is empty for Ollama, as it is for whatever is older than other kinds.
    """

    model: str
    digest: str = ""
    quantization: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    server: str = ""

    @property
    def lasting_options(self) -> dict[str, object]:
        """The options that are part of the identity."""
        return {name: value for name, value in self.options.items() if name != _ROLL}

    @property
    def id(self) -> str:
        """16 hex digits, the same wherever and whenever they are computed."""
        known: list[object] = [self.digest or f"name:{self.model}", self.quantization, self.lasting_options]
        if self.server:
            known.append(self.server)
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who was asked for an answer, and with which system prompt, if any."""

    identity: ModelIdentity
    system: str | None = None
