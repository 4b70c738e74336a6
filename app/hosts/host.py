"""A host: one model server at one address, as it is configured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from app.errors import ConfigurationError
from app.hosts.address import base_url
from app.hosts.kinds import DEFAULT_KIND, KINDS
from app.network.addresses import shown
from app.settings.settings import HostTable, Settings

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Host:
    """One model server; ``kind`` names its protocol (``app.hosts.kinds``).

    ``memory_bytes`` is the memory of its cards, None when unknown. ``num_parallel`` answers of one model run at once;
    ``max_loaded`` models stay loaded at once, None for Ollama's own default of three. ``models`` restricts what it may
    serve; empty: whatever it has. Of two hosts that could write an answer, one of twice the ``weight`` gets twice as
    many. A ``fallback`` is asked only when no other host can, and its answers are marked. A host that scales to zero
    is left alone when nobody plays, and warmed at most ``warm_per_hour`` times an hour. ``pins`` are models that should
    stay in memory, on any host.
    """

    name: str
    url: str = field(repr=False)
    memory_bytes: int | None = None
    num_parallel: int = 1
    max_loaded: int | None = None
    models: tuple[str, ...] = ()
    weight: float = 1.0
    fallback: bool = False
    scale_to_zero: bool = False
    warm_per_hour: int = 12
    pins: frozenset[str] = frozenset()
    kind: str = DEFAULT_KIND


def hosts_from(settings: Settings) -> tuple[Host, ...]:
    """The hosts of ``arena.toml``; without any, one named ``local`` at OLLAMA_HOST and OLLAMA_PORT.

    Raises:
        ConfigurationError: an address or a kind is none, two hosts share a name or an address (a host has one owner),
            or one that can't be asked which models it has, or is not because it scales to zero, lists none.
    """
    pins = frozenset(row.name for row in settings.models if row.pin)
    if not settings.hosts:
        url = base_url(settings.ollama_host, settings.ollama_port)
        return (Host("local", url, num_parallel=settings.arena_num_parallel, pins=pins),)
    hosts = tuple(_host(row, pins) for row in settings.hosts)
    _refuse_repeats("name", [host.name.lower() for host in hosts])
    _refuse_repeats("url", [shown(host.url) for host in hosts])  # one server, whoever logs in there
    return hosts


def _host(row: HostTable, pins: frozenset[str]) -> Host:
    kind = KINDS.get(row.kind)
    if kind is None:
        raise ConfigurationError(f"[[hosts]] {row.name}: kind is {row.kind!r}; choose one of {', '.join(KINDS)}")
    if not kind.lists_models and not row.models:
        raise ConfigurationError(f"[[hosts]] {row.name}: list its models: a server of kind {row.kind} can't be asked")
    if row.scale_to_zero and not row.models:
        raise ConfigurationError(f"[[hosts]] {row.name}: list its models: it scales to zero, so it isn't asked")
    return Host(
        name=row.name,
        url=base_url(row.url, setting=f"[[hosts]] {row.name}: url"),
        kind=row.kind,
        # Cards are sold in GB and hold GiB: a 24 GB card has 24 GiB.
        memory_bytes=None if row.memory_gb is None else int(row.memory_gb * _GIB),
        num_parallel=row.num_parallel,
        max_loaded=row.max_loaded,
        models=row.models,
        weight=row.weight,
        fallback=row.fallback,
        scale_to_zero=row.scale_to_zero,
        warm_per_hour=row.warm_per_hour,
        pins=pins,
    )


def _refuse_repeats(field: str, values: list[str]) -> None:
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise ConfigurationError(f"[[hosts]]: {count} hosts have the {field} {value!r}; give each its own")
