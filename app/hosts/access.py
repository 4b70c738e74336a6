"""How a host is reached, of what its table says: headers, a key from the environment, an authority of one's own."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping

from app.backends.target import Access
from app.errors import ConfigurationError
from app.settings.settings import HostTable

FROM_ENVIRONMENT = "env:"
"""A header's value that begins like this is the name of the variable that holds it."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]+")
_OURS = ("host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding")
_CONVERSATION = "x-conversation-id"

Find = Callable[[str], str | None]
"""Gives the value of a variable of the environment (or of ``.env``), if it is set."""


def access_of(row: HostTable, url: str, find: Find) -> Access:
    """The access to the host of ``row``.

    Raises:
        ConfigurationError: a variable is not set, a header can't be sent, or the authority's file can't be read.
    """
    setting = f"[[hosts]] {row.name}"
    headers = {name: _value(f"{setting}: headers.{name}", value, find) for name, value in row.headers.items()}
    _refuse_headers(setting, headers)
    if row.api_key_env:
        if any(name.lower() == "authorization" for name in headers):
            raise ConfigurationError(f"{setting}: give either api_key_env or an Authorization in headers, not both")
        headers["Authorization"] = f"Bearer {_variable(f'{setting}: api_key_env', row.api_key_env, find)}"
    return Access(url, tuple(headers.items()), _authority(row, setting))


def _value(setting: str, value: str, find: Find) -> str:
    if not value.startswith(FROM_ENVIRONMENT):
        return value
    return _variable(setting, value.removeprefix(FROM_ENVIRONMENT), find)


def _variable(setting: str, name: str, find: Find) -> str:
    value = (find(name) or "").strip()
    if not value:
        raise ConfigurationError(f"{setting}: the variable {name} is not set; set it in the environment or in .env")
    if not _VALUE.fullmatch(value):
        raise ConfigurationError(f"{setting}: the variable {name} holds what no header can: write printable ASCII")
    return value


def _refuse_headers(setting: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() == _CONVERSATION:
            raise ConfigurationError(
                f"{setting}: leave {name} out of headers: with it llama-server goes on writing when nobody reads"
            )
        if name.lower() in _OURS:
            raise ConfigurationError(f"{setting}: leave {name} out of headers: the arena sends its own")
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ConfigurationError(f"{setting}: headers.{name} is no header; write a name and printable ASCII")


def _authority(row: HostTable, setting: str) -> str:
    if row.ca_file is None:
        return ""
    try:
        ssl.create_default_context(cafile=row.ca_file)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"{setting}: ca_file: {row.ca_file} can't be read as certificates ({why})") from None
    return str(row.ca_file)
