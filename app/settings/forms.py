"""The forms in which settings are written, and how each is read. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.network.proxies import checked_proxies
from app.settings.api_keys import ApiKey, parse_keys
from app.settings.times import parse_duration

FOREVER = timedelta(days=73_000)
"""What is meant by a negative keep_alive: longer than the century from which on Ollama gets "for ever"."""

LEVELS = ("low", "medium", "high", "max")
_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

# What Kubernetes (and Docker's old links) set as X_PORT for a service that is called x.
_SERVICE_LINK = re.compile(r"(?:tcp|udp|sctp)://\S*")

# Ollama's own types (api/types.go, Options and Runner); what is of another type there is answered with 400.
_WHOLE = (
    "num_ctx",
    "num_predict",
    "seed",
    "num_keep",
    "top_k",
    "repeat_last_n",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
)
_NUMBERS = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_LEAST = {"num_ctx": 1, "num_predict": 1, "temperature": 0}


def parse_keep_alive(value: object) -> object:
    """A duration, or a negative one, which is Ollama's word for "for ever"."""
    duration = timedelta(seconds=value) if isinstance(value, int | float) else parse_duration(value)
    return FOREVER if isinstance(duration, timedelta) and duration < timedelta(0) else duration


def parse_think(value: object) -> object:
    """A switch in its usual words, or one of the levels that some models know."""
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _SWITCHES:
        return _SWITCHES[text]
    if text in LEVELS:
        return text
    raise ValueError(f"is none of true, false, {', '.join(LEVELS)}")


def is_service_link(value: object) -> bool:
    """Whether this is what a container platform sets for a service of that name, and not a port."""
    return isinstance(value, str) and _SERVICE_LINK.fullmatch(value.strip()) is not None


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what no Ollama server takes as a model's options.

    Raises:
        ValueError: the sentence begins with ``options.`` and the option's name.
    """
    for name, value in options.items():
        trouble = _trouble(name, value)
        if trouble:
            raise ValueError(f"options.{name} {trouble}")


def _trouble(name: str, value: object) -> str:
    if name == "think":
        return "is no option: write think into the table itself"
    return _trouble_of_number(name, value) or _trouble_of_kind(value)


def _trouble_of_number(name: str, value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _WHOLE and not (isinstance(value, int) and number):
        return "has to be a whole number"
    if name in _NUMBERS and not number:
        return "has to be a number"
    if isinstance(value, float) and not math.isfinite(value):
        return "has to be a finite number"
    if name in _LEAST and isinstance(value, int | float) and value < _LEAST[name]:
        return f"has to be at least {_LEAST[name]}"
    return ""


def _trouble_of_kind(value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float | bool) for part in parts):
        return "has to be a number, a text, a switch, or a list of them"
    return ""


def _split(value: object) -> object:
    """Turn a comma-separated line into a tuple of trimmed names."""
    return _parts(value) if isinstance(value, str) else value


def _parts(line: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in line.split(",") if part.strip())


def empty_is_none(value: object) -> object:
    """An empty setting is as good as none."""
    return None if isinstance(value, str) and not value.strip() else value


def _port(value: object) -> object:
    return None if is_service_link(value) else empty_is_none(value)


def _path(value: object) -> object:
    """``~`` is the user's folder, as a shell would have it where the value stands unquoted."""
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, and there is no such user's folder; write the whole path") from None


def _stripped(value: object) -> object:
    """Files that secrets are kept in end with a newline, which is no part of them."""
    return value.strip() if isinstance(value, str) else value


_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


def _origins(given: tuple[str, ...]) -> tuple[str, ...]:
    """Origins as browsers send them: in small letters, without a path."""
    origins = tuple(origin.lower() for origin in given)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is no origin: write it like https://example.org, without a path, or * for all"
            )
    return origins


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
KeepAlive = Annotated[timedelta, BeforeValidator(parse_keep_alive)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)]
Proxies = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(checked_proxies)]
ApiKeys = Annotated[
    tuple[ApiKey, ...],
    NoDecode,
    BeforeValidator(lambda value: parse_keys(_parts(value)) if isinstance(value, str) else value),
    Field(repr=False),
]
"""Keys as digests: the keys themselves are forgotten where they are read."""
Think = Annotated[bool | str, BeforeValidator(parse_think)]
Port = Annotated[int, Field(ge=1, le=65535)]
OptionalPort = Annotated[Port | None, BeforeValidator(_port)]
UserPath = Annotated[Path, BeforeValidator(_path)]
Secret = Annotated[str, BeforeValidator(_stripped), Field(repr=False)]
"""A password, or an address that may hold one: never in a ``repr``."""
