"""What a backend is: it streams one answer, chunk by chunk, or fails in one of a few classes (``errors``).

Importers get the errors from this module, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from app.backends.conversation import GenerationOptions, GenerationRequest, Message, ToolCall, Tools
from app.backends.errors import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    Faulted,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    Overlong,
    PromptTooLong,
    RunnerStopped,
    Stalled,
    UpstreamFailed,
    cut_off,
)

__all__ = [
    "Activity",
    "Backend",
    "BackendBroken",
    "BackendError",
    "BackendOverloaded",
    "BackendUnavailable",
    "BadRequest",
    "Chunk",
    "Faulted",
    "FinishReason",
    "GenerationOptions",
    "GenerationRequest",
    "InstalledModel",
    "Inventory",
    "ListedBackend",
    "LoadTimedOut",
    "LoadedModel",
    "ManagedBackend",
    "Message",
    "ModelNotFound",
    "OutOfCapacity",
    "Overlong",
    "PromptTooLong",
    "ReportsActivity",
    "ResidencyControl",
    "RunnerStopped",
    "ServerTiming",
    "Stalled",
    "ToolCall",
    "Tools",
    "UpstreamFailed",
    "cut_off",
    "inventory",
    "residency_control",
]

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ServerTiming:
    """The model server's own figures, in seconds and tokens; what it leaves out is 0.

    ``cached_tokens`` are those of the prompt that it did not have to read; None when it does not say.
    """

    total_s: float = 0.0
    load_s: float = 0.0
    prompt_tokens: int = 0
    prompt_s: float = 0.0
    tokens: int = 0
    decode_s: float = 0.0
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer as it came off the wire.

    ``text`` may be empty (a thinking chunk, or the last one). Chunks that arrived together may be merged.
    ``tokens`` counts the content pieces merged into it. ``thinking`` says that the model was thinking, never
    what; ``calling`` that it was writing the call of a function. Only the last chunk has a ``finish_reason``, the
    server's own word for it, its ``timing``, and all ``calls``. With ``restart`` all text that was given before turned
    out to be thinking: the answer begins with this chunk.
    """

    text: str = ""
    tokens: int = 0
    thinking: bool = False
    finish_reason: FinishReason | None = None
    timing: ServerTiming | None = None
    restart: bool = False
    server_reason: str = ""
    calling: bool = False
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that a server holds in memory (Ollama: an entry of /api/ps).

    ``expires_at`` is when it leaves unless it is used, ``listed_at`` when the server said so (Unix time in seconds by
    its own clock, the latter to half a second); None when it does not say. ``digest`` is that of the loaded weights,
    which a tag that was created anew since no longer has; empty when the server does not say.
    """

    name: str
    size_bytes: int
    vram_bytes: int
    context_length: int | None = None
    expires_at: float | None = None
    listed_at: float | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that a server could load (Ollama: an entry of /api/tags).

    ``capabilities`` is empty when the server does not list them. A ``remote`` model runs on somebody else's machines.
    ``aliases`` are other names that the server takes for it; ``context_length`` is what a prompt and its answer may
    have together in tokens, where that was decided when the server was started.
    """

    name: str
    size_bytes: int
    digest: str = ""
    quantization: str = ""
    capabilities: tuple[str, ...] = ()
    remote: bool = False
    aliases: tuple[str, ...] = ()
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """What goes on at a server: ``slots`` answers of one model may run at once, ``running`` and ``waiting`` do now.

    None is what it does not report. Others' requests are counted, too.
    """

    slots: int | None = None
    running: int | None = None
    waiting: int | None = None


class Backend(Protocol):
    """A model server that generates, which is all that a server has to do. Raises only ``BackendError``.

    Every call has limits of its own. A server that can be asked what it has is an ``Inventory`` as well, one that
    loads and unloads models on request a ``ResidencyControl``.
    """

    def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer as it is written; the last chunk has the ``finish_reason``.

        Close the generator to abort: that closes the socket and frees the server's slot.

        Raises:
            BackendError: before the first chunk, any class; after it, ``BackendBroken`` or a subclass.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class Inventory(Protocol):
    """A model server that can be probed. Every call raises only ``BackendError``; none generates or loads."""

    async def installed(self) -> tuple[InstalledModel, ...]:
        """What could be loaded."""
        ...

    async def version(self) -> str:
        """The server's version: the cheapest proof of life."""
        ...


@runtime_checkable
class ReportsActivity(Protocol):
    """A model server that reports what it is doing. Raises only ``BackendError``."""

    async def activity(self) -> Activity:
        """What runs there now, and how much may, as far as the server reports it."""
        ...


@runtime_checkable
class ResidencyControl(Protocol):
    """A model server whose memory is managed from outside. Every call raises only ``BackendError``."""

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Load ``model`` with the options of its battles and the configured keep_alive; return the seconds it took."""
        ...

    async def unload(self, model: str) -> None:
        """Ask the server to drop ``model``; returns before it is gone (poll ``loaded``)."""
        ...

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now."""
        ...


@runtime_checkable
class ListedBackend(Backend, Inventory, Protocol):
    """A model server that generates and can be probed."""


@runtime_checkable
class ManagedBackend(Backend, Inventory, ResidencyControl, Protocol):
    """A model server that generates, can be probed, and whose memory is managed, as Ollama's is."""


def inventory(backend: Backend) -> Inventory | None:
    """What the server can be asked, if anything; None: it has the models that are configured for it."""
    return backend if isinstance(backend, Inventory) else None


def residency_control(backend: Backend) -> ResidencyControl | None:
    """The server's memory, if it is managed from outside; None: its models count as resident always."""
    return backend if isinstance(backend, ResidencyControl) else None
