"""A model's shape in ``POST /api/show``: the figures that determine its size in memory.

``model_info`` is the GGUF file's header: ``general.architecture`` names the prefix of the others. A model whose layers
differ has a list for ``attention.head_count_kv``; Ollama computes with the smallest. ``modelfile`` names the weights
in its FROM line.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from app.backends.values import whole
from app.doctor.probing.observation import Shape

_BLOB = re.compile(r"^FROM\s+\S*sha256[-:]([0-9a-f]{12,64})\s*$", re.MULTILINE)


class ShowReply(BaseModel):
    """The fields of ``POST /api/show`` that matter here; whatever is not in Ollama's format counts as unknown."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    modelfile: object = ""
    model_info: object = None

    def shape(self) -> Shape:
        """The figures; what is missing is 0."""
        family = self._info.get("general.architecture")
        if not isinstance(family, str):
            return Shape(blob=self._blob())
        heads = self._number(f"{family}.attention.head_count")
        width = self._number(f"{family}.embedding_length")
        return Shape(
            family,
            self._number(f"{family}.block_count"),
            self._number(f"{family}.attention.head_count_kv"),
            self._number(f"{family}.attention.key_length") or (width // heads if heads else 0),
            self._number(f"{family}.context_length"),
            self._blob(),
        )

    def _number(self, name: str) -> int:
        value = self._info.get(name)
        if isinstance(value, list):
            value = min((number for one in value if (number := whole(one))), default=0)
        return whole(value) or 0

    @property
    def _info(self) -> dict[str, object]:
        return self.model_info if isinstance(self.model_info, dict) else {}

    def _blob(self) -> str:
        found = _BLOB.search(self.modelfile) if isinstance(self.modelfile, str) else None
        return found[1] if found else ""
