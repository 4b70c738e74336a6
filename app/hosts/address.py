"""The address of an Ollama server, in every form that Ollama's own tools take.

Ollama reads OLLAMA_HOST like this (its ``envconfig``): quotes and spaces around it go; without a scheme it is http
with port 11434, ``http://`` alone means port 80 and ``https://`` 443; ``:port`` is a port of this machine; IPv6 comes
with or without brackets; a path is kept; ``ollama.com`` is https. What a server listens on (0.0.0.0, ``::``) is no
place to connect to, so for a client it means loopback. A bad port is refused; Ollama takes its own default
instead, but that would be another server than the one that was meant.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

from app.errors import ConfigurationError
from app.network.addresses import bracketed, host_and_port, is_ip, refuse_unescaped

_DEFAULT_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_CLOUD = "ollama.com"
# What may stand in a host name; anything else would end up in a request's head.
_HOST = re.compile(r"[A-Za-z0-9._~-]+")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# The API's own paths, which clients add; with them twice in it every call would be a 404.
_API = re.compile(r"(?:^|/)((?:api|v1)(?:/(?:chat|chat/completions|completions|generate|models|tags|version))?)$")


def base_url(
    address: str, port: int | None = None, setting: str = "OLLAMA_HOST", usual_port: int = _DEFAULT_PORT
) -> str:
    """Turn ``address`` into ``scheme://host:port[/path]``; ``port`` (OLLAMA_PORT) is used when it has none.

    An address without a scheme and a port gets ``usual_port``.

    Raises:
        ConfigurationError: it is no address of an HTTP server; the sentence names ``setting``, and nothing of
            ``address`` that could be a password.
    """
    text = address.strip().strip("\"'").strip()
    scheme, default, rest = _scheme(text, setting, usual_port)
    refuse_unescaped(rest, setting)
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    netloc, _, path = rest.partition("/")
    user, at, where = netloc.rpartition("@")
    host, named = host_and_port(where, setting)
    host = host if at and not host else _reachable(host)
    if not _HOST.fullmatch(host) and not is_ip(host):
        raise ConfigurationError(f"{setting}: this names no host; write host, host:port or http://host:port")
    path = quote(path.rstrip("/"), safe="/%:!$&'()*+,;=~-._")
    _refuse_api(path, setting)
    user = quote(user, safe=":%!$&'()*+,;=~-._")
    chosen = default if named is None and port is None else named or port
    return f"{scheme}://{user}{at}{bracketed(host)}:{chosen}" + (f"/{path}" if path else "")


def _scheme(text: str, setting: str, usual_port: int) -> tuple[str, int, str]:
    scheme, found, rest = text.partition("://")
    if not found:
        secure = text == _CLOUD or usual_port == _SCHEME_PORTS["https"]
        return ("https", 443, text) if secure else ("http", usual_port, text)
    scheme = scheme.lower()
    if scheme not in _SCHEME_PORTS:
        what = f"{scheme}://" if _WORD.fullmatch(scheme) else "this"
        raise ConfigurationError(f"{setting}: {what} is neither http:// nor https://; write http://host:port")
    return scheme, _SCHEME_PORTS[scheme], rest


def _refuse_api(path: str, setting: str) -> None:
    found = _API.search(path)
    if found is not None:
        raise ConfigurationError(
            f"{setting}: leave out /{found[1]} at the end; give the server's address, the API's paths are added to it"
        )


def _reachable(host: str) -> str:
    """The host to connect to: nothing is this machine, and so is "every address of this machine"."""
    if not host:
        return "127.0.0.1"
    if not is_ip(host):
        return host.lower()
    ip = ipaddress.ip_address(host)
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "::1"
    return str(ip)
