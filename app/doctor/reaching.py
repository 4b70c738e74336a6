"""Looks at one model server, without ever making it generate or load anything.

Asked are its name (DNS), its port (TCP), ``/api/version``, ``/api/tags``, ``/api/ps`` and ``/api/show``, and where that
fails ``/``, the other scheme on the same port, and Ollama's own port. Each step has a limit of its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from app.backends.ollama_calls import InstalledReply, LoadedReply, VersionReply
from app.doctor.observation import HostSeen, Reach, Shape, key
from app.doctor.shapes import ShowReply
from app.hosts.host import Host
from app.hosts.names import same_model

_LARGEST = 8 * 1024 * 1024
_OLLAMAS_PORT = 11434
_MOST_SHOWN = 24

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take; together they stay under three seconds."""

    name: timedelta = timedelta(seconds=0.8)
    connect: timedelta = timedelta(seconds=0.8)
    ask: timedelta = timedelta(seconds=1.1)
    other_address: timedelta = timedelta(seconds=0.6)
    whole: timedelta = timedelta(seconds=2.8)


PATIENCE = Patience()


class _NotReached(Exception):
    """How far it got, and what was in the way."""

    def __init__(self, reach: Reach, detail: str = "") -> None:
        super().__init__(detail)
        self.reach, self.detail = reach, detail


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response, and the server's clock less ours by its Date header (known to about a second)."""

    status: int
    body: bytes
    location: str = ""
    skew_s: float | None = None


async def look_at(
    host: Host,
    wished: Sequence[str] = (),
    patience: Patience = PATIENCE,
    wall: Callable[[], float] = time.time,
) -> HostSeen:
    """What is to be seen of ``host``; ``wished`` are the names whose shapes matter (none: all installed ones).

    Never raises for a server in whatever state; over within ``patience.whole``.
    """
    seen = HostSeen(host, "silent", f"no answer within {patience.whole.total_seconds():g} s")
    verify: ssl.SSLContext | bool = ssl.create_default_context() if host.url.startswith("https") else False
    with suppress(TimeoutError):
        async with asyncio.timeout(patience.whole.total_seconds()), _client(verify) as http:
            seen = await _Look(host, http, patience, wall).all(wished)
    return seen


def _client(verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=None, verify=verify, trust_env=False, follow_redirects=False)


class _Look:
    """One look at one server."""

    def __init__(self, host: Host, http: httpx.AsyncClient, patience: Patience, wall: Callable[[], float]) -> None:
        self._host, self._http, self._patience, self._wall = host, http, patience, wall
        self._url = host.url.rstrip("/")
        parts = urlsplit(host.url)
        self._tls = parts.scheme == "https"
        self._name, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)

    async def all(self, wished: Sequence[str]) -> HostSeen:
        """From the name to the models, or as far as it goes."""
        addresses: tuple[str, ...] = ()
        try:
            addresses = await self._resolved()
            await self._connected()
            answer = await self._ask("/api/version")
            version = self._version(answer)
        except _NotReached as stop:
            instead = "" if stop.reach == "dns" else await self._instead()
            return HostSeen(self._host, stop.reach, stop.detail, addresses, instead)
        seen = HostSeen(self._host, "ollama", addresses=addresses, version=version, skew_s=answer.skew_s)
        return await self._with_models(seen, wished)

    async def _resolved(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(self._patience.name.total_seconds()):
                found = await _addresses(self._name, self._port)
        except TimeoutError:
            raise _NotReached("dns", f"no answer within {self._patience.name.total_seconds():g} s") from None
        except (OSError, UnicodeError) as error:
            raise _NotReached("dns", getattr(error, "strerror", None) or str(error)) from None
        return found

    async def _connected(self) -> None:
        limit_s = self._patience.connect.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                _, writer = await asyncio.open_connection(self._name, self._port)
        except TimeoutError:
            raise _NotReached("no_connection", f"no connection within {limit_s:g} s") from None
        except ConnectionRefusedError:
            raise _NotReached("refused", f"nobody listens on port {self._port}") from None
        except OSError as error:
            refused = "refused" in str(error).lower()  # several addresses, each with an error of its own
            raise _NotReached("refused" if refused else "unreachable", error.strerror or str(error)) from None
        writer.close()

    async def _ask(self, path: str, body: dict[str, str] | None = None) -> _Answer:
        """Ask once; _NotReached when nothing like HTTP comes back in time."""
        limit_s = self._patience.ask.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                return await _exchange(self._http, self._url + path, body, self._wall)
        except TimeoutError:
            raise _NotReached("silent", f"no answer to {path} within {limit_s:g} s") from None
        except httpx.HTTPError as error:
            raise _NotReached(*_broken(error, tls=self._tls)) from None

    def _version(self, answer: _Answer) -> str:
        if answer.status == 200 and (reply := _parsed(answer.body, VersionReply)) is not None:
            return reply.version
        if answer.status == 403 and not answer.body:
            raise _NotReached("forbidden", "HTTP 403 without a reason")
        if answer.status == 401 or (answer.status == 407):
            raise _NotReached("login", f"HTTP {answer.status}")
        words = " ".join(answer.body[:200].decode(errors="replace").split())[:80]
        where = f", redirected to {answer.location[:120]}" if answer.location else ""
        raise _NotReached("other", f"HTTP {answer.status}{where}: {words}" if words else f"HTTP {answer.status}{where}")

    async def _with_models(self, seen: HostSeen, wished: Sequence[str]) -> HostSeen:
        tags, ps = await asyncio.gather(self._ask("/api/tags"), self._ask("/api/ps"), return_exceptions=True)
        installed = _listed(tags, InstalledReply)
        models = () if installed is None else installed.values()
        loaded = _listed(ps, LoadedReply)
        if installed is None or loaded is None:
            late = [str(answer) for answer in (tags, ps) if isinstance(answer, _NotReached)]
            return replace(seen, reach="slow", detail="; ".join(late) or "not in Ollama's words", installed=models)
        asked = [model.name for model in models if not wished or any(same_model(model.name, name) for name in wished)]
        seen = replace(seen, installed=models, loaded=loaded.values())
        shapes = await asyncio.gather(*(self._shape(name) for name in asked[:_MOST_SHOWN]))
        return replace(seen, shapes={key(name): shape for name, shape in zip(asked, shapes, strict=False) if shape})

    async def _shape(self, model: str) -> Shape | None:
        """The shape of a model; None when the server does not tell it in time, which is no trouble of its own."""
        try:
            answer = await self._ask("/api/show", {"model": model})
        except _NotReached:
            return None
        reply = _parsed(answer.body, ShowReply)
        return None if reply is None else reply.shape()

    async def _instead(self) -> str:
        """Another address on the same machine at which an Ollama answers; empty if there is none."""
        name = f"[{self._name}]" if ":" in self._name else self._name
        other = "http" if self._tls else "https"
        candidates = [f"{other}://{name}:{self._port}"]
        if self._port != _OLLAMAS_PORT:
            candidates.append(f"http://{name}:{_OLLAMAS_PORT}")
        async with _client(verify=False) as http:  # the question carries no secret, and nothing of the answer is kept
            found = await asyncio.gather(*(self._is_ollama(http, url) for url in candidates))
        return next((url for url, is_one in zip(candidates, found, strict=True) if is_one), "")

    async def _is_ollama(self, http: httpx.AsyncClient, url: str) -> bool:
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(self._patience.other_address.total_seconds()):
                answer = await _exchange(http, f"{url}/api/version", None, self._wall)
            return answer.status == 200 and _parsed(answer.body, VersionReply) is not None
        return False


async def _exchange(
    http: httpx.AsyncClient, url: str, body: dict[str, str] | None, wall: Callable[[], float]
) -> _Answer:
    began = wall()
    method = "GET" if body is None else "POST"
    async with http.stream(method, url, json=body) as response:
        middle = (began + wall()) / 2
        read = bytearray()
        async for piece in response.aiter_bytes():
            read += piece
            if len(read) > _LARGEST:
                break
    skew_s = _skew_s(response.headers.get("date", ""), middle)
    return _Answer(response.status_code, bytes(read), response.headers.get("location", ""), skew_s)


def _skew_s(date: str, now: float) -> float | None:
    """A Date header is cut to whole seconds, so half a second is added."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now
    except (ValueError, TypeError, OverflowError):
        return None


def _parsed(body: bytes, reply: type[M]) -> M | None:
    try:
        return reply.model_validate_json(body)
    except ValidationError:
        return None


def _listed(answer: _Answer | BaseException, reply: type[M]) -> M | None:
    """A list that was asked for; None when it did not come."""
    if isinstance(answer, _Answer):
        return _parsed(answer.body, reply)
    if isinstance(answer, _NotReached):
        return None
    raise answer


def _broken(error: httpx.HTTPError, *, tls: bool) -> tuple[Reach, str]:
    """What a failed exchange means, told by the error beneath httpx's."""
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, ssl.SSLCertVerificationError):
            return "untrusted", beneath.verify_message
        if isinstance(beneath, ssl.SSLError):
            return "not_tls", beneath.reason or str(beneath)
        beneath = beneath.__cause__ or beneath.__context__
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return "other", f"not HTTP: {error}"
    if isinstance(error, httpx.ConnectError) and tls:
        return "not_tls", str(error)
    return "reset", str(error) or type(error).__name__


async def _addresses(name: str, port: int) -> tuple[str, ...]:
    """Resolve ``name`` in a thread that nobody has to wait for: the system's resolver may take half a minute."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(found: tuple[str, ...], error: OSError | UnicodeError | None) -> None:
        if answer.done():
            return
        answer.set_result(found) if error is None else answer.set_exception(error)

    def ask() -> None:
        found: tuple[str, ...] = ()
        error: OSError | UnicodeError | None = None
        try:
            entries = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as failed:
            error = failed
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=ask, name=f"doctor: resolve {name}", daemon=True).start()
    return await answer
