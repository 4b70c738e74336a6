"""What contradicts itself in the settings of hosts and models, found before anything starts. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from app.errors import ConfigurationError
from app.hosts.host import Host, hosts_from
from app.hosts.names import canonical
from app.hosts.options import options_for
from app.settings.settings import Settings

_ANY_MODEL = "any"


def checked(settings: Settings) -> tuple[Host, ...]:
    """The hosts, when everything that is said of hosts and models can be meant.

    Options are checked for every model, named or not: without ARENA_MODELS any that a host has may be drawn.

    Raises:
        ConfigurationError: one line that names the setting and the remedy.
    """
    hosts = hosts_from(settings)
    _refuse_twice("ARENA_MODELS", settings.arena_models)
    _refuse_twice("[[models]]", (row.name for row in settings.models))
    for host in hosts:
        _refuse_twice(f"[[hosts]] {host.name}: models", host.models)
    for model in (_ANY_MODEL, *settings.arena_models, *(row.name for row in settings.models)):
        options_for(settings, model)
    return hosts


def _refuse_twice(setting: str, names: Iterable[str]) -> None:
    """Two names for one model count as one name twice; names that Ollama would not take have an error of their own."""
    seen: dict[str, str] = {}
    for name in names:
        key = _key(name)
        if key in seen:
            other = "is there twice" if seen[key] == name else f"and {seen[key]} are one model"
            raise ConfigurationError(f"{setting}: {name} {other}; leave one of them")
        seen[key] = name


def _key(name: str) -> str:
    try:
        return canonical(name)
    except ValueError:
        return name
