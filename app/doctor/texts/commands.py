"""The commands of remedies: for a shell, quoted, and without any password."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from dataclasses import dataclass
from shlex import quote
from urllib.parse import urlsplit

from app.network.addresses import shown

THIS_MACHINE = "this machine"


def is_here(url: str) -> bool:
    """Whether the host name of an address is this machine."""
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def has_no_name(url: str) -> bool:
    """Whether an address is an IP address, so that no proxy behind it can go by its name."""
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


def machine_of(url: str) -> str:
    """Where a command for the server at ``url`` has to be run."""
    return THIS_MACHINE if is_here(url) else f"the machine {urlsplit(url).hostname}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A command that gives a setting a value: of the arena, or of a server (``of_server``)."""

    name: str
    value: str
    of_server: bool

    def with_value(self, value: str) -> str:
        """The same command with another value."""
        return server_setting(self.name, value) if self.of_server else environment(self.name, value)


def assignment_in(command: str) -> Assignment | None:
    """What ``environment`` or ``server_setting`` made; None for another command."""
    for pattern, of_server in ((_IN_ENV, False), (_IN_SERVICE, True)):
        if (found := pattern.search(command)) is not None:
            name, _, value = "".join(shlex.split(found[1])).partition("=")
            return Assignment(name, value, of_server)
    return None


_IN_ENV = re.compile(r"^sed -i '[^']*' \.env && echo (.+) >> \.env$")
_IN_SERVICE = re.compile(r"printf '\[Service\]\\nEnvironment=([A-Z_]+=.*?)\\n'")


def server_setting(name: str, value: str) -> str:
    """Set one of Ollama's environment variables where systemd runs it, and restart it."""
    folder = "/etc/systemd/system/ollama.service.d"
    lines = quote(f"[Service]\\nEnvironment={name}={value}\\n")
    file = f"{folder}/{name.lower().replace('_', '-')}.conf"
    return f"sudo mkdir -p {folder} && printf {lines} | sudo tee {file} && {RESTART}"


RESTART = "sudo systemctl daemon-reload && sudo systemctl restart ollama"


def ollama(url: str, *words: str) -> str:
    """Ollama's own client, for the server at ``url``."""
    return f"OLLAMA_HOST={quote(shown(url))} ollama {' '.join(map(quote, words))}"


def curl(url: str, path: str) -> str:
    """Request ``path`` of the server at ``url`` by hand."""
    return f"curl -sS -m 5 {quote(shown(url).rstrip('/') + path)}"


def chat(url: str, model: str) -> str:
    """Request an answer of the server at ``url`` by hand, as the arena does."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
    return f"curl -sS -m 200 {quote(shown(url).rstrip('/') + '/api/chat')} -d {quote(body)}"


def environment(name: str, value: str) -> str:
    """Change a setting of the arena in ``.env``."""
    line = quote(f"{name}={value}")
    return f"sed -i '/^{name}=/d' .env && echo {line} >> .env"
