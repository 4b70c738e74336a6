"""Which proxies are believed when they say who called (``X-Forwarded-For``). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

EVERYBODY = "*"


def checked_proxies(given: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses, networks or ``*``, as they were given.

    Raises:
        ValueError: one is none of these.
    """
    for one in given:
        if one == EVERYBODY:
            continue
        try:
            ip_network(one)
        except ValueError as error:
            raise ValueError(
                f"{one!r} is no address of a proxy ({error}); write 10.0.0.5, 10.0.0.0/8 or * for all, comma-separated"
            ) from None
    return given


def is_trusted(address: str, proxies: Iterable[str]) -> bool:
    """Whether the proxy at ``address`` is among ``proxies``."""
    proxies = tuple(proxies)
    if EVERYBODY in proxies:
        return True
    try:
        own = ip_address(address)
    except ValueError:
        return False
    return any(own in ip_network(one) for one in proxies)
