"""A vLLM on Modal that sleeps when nobody asks: ``modal deploy deploy/modal/vllm.py``. README.md has the rest.

A container starts vLLM with the first of the models (it holds one for ever), whose weights the volume keeps, and lets
it generate one token before it takes its first request.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import modal
from endpoint import Options, ask, baked, launched, options, wait_until_up

PORT = 8000
URL = f"http://127.0.0.1:{PORT}"
FOLDER = "/models"
CHOSEN = options("Qwen/Qwen3-8B")
SECRETS = [modal.Secret.from_name("huggingface", required_keys=["HF_TOKEN"])] if CHOSEN.models[0].startswith(
    ("meta-llama/", "google/gemma", "mistralai/")
) else []  # fmt: skip
"""Makers that hand their weights out only to who has agreed to their terms."""

volume = modal.Volume.from_name("arena-vllm-models", create_if_missing=True)
image = (
    modal.Image.from_registry("vllm/vllm-openai:latest", add_python="3.12")
    .entrypoint([])
    .env({**baked(CHOSEN), "HF_HOME": FOLDER, "VLLM_CACHE_ROOT": f"{FOLDER}/vllm"})
    .add_local_python_source("endpoint")
)
app = modal.App("arena-vllm")


def start(
    chosen: Options,
    kept: Callable[[], None],
    launch: Callable[..., subprocess.Popen[bytes]] = launched,
    url: str = URL,
) -> subprocess.Popen[bytes]:
    """Start vLLM and have it write a first token; ``kept`` is called once the weights are on disk.

    Raises:
        RuntimeError: it does not start.
        OSError: it does not answer.
    """
    model = chosen.models[0]
    cards = chosen.gpu.partition(":")[2] or "1"
    context = ["--max-model-len", str(chosen.num_ctx)]
    several = ["--tensor-parallel-size", cards]
    server = launch(["vllm", "serve", model, "--host", "0.0.0.0", "--port", str(PORT), *context, *several], {})
    wait_until_up(f"{url}/health", server, chosen.startup)
    kept()
    first = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    ask(f"{url}/v1/chat/completions", first, chosen.startup)
    return server


@app.cls(
    image=image,
    gpu=CHOSEN.gpu,
    volumes={FOLDER: volume},
    secrets=SECRETS,
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
        """The server runs already."""

    @modal.exit()
    def down(self) -> None:
        """End it with the container."""
        self.server.terminate()
