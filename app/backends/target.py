"""Where a model server is, and what stands at the top of every request to it."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from app import __version__
from app.network.addresses import shown

USER_AGENT = f"progressive-arena/{__version__}"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Access:
    """How a model server is reached: its address, the headers of every request to it, and whom its TLS trusts.

    ``ca`` is the path of a file with the certificates of an authority of one's own, which is then the only one that is
    believed; empty for those that this machine trusts.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca: str = ""

    def target(self) -> Target:
        """Where to connect.

        Raises:
            ValueError: the address is none.
            OSError: the file with the certificates can't be read (ssl.SSLError: or has none).
        """
        return Target.of(self.url, ssl.create_default_context(cafile=self.ca) if self.ca else None, self.headers)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and what stands at the top of every request to it."""

    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None
    head: str = field(repr=False)

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None = None, headers: tuple[tuple[str, str], ...] = ()) -> Target:
        """Take ``http[s]://[user:password@]host[:port][/prefix]`` apart; ``headers`` go with every request.

        Certificates are checked by ``tls``, or against those that this machine trusts.

        Raises:
            ValueError: it is no such address.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{shown(url)!r} is not an http or https address")
        secure = parts.scheme == "https"
        port = parts.port or _PORTS[parts.scheme]
        head = f"Host: {_host_header(parts.hostname, port, _PORTS[parts.scheme])}\r\nUser-Agent: {USER_AGENT}\r\n"
        head += "Accept-Encoding: identity\r\n"
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            head += f"Authorization: Basic {base64.b64encode(secret).decode()}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        context = (tls or ssl.create_default_context()) if secure else None
        return cls(parts.hostname, port, parts.path.rstrip("/"), context, head)

    def path_to(self, location: str) -> str | None:
        """The path (below the prefix) that a redirect leads to; None when it leads to another server."""
        parts = urlsplit(location)
        if parts.scheme or parts.netloc:
            port = parts.port or _PORTS.get(parts.scheme)
            own = "https" if self.tls is not None else "http"
            if (parts.scheme, (parts.hostname or "").lower(), port) != (own, self.host.lower(), self.port):
                return None
        if not parts.path.startswith(f"{self.prefix}/"):
            return None
        path = parts.path.removeprefix(self.prefix)
        return f"{path}?{parts.query}" if parts.query else path

    def request(self, method: str, path: str, body: bytes | None = None, *, last: bool = True) -> bytes:
        """The bytes of one request, the ``last`` of its connection or not; a ``body`` is JSON."""
        head = f"{method} {self.prefix}{path} HTTP/1.1\r\n{self.head}"
        if last:
            head += "Connection: close\r\n"
        if body is None:
            return f"{head}\r\n".encode()
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _host_header(host: str, port: int, usual: int) -> str:
    """Without the scheme's own port, as RFC 9110 has it and every other client sends it; a zone stays in it."""
    bare = host.partition("%")[0]
    name = f"[{bare}]" if ":" in bare else bare
    return name if port == usual else f"{name}:{port}"
