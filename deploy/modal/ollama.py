"""An Ollama on Modal that sleeps when nobody asks: ``modal deploy deploy/modal/ollama.py``. README.md has the rest.

A container starts Ollama, pulls what the volume has not yet, and loads the first model with the context that the arena
asks for, before it takes its first request.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import modal
from endpoint import Options, ask, baked, launched, options, wait_until_up

PORT = 11434
URL = f"http://127.0.0.1:{PORT}"
FOLDER = "/models"
CHOSEN = options("llama3.1:8b,mistral:7b")

volume = modal.Volume.from_name("arena-ollama-models", create_if_missing=True)
image = (
    modal.Image.debian_slim(python_version="3.11")
    .apt_install("curl", "ca-certificates", "zstd")
    .run_commands("curl -fsSL https://ollama.com/install.sh | sh")
    .env(baked(CHOSEN))
    .add_local_python_source("endpoint")
)
app = modal.App("arena-ollama")


def start(
    chosen: Options,
    kept: Callable[[], None],
    launch: Callable[..., subprocess.Popen[bytes]] = launched,
    url: str = URL,
) -> subprocess.Popen[bytes]:
    """Start Ollama with all models on disk and the first in memory; ``kept`` is called after a pull.

    Raises:
        RuntimeError: it does not start.
        OSError: a model can't be pulled or loaded.
    """
    server = launch(
        ["ollama", "serve"],
        {
            "OLLAMA_HOST": f"0.0.0.0:{PORT}",
            "OLLAMA_MODELS": FOLDER,
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_NO_CLOUD": "1",
        },
    )
    wait_until_up(f"{url}/api/version", server, 60.0)
    for model in missing(chosen, url):
        ask(f"{url}/api/pull", {"model": model, "stream": False}, chosen.startup)
        kept()
    load = {"model": chosen.models[0], "messages": [], "stream": False, "keep_alive": -1}
    ask(f"{url}/api/chat", load | {"options": {"num_ctx": chosen.num_ctx}}, chosen.startup)
    return server


def missing(chosen: Options, url: str = URL) -> list[str]:
    """The models that are not on the volume."""
    reply = ask(f"{url}/api/tags")
    rows = reply.get("models") if isinstance(reply, dict) else None
    there = {str(row.get("name")) for row in rows or () if isinstance(row, dict)}
    return [model for model in chosen.models if (model if ":" in model else f"{model}:latest") not in there]


@app.cls(
    image=image,
    gpu=CHOSEN.gpu,
    volumes={FOLDER: volume},
    scaledown_window=CHOSEN.scaledown,
    startup_timeout=CHOSEN.startup,
    timeout=CHOSEN.timeout,
    max_containers=CHOSEN.containers,
)
@modal.concurrent(max_inputs=CHOSEN.inputs)
class Endpoint:
    """The container."""

    @modal.enter()
    def up(self) -> None:
        """Be ready before the first request is let in."""
        self.server = start(CHOSEN, volume.commit)

    @modal.web_server(PORT, startup_timeout=CHOSEN.startup, requires_proxy_auth=not CHOSEN.is_open)
    def serve(self) -> None:
        """Ollama serves; it runs already."""

    @modal.exit()
    def down(self) -> None:
        """End it with the container."""
        self.server.terminate()
