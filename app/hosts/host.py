"""A host: one model server at one address, as it is configured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from app.backends.target import Access
from app.errors import ConfigurationError
from app.hosts.access import access_of
from app.hosts.address import base_url
from app.hosts.kinds import DEFAULT_KIND, KINDS, Kind, ServerPlace
from app.network.addresses import shown
from app.settings.settings import HostTable, Settings, variable

_GIB = 1024**3
_USUAL_API = "/v1"


@dataclass(frozen=True, slots=True)
class Host:
    """One model server; ``kind`` names its protocol (``app.hosts.kinds``), ``kind_was_found`` if nobody said it.

    ``headers`` go with every request; ``ca`` is the file of the authority that its TLS is checked by; ``api`` is what
    stands before the API's paths, where that is a kind's own. ``memory_bytes`` is the memory of its cards, None when
    unknown. ``num_parallel`` answers of one model run at once, unless with ``asks_slots`` the server says how many do;
    ``max_loaded`` models stay loaded at once, None for Ollama's own default of three. ``models`` restricts what it may
    serve; empty: whatever it has. Of two hosts that could write an answer, one of twice the ``weight`` gets twice as
    many. A ``fallback`` is asked only when no other host can, and its answers are marked. A host that scales to zero
    is left alone when nobody plays, sleeps after ``scaledown`` without a request, and is warmed at most
    ``warm_per_hour`` times an hour. ``pins`` are models that should stay in memory, on any host.

    ``price_per_hour`` is what it costs while it is awake; once ``budget_per_day`` is spent, in the same currency,
    nothing wakes it any more until the next day (UTC).
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
    scaledown: timedelta = timedelta(minutes=5)
    price_per_hour: float | None = None
    budget_per_day: float | None = None
    pins: frozenset[str] = frozenset()
    kind: str = DEFAULT_KIND
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca: str = ""
    api: str = ""
    asks_slots: bool = False
    kind_was_found: bool = False

    @property
    def place(self) -> ServerPlace:
        """Where its server is and how it is reached."""
        return ServerPlace(Access(self.url, self.headers, self.ca), self.api, wakes=self.scale_to_zero)


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


def _kind(row: HostTable) -> Kind:
    """The kind of the server; one that is not asked which models it has needs a list of them."""
    kind = KINDS.get(row.kind or DEFAULT_KIND)
    if kind is None:
        raise ConfigurationError(f"[[hosts]] {row.name}: kind is {row.kind!r}; choose one of {', '.join(KINDS)}")
    reasons = (
        (not kind.lists_models, f"a server of kind {row.kind} can't be asked"),
        (kind.costs, f"a server of kind {row.kind} may have hundreds that cost money"),
        (row.scale_to_zero, "it scales to zero, so it isn't asked"),
    )
    why = next((why for holds, why in reasons if holds), None)
    if why is not None and not row.models:
        raise ConfigurationError(f"[[hosts]] {row.name}: list its models: {why}")
    return kind


def _host(row: HostTable, pins: frozenset[str]) -> Host:
    kind = _kind(row)
    url, api = _addresses(row, kind)
    access = access_of(row, url, variable)
    if row.budget_per_day is not None and not (row.scale_to_zero and row.price_per_hour):
        raise ConfigurationError(f"[[hosts]] {row.name}: budget_per_day needs scale_to_zero and a price_per_hour")
    return Host(
        name=row.name,
        url=url,
        kind=row.kind or DEFAULT_KIND,
        headers=access.headers,
        ca=access.ca,
        api=api,
        asks_slots=kind.asks_slots and row.num_parallel is None,
        # Cards are sold in GB and hold GiB: a 24 GB card has 24 GiB.
        memory_bytes=None if row.memory_gb is None else int(row.memory_gb * _GIB),
        num_parallel=row.num_parallel or kind.slots,
        max_loaded=row.max_loaded or kind.max_loaded,
        models=row.models,
        weight=row.weight,
        fallback=row.fallback,
        scale_to_zero=row.scale_to_zero,
        warm_per_hour=row.warm_per_hour,
        scaledown=row.scaledown,
        price_per_hour=row.price_per_hour,
        budget_per_day=row.budget_per_day,
        pins=pins,
    )


def _addresses(row: HostTable, kind: Kind) -> tuple[str, str]:
    """The server's address, and what stands before its API's paths: clients are given both together, as a base URL."""
    setting = f"[[hosts]] {row.name}: url"
    if not kind.has_api_path:
        if row.api_path is not None:
            raise ConfigurationError(f"[[hosts]] {row.name}: leave api_path out: kind {row.kind} has its own paths")
        # A base URL as OpenAI's clients are given it may be what it is, as long as nobody says otherwise.
        bare = _trimmed(row.url).removesuffix(_USUAL_API) if row.kind is None else row.url
        return base_url(bare, setting=setting), ""
    api = _USUAL_API if row.api_path is None else row.api_path
    address = _trimmed(row.url)
    return base_url(address.removesuffix(api), setting=setting, usual_port=kind.port), api


def _trimmed(url: str) -> str:
    return url.strip().rstrip("/")


def _refuse_repeats(field: str, values: list[str]) -> None:
    value, count = Counter(values).most_common(1)[0]
    if count > 1:
        raise ConfigurationError(f"[[hosts]]: {count} hosts have the {field} {value!r}; give each its own")
