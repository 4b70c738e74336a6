"""The address of an Ollama server, in every form that Ollama's own tools take.

Ollama reads OLLAMA_HOST like this (its ``envconfig``): quotes and spaces around it go; without a scheme it is http
with port 11434, ``http://`` alone means port 80 and ``https://`` 443; ``:port`` is a port of this machine; IPv6 comes
with or without brackets; a path is kept; a port that is none counts as not given; ``ollama.com`` is https. What a
server listens on (0.0.0.0, ``::``) is no place to connect to, so for a client it means loopback.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

from app.errors import ConfigurationError

_DEFAULT_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_CLOUD = "ollama.com"
# What may stand in a host name; anything else would end up in a request's head.
_HOST = re.compile(r"[A-Za-z0-9._~-]+")
_IP = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._~-]+)?")


def base_url(address: str, port: int | None = None, setting: str = "OLLAMA_HOST") -> str:
    """Turn ``address`` into ``scheme://host:port[/path]``; ``port`` (OLLAMA_PORT) is used when it has none.

    Raises:
        ConfigurationError: it is no address of an HTTP server; the sentence names ``setting``.
    """
    text = address.strip().strip("\"'").strip()
    scheme, default, rest = _scheme(text, setting)
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    netloc, _, path = rest.partition("/")
    user, at, where = netloc.rpartition("@")
    host, named = _host_and_port(where)
    if not _HOST.fullmatch(host) and not _is_ip(host):
        raise ConfigurationError(f"{setting}: {address!r} names no host; write host, host:port or http://host:port")
    shown = f"[{host}]" if ":" in host else host
    path = quote(path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    user = quote(user, safe=":%!$&'()*+,;=~-._")
    chosen = default if named is None and port is None else named or port
    return f"{scheme}://{user}{at}{shown}:{chosen}" + (f"/{path}" if path else "")


def _scheme(text: str, setting: str) -> tuple[str, int, str]:
    scheme, found, rest = text.partition("://")
    if not found:
        return ("https", 443, text) if text == _CLOUD else ("http", _DEFAULT_PORT, text)
    scheme = scheme.lower()
    if scheme not in _SCHEME_PORTS:
        raise ConfigurationError(f"{setting}: {text!r} is neither http:// nor https://; write http://host:port")
    return scheme, _SCHEME_PORTS[scheme], rest


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port``, ``:port``, ``[v6]:port``, ``[v6]`` or a bare ``v6``."""
    if _is_ip(text):
        return _reachable(text), None
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, colon, port = text.rpartition(":")
        host, port = (host, port) if colon else (text, "")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    return _reachable(host), number if 0 < number <= 65535 else None


def _reachable(host: str) -> str:
    """The host to connect to: nothing is this machine, and so is "every address of this machine"."""
    if not host:
        return "127.0.0.1"
    if not _is_ip(host):
        return host.lower()
    ip = ipaddress.ip_address(host)
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "::1"
    return str(ip)


def _is_ip(text: str) -> bool:
    if not _IP.fullmatch(text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
