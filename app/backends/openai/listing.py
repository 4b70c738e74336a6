"""``GET /v1/models`` and its relatives, read so that one odd row costs itself and never the others.

What stands beside the ``id``: vLLM has ``root`` (the repository or folder that it was started with), ``parent`` (of a
LoRA) and ``max_model_len``; llama-server ``aliases`` and ``meta`` (``n_ctx``, ``size``), its router and llama-swap
``status``; LM Studio's own list ``type``, ``state``, ``quantization`` and ``max_context_length``, and its newer one
(``models``, each with a ``key``) ``size_bytes``, ``capabilities`` and the context of its ``loaded_instances``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.backends.base import InstalledModel
from app.backends.values import whole

_LONGEST_NAME = 600
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})(?:/|$)")
_NO_CHAT = ("embedding", "embeddings", "rerank", "reranker")

_THINKS = ("enable_thinking", "reasoning_effort", "<think>")
"""What a chat template that lets its model think has in it."""

ModelState = str
"""The server's word for how a model stands: ``loaded``, ``loading``, ``unloaded``, ``sleeping``, ``failed``, …"""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A row of a list: the model, how it stands (empty when the server does not say) and why it failed."""

    model: InstalledModel
    state: ModelState = ""
    failure: str = ""


def listed_models(reply: object) -> tuple[ListedModel, ...]:
    """The rows of a list of models.

    Raises:
        ValueError: it is no such list.
    """
    rows = reply.get("data") if isinstance(reply, dict) else reply
    if not isinstance(rows, list):
        raise ValueError("no list of models")
    return tuple(_rows(rows))


def _rows(rows: list[object]) -> Iterator[ListedModel]:
    for row in rows:
        if isinstance(row, dict) and (name := _name(row.get("id")) or _name(row.get("key"))):
            state, failure = _state(row)
            yield ListedModel(_model(row, name), state, failure)


def _model(row: dict[str, object], name: str) -> InstalledModel:
    meta = row.get("meta")
    known = meta if isinstance(meta, dict) else {}
    return InstalledModel(
        name,
        whole(known.get("size")) or whole(row.get("size_bytes")) or 0,
        digest=_revision(row.get("root")),
        quantization=_quantization(row.get("quantization")),
        capabilities=("embedding",) if _text(row.get("type")) in _NO_CHAT else _capabilities(row.get("capabilities")),
        aliases=tuple(alias for alias in _aliases(row.get("aliases")) if alias != name),
        context_length=_context(row, known),
    )


def _quantization(value: object) -> str:
    return _text(value.get("name") if isinstance(value, dict) else value)


def _capabilities(value: object) -> tuple[str, ...]:
    """Ollama's words for what LM Studio says of a model; none where it says nothing."""
    if not isinstance(value, dict):
        return ()
    named = (("vision", "vision"), ("trained_for_tool_use", "tools"))
    return ("completion", *(ours for theirs, ours in named if value.get(theirs) is True))


def capabilities_in(props: object) -> tuple[str, ...]:
    """Ollama's words for what llama-server's ``/props`` say of its model; none where they say nothing.

    A chat template that knows no tools makes the server ignore them without a word, also where one has to be called
    (seen in b10434); so it counts.
    """
    caps = props.get("chat_template_caps") if isinstance(props, dict) else None
    if not isinstance(props, dict) or not isinstance(caps, dict) or "supports_tools" not in caps:
        return ()
    modalities, template = props.get("modalities"), _text(props.get("chat_template"))
    named = (
        ("vision", isinstance(modalities, dict) and modalities.get("vision") is True),
        ("tools", caps["supports_tools"] is True),
        ("thinking", any(word in template for word in _THINKS)),
    )
    return ("completion", *(name for name, has in named if has))


def _context(row: dict[str, object], meta: dict[str, object]) -> int | None:
    instances = row.get("loaded_instances")
    first = instances[0] if isinstance(instances, list) and instances else None
    config = first.get("config") if isinstance(first, dict) else None
    instance = config.get("context_length") if isinstance(config, dict) else None
    own = (row.get("loaded_context_length"), row.get("context_length"), instance)
    given = (row.get("max_model_len"), meta.get("n_ctx"), *own)
    return next((number for number in map(whole, given) if number), None)


def _state(row: dict[str, object]) -> tuple[str, str]:
    status = row.get("status")
    if not isinstance(status, dict):
        return _text(row.get("state")) or _text(status), ""
    if status.get("failed"):
        return "failed", f"exit code {whole(status.get('exit_code'))}"
    return _text(status.get("value")), ""


def _revision(root: object) -> str:
    """The commit in the path of a snapshot of Hugging Face's cache; empty when there is none."""
    found = _SNAPSHOT.search(_text(root))
    return found[1] if found else ""


def _aliases(value: object) -> tuple[str, ...]:
    return tuple(name for one in value if (name := _name(one))) if isinstance(value, list) else ()


def _name(value: object) -> str:
    usable = isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= _LONGEST_NAME
    return str(value) if usable else ""


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
