"""Addresses that may hold a password: how they are shown, and which of them are ambiguous.

Wherever an address leaves the process (a log line, an error, a finding, a response), it goes through ``shown``.

RFC 3986 ends the user's part of an address at the first ``/``, ``?`` or ``#`` after ``//``, and lets no ``@`` into it.
Readers of addresses differ in what they make of a password that has them all the same: redis-py then takes the rest
for a path and connects to localhost, SQLAlchemy takes the password's tail for a host. So such an address is refused.
"""

from __future__ import annotations

import ipaddress
import re

from app.errors import ConfigurationError

ESCAPES = "@ is %40, / is %2F, ? is %3F, # is %23, : is %3A, % is %25"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_PLACE = re.compile(r"([A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._~-]+)?\])(:[0-9]{0,5})?")
_IP = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._~-]+)?")
_AMBIGUOUS = re.compile(r"[@/?#\[\]]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The words of a query that name a place; any other may be a secret.
_PLACES = ("host", "port", "db", "dbname", "database")
_HIDDEN = "…"


def shown(address: str) -> str:
    """``address`` without user, password and whatever else in it could be one; for any text at all."""
    scheme, found, rest = address.partition("://")
    if scheme.lower().startswith("sqlite") and rest.startswith("/"):
        return address.partition("?")[0]  # a file: there is no place for a password
    if not found or not _SCHEME.fullmatch(scheme):
        scheme, found, rest = "", "", address
    login, _, rest = rest.rpartition("@")
    rest = rest.partition("#")[0]
    place, _, query = rest.partition("?")
    hosts, slash, path = place.partition("/")
    known = is_ip(hosts) or all(_PLACE.fullmatch(host) for host in hosts.split(","))
    if not known or _AMBIGUOUS.search(login):
        return f"{scheme}{found}{_HIDDEN}"
    kept = "&".join(word for word in query.split("&") if word.partition("=")[0].lower() in _PLACES)
    return f"{scheme}{found}{hosts}{slash}{path}" + (f"?{kept}" if kept else "")


def refuse_unescaped(address: str, setting: str) -> None:
    """Refuse an address that does not show where its user and password end.

    Raises:
        ConfigurationError: it has to be percent-encoded; the sentence names ``setting`` and never the address.
    """
    scheme, found, rest = address.partition("://")
    secret, at, _ = (rest if found and _SCHEME.fullmatch(scheme) else address).rpartition("@")
    if (at and _AMBIGUOUS.search(secret)) or _CONTROL.search(address):
        raise ConfigurationError(
            f"{setting}: a user name or password with special characters can't be read for certain; "
            f"percent-encode them ({ESCAPES})"
        )


def host_and_port(text: str, setting: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port``, ``:port``, ``[v6]:port``, ``[v6]`` or a bare ``v6``; an empty port is none.

    Raises:
        ConfigurationError: the port is none; the sentence names ``setting``.
    """
    if is_ip(text):
        return text, None
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, colon, port = text.rpartition(":")
        host, port = (host, port) if colon else (text, "")
    if not port:
        return host, None
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if not 0 < number <= 65535:
        raise ConfigurationError(f"{setting}: the port is no number from 1 to 65535; write host:port")
    return host, number


def is_ip(text: str) -> bool:
    """Whether ``text`` is an IP address, without brackets; an IPv6 zone may stand at its end."""
    if not _IP.fullmatch(text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """``host`` as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
