"""What ``POST /api/show`` tells of a model's shape: the figures from which its size in memory follows.

``model_info`` is the GGUF file's header: ``general.architecture`` names the prefix of the others. A model whose layers
differ has a list for ``attention.head_count_kv``; Ollama reckons with the smallest. ``modelfile`` names the weights
in its FROM line.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field

from app.doctor.observation import Shape

_BLOB = re.compile(r"^FROM\s+\S*sha256[-:]([0-9a-f]{12,64})\s*$", re.MULTILINE)


class ShowReply(BaseModel):
    """``POST /api/show``, as far as it matters here."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    modelfile: str = ""
    model_info: dict[str, object] = Field(default_factory=dict)

    def shape(self) -> Shape:
        """The figures; what is missing is 0."""
        family = self.model_info.get("general.architecture")
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
        value = self.model_info.get(name)
        if isinstance(value, list):
            value = min((one for one in value if isinstance(one, int) and one > 0), default=0)
        return value if isinstance(value, int) and value > 0 else 0

    def _blob(self) -> str:
        found = _BLOB.search(self.modelfile)
        return found[1] if found else ""
