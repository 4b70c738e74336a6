"""Probes one model server, without making it generate or load anything.

The steps: its name (DNS), its port (TCP), ``/api/version``, ``/api/tags``, ``/api/ps`` and ``/api/show``; where they
fail ``/``, the other scheme on the same port, and Ollama's default port. Each step has a limit of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from app.backends.ollama.calls import InstalledReply, LoadedReply, VersionReply
from app.backends.ollama.rows import OddRow
from app.backends.target import Target
from app.doctor.probing.chat_servers import chat_server, found_kind
from app.doctor.probing.observation import ObservedHost, Reach, Shape, key
from app.doctor.probing.shapes import ShowReply
from app.doctor.probing.wire import HttpResponse, NotReached, addresses_of, broken, exchanged, listed, parsed
from app.hosts.host import Host
from app.hosts.kinds import DEFAULT_KIND
from app.hosts.names import same_model
from app.network.addresses import shown
from app.network.connecting import connected

_OLLAMAS_PORT = 11434
_MOST_SHOWN = 24


@dataclass(frozen=True, slots=True)
class ProbeTimeouts:
    """How long each step may take; together they stay under three seconds."""

    name: timedelta = timedelta(seconds=0.8)
    connect: timedelta = timedelta(seconds=0.8)
    ask: timedelta = timedelta(seconds=1.1)
    other_address: timedelta = timedelta(seconds=0.6)
    whole: timedelta = timedelta(seconds=2.5)


PROBE_TIMEOUTS = ProbeTimeouts()


async def probe_host(
    host: Host,
    models: Sequence[str] = (),
    timeouts: ProbeTimeouts = PROBE_TIMEOUTS,
    wall: Callable[[], float] = time.time,
    usual_port: int = _OLLAMAS_PORT,
) -> ObservedHost:
    """Probe ``host``; ``models`` are the names whose shapes matter (none: all installed ones).

    Where its address fails, ``usual_port`` is tried too. Never raises, whatever state the server is in; ends within
    ``timeouts.whole``.
    """
    seen = ObservedHost(host, "silent", f"no answer within {timeouts.whole.total_seconds():g} s")
    with suppress(TimeoutError):
        async with asyncio.timeout(timeouts.whole.total_seconds()):
            seen = await _Probe(host, timeouts, wall, usual_port).run(models)
    return seen


class _Probe:
    """One probe of one server."""

    def __init__(
        self,
        host: Host,
        timeouts: ProbeTimeouts,
        wall: Callable[[], float],
        usual_port: int,
    ) -> None:
        self._host, self._timeouts, self._wall, self._usual = host, timeouts, wall, usual_port
        self._target = host.place.access.target()
        self._tls = self._target.tls is not None
        self._name, self._port = self._target.host, self._target.port

    async def run(self, models: Sequence[str]) -> ObservedHost:
        """From the name to the models, or as far as it gets."""
        addresses: tuple[str, ...] = ()
        try:
            addresses = await self._resolved()
            await self._connected()
            if self._host.kind != DEFAULT_KIND:
                return await chat_server(self._host, addresses, self._timeouts.ask)
            answer = await self._ask("/api/version")
            version = self._version(answer)
        except NotReached as stop:
            if stop.reach == "dns" or self._host.kind != DEFAULT_KIND:
                return ObservedHost(self._host, stop.reach, stop.detail, addresses, found_kind=stop.kind)
            instead, words = await asyncio.gather(self._instead(), self._first_words(stop.reach))
            if words:
                stop = NotReached("other", f"not HTTP: {words}")
            kind = await found_kind(self._host, self._timeouts.other_address) if stop.reach == "other" else ""
            return ObservedHost(self._host, stop.reach, stop.detail, addresses, instead, found_kind=kind)
        seen = ObservedHost(self._host, "ollama", addresses=addresses, version=version, skew_s=answer.skew_s)
        if not version:
            seen = replace(seen, odd={"/api/version": (OddRow(1, "", ("version is empty or not a string",)),)})
        return await self._with_models(seen, models)

    async def _resolved(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(self._timeouts.name.total_seconds()):
                found = await addresses_of(self._name, self._port)
        except TimeoutError:
            raise NotReached("dns", f"no answer within {self._timeouts.name.total_seconds():g} s") from None
        except (OSError, UnicodeError) as error:
            raise NotReached("dns", getattr(error, "strerror", None) or str(error)) from None
        return found

    async def _connected(self) -> None:
        limit_s = self._timeouts.connect.total_seconds()
        try:
            async with asyncio.timeout(limit_s):
                taken = await connected(self._name, self._port)
        except TimeoutError:
            raise NotReached("no_connection", f"no connection within {limit_s:g} s") from None
        except ConnectionRefusedError:
            raise NotReached("refused", f"nothing listens on port {self._port}") from None
        except OSError as error:
            refused = "refused" in str(error).lower()  # several addresses, each with an error of its own
            raise NotReached("refused" if refused else "unreachable", error.strerror or str(error)) from None
        taken.close()

    async def _ask(self, path: str, body: dict[str, str] | None = None) -> HttpResponse:
        """Send one request; NotReached when no HTTP response comes back in time."""
        limit_s = self._timeouts.ask.total_seconds()
        try:
            return await exchanged(self._target, path, body, limit_s, self._wall)
        except TimeoutError:
            raise NotReached("silent", f"no answer to {path} within {limit_s:g} s") from None
        except (OSError, ValueError) as error:
            raise NotReached(*broken(error)) from None

    def _version(self, answer: HttpResponse) -> str:
        if answer.status == 200 and (reply := parsed(answer.body, VersionReply)) is not None:
            return reply.version
        if answer.status == 403 and not answer.body:
            raise NotReached("forbidden", "HTTP 403 without a reason")
        if answer.status == 401 or (answer.status == 407):
            raise NotReached("login", f"HTTP {answer.status}")
        words = " ".join(answer.body[:200].decode(errors="replace").split())[:80]
        where = f", redirected to {shown(answer.location)[:120]}" if answer.location else ""
        raise NotReached("other", f"HTTP {answer.status}{where}: {words}" if words else f"HTTP {answer.status}{where}")

    async def _with_models(self, seen: ObservedHost, models: Sequence[str]) -> ObservedHost:
        tags, ps = await asyncio.gather(self._ask("/api/tags"), self._ask("/api/ps"), return_exceptions=True)
        installed, loaded = listed(tags, InstalledReply), listed(ps, LoadedReply)
        odd = {"/api/tags": installed.odd() if installed else (), "/api/ps": loaded.odd() if loaded else ()}
        seen = replace(
            seen,
            installed=installed.values() if installed else (),
            odd={**seen.odd, **{path: rows for path, rows in odd.items() if rows}},
        )
        if installed is None or loaded is None:
            late = [str(answer) for answer in (tags, ps) if isinstance(answer, NotReached)]
            return replace(seen, reach="slow", detail="; ".join(late) or "not in Ollama's format")
        return replace(seen, loaded=loaded.values(), shapes=await self._shapes(seen, models))

    async def _shapes(self, seen: ObservedHost, models: Sequence[str]) -> dict[str, Shape]:
        """By canonical name, the shapes of the installed ones of ``models`` (none: of all)."""
        names = [one.name for one in seen.installed if not models or any(same_model(one.name, name) for name in models)]
        names = names[:_MOST_SHOWN]
        shapes = await asyncio.gather(*(self._shape(name) for name in names))
        return {key(name): shape for name, shape in zip(names, shapes, strict=True) if shape}

    async def _shape(self, model: str) -> Shape | None:
        """The shape of a model; None when it does not come in time, which is no finding by itself."""
        try:
            answer = await self._ask("/api/show", {"model": model})
        except NotReached:
            return None
        reply = parsed(answer.body, ShowReply)
        return None if reply is None else reply.shape()

    async def _instead(self) -> str:
        """Another address on the same machine where Ollama answers; empty if there is none."""
        name = f"[{self._name}]" if ":" in self._name else self._name
        other = "http" if self._tls else "https"
        candidates = [f"{other}://{name}:{self._port}"]
        if self._port != self._usual:
            candidates.append(f"http://{name}:{self._usual}")
        found = await asyncio.gather(*(self._is_ollama(url) for url in candidates))
        return next((url for url, is_one in zip(candidates, found, strict=True) if is_one), "")

    async def _first_words(self, reach: Reach) -> str:
        """The greeting of a server that does not speak HTTP (SSH, SMTP, a database); empty if there is none."""
        if self._tls or reach not in ("silent", "reset"):
            return ""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._timeouts.other_address.total_seconds()):
                reader, writer = await asyncio.open_connection(sock=await connected(self._name, self._port))
                try:
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    words = await reader.read(80)
                finally:
                    writer.close()
            if not words.startswith(b"HTTP/"):
                return " ".join("".join(c for c in words.decode(errors="replace") if c.isprintable()).split())
        return ""

    async def _is_ollama(self, url: str) -> bool:
        limit_s = self._timeouts.other_address.total_seconds()
        unchecked = ssl.create_default_context()  # the request carries no secret, and nothing of the response is kept
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        with suppress(OSError, ValueError):
            answer = await exchanged(Target.of(url, unchecked), "/api/version", None, limit_s, self._wall)
            return answer.status == 200 and parsed(answer.body, VersionReply) is not None
        return False
