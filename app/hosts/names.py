"""Models' names as Ollama reads them: ``[host/][namespace/]model[:tag]``.

The defaults are ``registry.ollama.ai``, ``library`` and ``latest``; servers list the short form, always with its tag,
and find names whatever their case. ``llama3.1-8b`` is a model of that name and not the tag ``8b`` of ``llama3.1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_REGISTRY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_OTHER_SERVERS = re.compile(r"[/.\\]?[A-Za-z0-9_.\\~@][\x21-\x7e]{1,598}")
_DEFAULTS = ("registry.ollama.ai", "library")


def canonical(name: str) -> str:
    """The short form in lower case, with its tag: two names with the same one are the same model.

    Raises:
        ValueError: Ollama would not take the name.
    """
    path, tag = name.strip().partition("://")[2] or name.strip(), "latest"
    if path.rfind(":") > path.rfind("/"):
        path, _, tag = path.rpartition(":")
    *where, model = path.split("/")
    registry, namespace = ([*_DEFAULTS][: 2 - len(where)] + where)[-2:] if len(where) <= 2 else ("", "")
    parts_are_valid = all(_PART.fullmatch(part) for part in (namespace, model, tag))
    if not parts_are_valid or not _REGISTRY.fullmatch(registry):
        raise ValueError(f"{name!r} is not a model's name; write it like llama3.1:8b")
    short = [model] if namespace.lower() == _DEFAULTS[1] else [namespace, model]
    if registry.lower() != _DEFAULTS[0]:
        short = [registry, namespace, model]
    return f"{'/'.join(short)}:{tag}".lower()


@lru_cache(maxsize=1024)
def model_key(name: str) -> str:
    """What two names of the same model have in common; empty for a name that no server can mean.

    Names that Ollama would not take (llama-server's paths, names of many parts) only fold case.
    """
    try:
        return canonical(name)
    except ValueError:
        return name.strip().casefold() if _OTHER_SERVERS.fullmatch(name.strip()) else ""


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same model."""
    key = model_key(one)
    return bool(key) and key == model_key(other)


def is_cloud(name: str) -> bool:
    """Whether a server would pass the prompt on to Ollama's cloud instead of answering itself."""
    return name.strip().lower().endswith((":cloud", "-cloud"))


def did_you_mean(name: str, installed: Iterable[str]) -> str | None:
    """The installed name that ``name`` was most likely meant to be; None when none is near."""
    known = list(installed)
    wanted = _bare(name)
    for other in known:
        if _bare(other) == wanted or _bare(other.removesuffix(":latest")) == wanted:
            return other
    family = name.strip().lower().partition(":")[0]
    for other in known:
        if other.lower().partition(":")[0] == family:
            return other
    near = get_close_matches(name.strip().lower(), [other.lower() for other in known], n=1, cutoff=0.7)
    return next((other for other in known if near and other.lower() == near[0]), None)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=1024)
def key_of(name: str) -> str:
    """Return what two names of the same model have in common; names that Ollama would not take only fold case."""
    try:
        return canonical(name)
    except ValueError:
        return name.strip().casefold()
