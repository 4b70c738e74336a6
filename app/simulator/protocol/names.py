"""Model names as Ollama reads them: ``[host/][namespace/]model[:tag]``, found without regard to case.

Facts: each part has at most 80 characters (the host 350) of ``[A-Za-z0-9_][A-Za-z0-9_.-]*``; defaults are
``registry.ollama.ai``, ``library`` and ``latest``; surrounding spaces are trimmed; ``:cloud``, ``:x-cloud`` and
``:local``, after a tag or instead of one, choose where the model runs: ``is_cloud`` means at ollama.com.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_HOST_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")


class NameInvalid(ValueError):
    """The text can't be a model's name."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name with all its parts."""

    model: str
    tag: str = TAG
    namespace: str = NAMESPACE
    host: str = HOST
    is_cloud: bool = False

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Read a name; raises NameInvalid."""
        named, is_cloud = _without_source(text.strip())
        if _without_source(named)[0] != named:
            raise NameInvalid(text)  # says twice where it runs
        path, _, tag = named.rpartition(":")
        if not path or "/" in tag:
            path, tag = named, TAG
        parts = path.split("/")
        if not 1 <= len(parts) <= 3:
            raise NameInvalid(text)
        host, namespace, model = [HOST, NAMESPACE][: 3 - len(parts)] + parts
        if not _HOST_PART.fullmatch(host) or not all(_PART.fullmatch(part) for part in (namespace, model, tag)):
            raise NameInvalid(text)
        return cls(model, tag, namespace, host, is_cloud)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Two names are the same model when their keys are equal."""
        return (self.host.lower(), self.namespace.lower(), self.model.lower(), self.tag.lower())

    @property
    def short(self) -> str:
        """The shortest form that still has the tag, as in /api/tags."""
        if self.host != HOST:
            return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"
        if self.namespace != NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"

    @property
    def full(self) -> str:
        """All parts, as some error texts write it."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"


def _without_source(text: str) -> tuple[str, bool]:
    """A name without the suffix that says where it runs, and whether that is at ollama.com."""
    rest, colon, last = text.rpartition(":")
    source = last.lower()
    if colon and source in ("cloud", "local"):
        return rest, source == "cloud"
    if colon and source.endswith("-cloud"):
        return text[: -len("-cloud")], True
    return text, False
