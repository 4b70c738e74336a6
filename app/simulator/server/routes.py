"""Which call is answered by what, and what Ollama's router says to everything else."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from app.errors import InvalidInput
from app.simulator.api import openai, wire
from app.simulator.api.library import Library
from app.simulator.api.native import SIMULATED, Native
from app.simulator.engine.machine import Machine
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.gojson import GoJsonError
from app.simulator.protocol.http import Handler, Request, Response
from app.simulator.server.control import Control

_LOCAL_ENDINGS: Final = (".localhost", ".local", ".internal")
_ALLOWED_SCHEMES: Final = ("app", "file", "tauri", "vscode-webview", "vscode-file")
_PLAIN: Final = "text/plain"


class Application:
    """The handler of every request."""

    def __init__(self, machine: Machine, *, checks_host: bool) -> None:
        self._machine = machine
        self._checks_host = checks_host
        native, library = Native(machine), Library(machine)
        self.control = Control(machine)
        v1 = openai.OpenAi(machine, library)
        self._v1 = v1
        self._routes: dict[str, dict[str, Handler]] = {
            "/": {"GET": _running, "HEAD": _running},
            "/api/version": {"GET": library.version, "HEAD": library.version},
            "/api/status": {"GET": library.status},
            "/api/tags": {"GET": library.tags, "HEAD": library.tags},
            "/api/ps": {"GET": library.ps},
            "/api/show": {"POST": library.show},
            "/api/pull": {"POST": library.pull},
            "/api/chat": {"POST": native.chat},
            "/api/generate": {"POST": native.generate},
            "/v1/chat/completions": {"POST": v1.completions},
            "/v1/models": {"GET": v1.models},
            "/_sim": {"GET": self.control.state},
            "/_sim/faults": {
                "GET": self.control.show_faults,
                "POST": self.control.set_faults,
                "DELETE": self.control.clear_faults,
            },
            "/_sim/restart": {"POST": self.control.restart},
            "/_sim/models": {"POST": self.control.change_model},
        }

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer one request."""
        path = request.path
        if self._forbidden(request):
            response.send(403, None, b"", SIMULATED)
            return
        if request.method == "OPTIONS" and "origin" in request.headers:
            response.send(204, None, b"", (*_preflight(request), *SIMULATED))
            return
        methods = self._routes.get(path) or ({"GET": self._v1.model} if path.startswith("/v1/models/") else None)
        if methods is None:
            response.send(404, _PLAIN, b"404 page not found", SIMULATED)
            return
        handler = methods.get(request.method)
        if handler is None:
            allow = f"Allow: {', '.join(methods)}"
            response.send(405, _PLAIN, b"405 method not allowed", (allow, *SIMULATED))
            return
        try:
            await handler(request, response)
        except ServerError as error:
            response.send(error.status, wire.JSON, wire.error_body(error.text), SIMULATED)
        except GoJsonError as error:
            response.send(400, wire.JSON, wire.error_body(str(error)), SIMULATED)
        except InvalidInput as error:
            response.send(400, wire.JSON, wire.error_body(error.sentence), SIMULATED)

    def _forbidden(self, request: Request) -> bool:
        controls = request.path.startswith("/_sim")  # faults must not lock out who takes them back
        if (self._machine.faults.host_check and not controls) or not _origin_allowed(request):
            return True
        return self._checks_host and not _host_allowed(request.headers.get("host", ""))


async def _running(_request: Request, response: Response) -> None:
    response.send(200, "text/plain; charset=utf-8", b"Ollama is running", SIMULATED)


def _preflight(request: Request) -> tuple[str, ...]:
    """What a browser wants to know before it posts."""
    return (
        f"Access-Control-Allow-Origin: {request.headers['origin']}",
        "Access-Control-Allow-Methods: GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
        "Access-Control-Allow-Headers: Authorization,Content-Type,User-Agent,Accept,X-Requested-With",
        "Access-Control-Max-Age: 43200",
        "Vary: Origin",
    )


def _host_allowed(header: str) -> bool:
    """Bound to loopback only, the server wants a loopback, private or own name in the Host header."""
    host = (urlsplit(f"//{header}").hostname or "").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost", socket.gethostname().lower()) or host.endswith(_LOCAL_ENDINGS)
    return address.is_loopback or address.is_private or address.is_unspecified


def _origin_allowed(request: Request) -> bool:
    """A browser's page may call only from this machine or from the same origin."""
    origin = request.headers.get("origin")
    if not origin:
        return True
    parts = urlsplit(origin)
    if parts.scheme in _ALLOWED_SCHEMES or parts.netloc == request.headers.get("host"):
        return True
    return parts.hostname in ("localhost", "127.0.0.1", "0.0.0.0", "::1")
