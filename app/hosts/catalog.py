"""Which models can be contestants: those configured, or all that can chat, as far as hosts really have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.backends.base import InstalledModel
from app.hosts.host import Host
from app.hosts.names import canonical, did_you_mean, is_cloud, model_key, same_model
from app.hosts.probes import ProbeResult
from app.network.addresses import shown

__all__ = [
    "Catalog",
    "Contender",
    "Missing",
    "Unreachable",
    "can_chat",
    "canonical",
    "catalog",
    "did_you_mean",
    "is_cloud",
    "same_model",
]


@dataclass(frozen=True, slots=True)
class Missing:
    """A configured model that no host has, and what was probably meant."""

    name: str
    suggestion: str | None = None

    @property
    def explained(self) -> bool:
        """Whether its name explains it: a misspelling, or a cloud model."""
        return self.suggestion is not None or is_cloud(self.name)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A host that does not answer; ``url`` is its address as it may be shown."""

    host: str
    url: str
    error: str


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that can enter battles, under the name that its servers list, and the hosts that have it."""

    model: str
    hosts: tuple[str, ...]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Catalog:
    """What can be drawn, and why not more.

    ``duplicates`` are names that are not drawn, each with the contender that it is a second name of.
    """

    contenders: tuple[Contender, ...] = ()
    missing: tuple[Missing, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()
    duplicates: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the contenders, in configured order."""
        return tuple(contender.model for contender in self.contenders)

    def find(self, name: str) -> Contender | None:
        """The contender that ``name`` means, in any form of its name."""
        return next((contender for contender in self.contenders if same_model(contender.model, name)), None)

    def drawn_for(self, name: str) -> str | None:
        """The contender that is drawn instead of ``name``, because both are one; None where there is none."""
        return next((first for duplicate, first in self.duplicates.items() if same_model(duplicate, name)), None)

    def notices(self) -> tuple[str, ...]:
        """One line for each name that is not drawn because another is the same."""
        return tuple(
            f"{duplicate} is {first} under another name (one digest, asked alike): only {first} is drawn, or it would "
            "meet itself; name one of them in ARENA_MODELS"
            for duplicate, first in self.duplicates.items()
        )

    def warnings(self) -> tuple[str, ...]:
        """One line for each host that does not answer and each model that certainly no host has.

        A model that may be on a host that does not answer gets no line of its own.
        """
        sure = [missing for missing in self.missing if missing.explained or not self.unreachable]
        return tuple(map(_host_warning, self.unreachable)) + tuple(map(_model_warning, sure))


def can_chat(model: InstalledModel) -> bool:
    """Whether a model answers messages on this very server (no embeddings, nothing of a cloud)."""
    if model.remote or is_cloud(model.name):
        return False
    return not model.capabilities or "completion" in model.capabilities


def is_named(model: InstalledModel, name: str) -> bool:
    """Whether a server takes ``name`` for this model."""
    return any(same_model(one, name) for one in (model.name, *model.aliases))


def can_think(model: InstalledModel) -> bool:
    """Whether a model may be asked to think; one whose server does not say may."""
    return not model.capabilities or "thinking" in model.capabilities


def catalog(
    configured: Sequence[str],
    hosts: Sequence[Host],
    states: Mapping[str, ProbeResult],
    remembered: Mapping[str, Sequence[InstalledModel]] | None = None,
    *,
    asked: Callable[[str], object] = lambda name: None,  # noqa: ARG005 - all alike
) -> Catalog:
    """Match ``configured`` (ARENA_MODELS; empty: everything that can chat) with what the hosts' states show.

    A host without a state has not been probed yet and counts as neither. What only a fallback has is no contestant
    unless it is configured; what others have, or are ``remembered`` to have had, may be written by a fallback too.

    Names of one digest whose models are ``asked`` with equal things (options, system prompt) are one contestant: the
    first in the operator's list, else the first by the alphabet, which does not change when a tag is made anew.
    """
    found_models = _found_models(hosts, states)
    wanted = tuple(configured) or _named_by(hosts) or _of_no_fallback(hosts, states, remembered or {}, found_models)
    contenders, digests = _contenders(wanted, found_models), _digests(hosts, states)
    listed = contenders if configured or _named_by(hosts) else sorted(contenders, key=lambda one: _key(one.model))
    duplicates = _duplicates(listed, digests, asked)
    drawn = tuple(one for one in contenders if one.model not in duplicates)
    return Catalog(drawn, _missing(wanted, found_models), _unreachable(hosts, states), duplicates)


def _found_models(hosts: Sequence[Host], states: Mapping[str, ProbeResult]) -> dict[str, Contender]:
    """What the hosts' states show, by each name and alias."""
    found: dict[str, Contender] = {}
    for host in hosts:
        state = states.get(host.name)
        for model in _served(host, state) if state is not None else ():
            for name in (model.name, *model.aliases):
                found[_key(name)] = _joined(found.get(_key(name)), replace(model, name=name), host.name)
    return found


def _digests(hosts: Sequence[Host], states: Mapping[str, ProbeResult]) -> dict[str, set[str]]:
    """The digests of each model on all hosts that report them, by key."""
    found: dict[str, set[str]] = {}
    for host in hosts:
        state = states.get(host.name)
        for model in _served(host, state) if state is not None else ():
            if model.digest:
                found.setdefault(_key(model.name), set()).add(model.digest)
    return found


def _duplicates(
    contenders: Iterable[Contender], digests: Mapping[str, set[str]], asked: Callable[[str], object]
) -> dict[str, str]:
    """By name, the earlier contender that has a digest in common with it and is asked alike."""

    def same(one: str, other: str) -> bool:
        common = digests.get(_key(one), set()) & digests.get(_key(other), set())
        return bool(common) and asked(one) == asked(other)

    firsts: list[str] = []
    duplicates: dict[str, str] = {}
    for model in (contender.model for contender in contenders):
        first = next((one for one in firsts if same(one, model)), None)
        if first is None:
            firsts.append(model)
        else:
            duplicates[model] = first
    return duplicates


def _of_no_fallback(
    hosts: Sequence[Host],
    states: Mapping[str, ProbeResult],
    remembered: Mapping[str, Sequence[InstalledModel]],
    found_models: Mapping[str, Contender],
) -> tuple[str, ...]:
    own: set[str] = set()
    for host in hosts:
        if not host.fallback:
            state = states.get(host.name)
            live = state.installed if state is not None and state.reachable else remembered.get(host.name, ())
            own |= {_key(model.name) for model in _allowed(host, live)}
    return tuple(name for name in found_models if name in own)


def _served(host: Host, state: ProbeResult) -> list[InstalledModel]:
    return _allowed(host, state.installed)


def _allowed(host: Host, installed: Sequence[InstalledModel]) -> list[InstalledModel]:
    allowed = [model for model in installed if can_chat(model) and _key(model.name)]
    if not host.models:
        return allowed
    return [model for model in allowed if any(is_named(model, name) for name in host.models)]


def _joined(known: Contender | None, model: InstalledModel, host: str) -> Contender:
    if known is None:
        return Contender(model.name, (host,), model.size_bytes)
    if host in known.hosts:  # listed twice there
        return known
    return Contender(known.model, (*known.hosts, host), max(known.size_bytes, model.size_bytes))


def _named_by(hosts: Sequence[Host]) -> tuple[str, ...]:
    """The hosts' own lists, when every host has one."""
    if not all(host.models for host in hosts):
        return ()
    return tuple(dict.fromkeys(name for host in hosts for name in host.models))


def _contenders(wanted: Iterable[str], found_models: Mapping[str, Contender]) -> tuple[Contender, ...]:
    keys = dict.fromkeys(key for key in map(_key, wanted) if key in found_models)
    return tuple(found_models[key] for key in keys)


def _missing(wanted: Iterable[str], found_models: Mapping[str, Contender]) -> tuple[Missing, ...]:
    wanted = tuple(wanted)
    taken = {_key(name) for name in wanted}
    names = [contender.model for key, contender in found_models.items() if key not in taken]
    absent = dict.fromkeys(name for name in wanted if _key(name) not in found_models)
    return tuple(Missing(name, did_you_mean(name, names)) for name in absent)


def _unreachable(hosts: Sequence[Host], states: Mapping[str, ProbeResult]) -> tuple[Unreachable, ...]:
    dead = [(host, state) for host in hosts if (state := states.get(host.name)) is not None and not state.reachable]
    return tuple(Unreachable(host.name, shown(host.url), state.error or "no answer") for host, state in dead)


def _key(name: str) -> str:
    """What names of one model have in common; a cloud's, or one that no server can mean, matches nothing."""
    return "" if is_cloud(name) else model_key(name)


def _host_warning(host: Unreachable) -> str:
    return (
        f"host {host.host} at {host.url} does not answer ({host.error}): "
        "start Ollama there (ollama serve) or fix OLLAMA_HOST or [[hosts]]"
    )


def _model_warning(missing: Missing) -> str:
    if is_cloud(missing.name):
        return f"model {missing.name} runs in Ollama's cloud and never enters a battle: take it out of ARENA_MODELS"
    if missing.suggestion:
        return f"model {missing.name} is on no host: did you mean {missing.suggestion}? Correct ARENA_MODELS"
    return f"model {missing.name} is on no host: run ollama pull {missing.name} there, or take it out of ARENA_MODELS"
