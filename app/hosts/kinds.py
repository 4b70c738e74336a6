"""The kinds of model servers: a new one is a folder under ``app/backends`` and an entry in ``KINDS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from app.backends.base import Backend, GenerationOptions
from app.backends.ollama.backend import OllamaBackend
from app.backends.openai.backend import ChatBackend
from app.backends.openai.profiles import PROFILES, Memory, Profile
from app.backends.openai.requests import sent_options
from app.backends.openai.residency import RouterBackend, SwapBackend
from app.backends.openai.sleeping import SleepingBackend
from app.backends.openai.studio import StudioBackend
from app.backends.target import Access
from app.backends.timeouts import Timeouts
from app.hosts.options import as_sent
from app.settings.settings import Settings

_HELD = timedelta(seconds=160)
"""Modal holds a request that wakes a container, and answers after 150 s with a redirect to wait on."""

_WAKING_CONNECT = timedelta(seconds=10)
_WAKING_TOKEN = timedelta(minutes=10)
_OPENAIS_OWN = "api.openai.com"

_KEPT = timedelta(seconds=4)
"""How long an idle connection is kept: shorter than the 5 s of uvicorn (vLLM) and cpp-httplib (llama-server)."""


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Where a server is, and what stands before its API's paths (only where a kind's API is below a path).

    One that ``wakes`` on a request is given the time for that.
    """

    access: Access
    api: str = "/v1"
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of server is spoken to: ``backend`` makes a client for the server at a place.

    ``lists_models`` says that the server can be asked which models it has (``app.backends.base.Inventory``); a host of
    a kind that can't be asked, or where each of hundreds costs money (``costs``), has to list its models. ``port`` is
    the usual one. ``slots`` is how many answers of a model run at once where nobody says it; the server is asked first
    if ``asks_slots``. ``max_loaded`` models stay in memory at once unless it is said otherwise. ``sent`` gives the
    options as they go to the server, which are a part of who answered; ``left_out`` names those that don't. With
    ``forces_tools`` a model can be made to call a tool, which Ollama's API has no word for. ``server``
    is what it is called there: empty for Ollama, and the same for one program in its several modes.
    """

    backend: Callable[[ServerPlace, Settings], Backend]
    lists_models: bool = True
    costs: bool = False
    port: int = 11434
    slots: int = 1
    max_loaded: int | None = None
    asks_slots: bool = False
    has_api_path: bool = False
    forces_tools: bool = False
    server: str = ""
    sent: Callable[[GenerationOptions], dict[str, object]] = as_sent
    left_out: Callable[[GenerationOptions], tuple[str, ...]] = lambda _options: ()


def _limits(place: ServerPlace, settings: Settings) -> Timeouts:
    limits = Timeouts(
        first_token=settings.arena_first_token_limit,
        stall=settings.arena_stall_limit,
        total=settings.arena_answer_limit,
    )
    if not place.wakes:
        return limits
    return replace(limits, connect=_WAKING_CONNECT, probe=_HELD, first_token=max(limits.first_token, _WAKING_TOKEN))


def _ollama(place: ServerPlace, settings: Settings) -> Backend:
    return OllamaBackend(
        place.access,
        keep_alive=settings.arena_keep_alive,
        limits=_limits(place, settings),
        tick=settings.arena_tick,
        keep=_kept(place),
    )


def _chat(profile: Profile, place: ServerPlace, settings: Settings) -> Backend:
    if urlsplit(place.access.url).hostname == _OPENAIS_OWN:
        profile = replace(profile, max_tokens="max_completion_tokens")  # its newer models refuse max_tokens
    backend = _BY_MEMORY[profile.memory]
    return backend(
        place.access,
        profile,
        api=place.api,
        limits=_limits(place, settings),
        tick=settings.arena_tick,
        keep=_kept(place),
    )


def _kept(place: ServerPlace) -> timedelta:
    """A platform that starts servers on request is given no reason to believe that one is still in use."""
    return timedelta(0) if place.wakes else _KEPT


def _sent(profile: Profile, options: GenerationOptions) -> dict[str, object]:
    return sent_options(options, profile).sent


def _left_out(profile: Profile, options: GenerationOptions) -> tuple[str, ...]:
    return sent_options(options, profile).left_out


def _of(profile: Profile) -> Kind:
    return Kind(
        partial(_chat, profile),
        costs=profile.name == "openai",
        port=profile.port,
        slots=profile.slots,
        max_loaded=profile.max_loaded,
        asks_slots=profile.reports_slots,
        has_api_path=True,
        forces_tools=True,
        server=profile.server,
        sent=partial(_sent, profile),
        left_out=partial(_left_out, profile),
    )


_BY_MEMORY: Mapping[Memory, Callable[..., Backend]] = {
    "fixed": ChatBackend,
    "router": RouterBackend,
    "llama-swap": SwapBackend,
    "sleep": SleepingBackend,
    "lm-studio": StudioBackend,
}
DEFAULT_KIND = "ollama"
KINDS: Mapping[str, Kind] = {"ollama": Kind(_ollama), **{name: _of(profile) for name, profile in PROFILES.items()}}
