"""A backend that plays scripts: for tests, benchmarks and virtual time.

It is instant unless a script pauses, keeps the same promises as a real backend (``app.backends.base``), and
remembers what was asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from app.backends.base import (
    BackendError,
    Chunk,
    FinishReason,
    GenerationOptions,
    GenerationRequest,
    InstalledModel,
    LoadedModel,
    ModelNotFound,
    ServerTiming,
)

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Thinking:
    """A step at which the model thinks."""


Step = str | timedelta | Thinking | BackendError


@dataclass(frozen=True, slots=True)
class Script:
    """One answer: text pieces, pauses, thinking, and perhaps the error it ends with.

    Without an error it ends with ``finish``; ``timing`` then replaces the figures that the steps add up to.
    """

    steps: tuple[Step, ...] = ("Hello", " from", " a", " script.")
    finish: FinishReason = "stop"
    timing: ServerTiming | None = None

    @classmethod
    def of(cls, *steps: Step) -> Script:
        """The script with these steps."""
        return cls(steps)


@dataclass(frozen=True, slots=True)
class Call:
    """Something that was asked of the backend, in order; ``closed`` is noted when an answer's reader left or ended."""

    kind: Literal["stream", "closed", "load", "unload"]
    model: str
    request: GenerationRequest | None = None
    options: GenerationOptions | None = None


@dataclass
class ScriptedBackend:
    """A model server whose answers are known beforehand.

    ``scripts`` holds the answers of each model, used one after the other; the last one repeats. A model without any
    gets ``default``. ``models`` are installed (those of ``scripts`` if not given), ``resident`` those in memory.
    ``max_loaded`` bounds them: the one that was loaded first goes. While ``down`` is set, every call raises it;
    ``load_failures`` are raised by the next loads of a model.
    """

    scripts: Mapping[str, Iterable[Script]] = field(default_factory=dict)
    default: Script = Script()
    models: tuple[str, ...] = ()
    resident: list[str] = field(default_factory=list)
    max_loaded: int | None = None
    size_bytes: int = _GIB
    load_time: timedelta = timedelta(0)
    load_failures: dict[str, list[BackendError]] = field(default_factory=dict)
    down: BackendError | None = None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    calls: list[Call] = field(default_factory=list)
    writing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = {model: list(scripts) for model, scripts in self.scripts.items()}
        self.models = self.models or tuple(self._waiting)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Play the model's next script; a model that is not resident is loaded first, as Ollama would."""
        self.calls.append(Call("stream", request.model, request, request.options))
        self.writing.append(request.model)
        try:
            await self._make_resident(request.model)
            tokens = 0
            script = self._next(request.model)
            for step in script.steps:
                chunk = await self._play(step)
                if chunk is not None:
                    tokens += chunk.tokens
                    yield chunk
            yield Chunk(finish_reason=script.finish, timing=script.timing or ServerTiming(tokens=tokens))
        finally:
            self.writing.remove(request.model)
            self.calls.append(Call("closed", request.model, request))

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Make ``model`` resident after ``load_time``; return it in seconds."""
        self.calls.append(Call("load", model, None, options))
        return await self._make_resident(model)

    async def unload(self, model: str) -> None:
        """Drop ``model`` at once."""
        self.calls.append(Call("unload", model))
        await self._reach()
        if model in self.resident:
            self.resident.remove(model)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """The resident models."""
        await self._reach()
        return tuple(LoadedModel(name, self.size_bytes, self.size_bytes) for name in self.resident)

    async def installed(self) -> tuple[InstalledModel, ...]:
        """The models of the scripts, or those named."""
        await self._reach()
        return tuple(InstalledModel(name, self.size_bytes, capabilities=("completion",)) for name in self.models)

    async def version(self) -> str:
        """The name of the double."""
        await self._reach()
        return "scripted"

    async def aclose(self) -> None:
        """Do nothing; there is no connection."""

    def called(self, kind: str) -> list[str]:
        """The models of all calls of one kind, in order."""
        return [call.model for call in self.calls if call.kind == kind]

    async def _reach(self) -> None:
        # Even an instant server lets others run: a reader that never waits would hold the event loop.
        await self.sleep(0)
        if self.down is not None:
            raise self.down

    async def _make_resident(self, model: str) -> float:
        await self._reach()
        if self.models and model not in self.models:
            raise ModelNotFound(f"model {model!r} not found")
        if model in self.resident:
            return 0.0
        failures = self.load_failures.get(model)
        if failures:
            raise failures.pop(0)
        if self.load_time:
            await self.sleep(self.load_time.total_seconds())
        if self.max_loaded is not None and len(self.resident) >= self.max_loaded:
            del self.resident[0]
        if model not in self.resident:
            self.resident.append(model)
        return self.load_time.total_seconds()

    async def _play(self, step: Step) -> Chunk | None:
        if isinstance(step, BackendError):
            raise step
        if isinstance(step, timedelta):
            await self.sleep(step.total_seconds())
            return None
        await self._reach()
        return Chunk(thinking=True) if isinstance(step, Thinking) else Chunk(step, 1)

    def _next(self, model: str) -> Script:
        waiting = self._waiting.get(model)
        if not waiting:
            return self.default
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class GeneratingBackend:
    """A scripted server that generates and can do nothing else, as one whose models are loaded by others."""

    def __init__(self, scripted: ScriptedBackend | None = None) -> None:
        self.scripted = scripted or ScriptedBackend()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Play the model's next script."""
        async with aclosing(self.scripted.stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Do nothing; there is no connection."""
