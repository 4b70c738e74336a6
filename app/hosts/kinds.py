"""The kinds of model servers: a new one is a folder under ``app/backends`` and an entry in ``KINDS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.backends.base import Backend
from app.backends.ollama.backend import OllamaBackend
from app.backends.timeouts import Timeouts
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of server is spoken to: ``backend`` makes a client for the server at a URL.

    ``lists_models`` says that the server can be asked which models it has (``app.backends.base.Inventory``); a host of
    a kind that can't be asked has to list its models.
    """

    backend: Callable[[str, Settings], Backend]
    lists_models: bool = True


def _ollama(url: str, settings: Settings) -> Backend:
    limits = Timeouts(
        first_token=settings.arena_first_token_limit,
        stall=settings.arena_stall_limit,
        total=settings.arena_answer_limit,
    )
    return OllamaBackend(url, keep_alive=settings.arena_keep_alive, limits=limits, tick=settings.arena_tick)


DEFAULT_KIND = "ollama"
KINDS: Mapping[str, Kind] = {"ollama": Kind(_ollama)}
