"""What both endpoints have in common: their options, read from the environment of ``modal deploy``, and their start.

=========================== ============================================== =====================
variable                    is                                             default
=========================== ============================================== =====================
``ARENA_MODAL_GPU``         the kind of card, one of ``GPUS``; ``:2`` more  ``A10G``
``ARENA_MODAL_SCALEDOWN``   seconds without a request before it stops      ``300``
``ARENA_MODAL_STARTUP``     seconds a start may take, the first with pulls ``1200``
``ARENA_MODAL_TIMEOUT``     seconds a request may take                     ``600``
``ARENA_MODAL_MODELS``      what it serves, the first is loaded at once    see each endpoint
``ARENA_MODAL_NUM_CTX``     the context the arena asks for (Ollama)        ``4096``
``ARENA_MODAL_CONTAINERS``  how many containers at most                    ``1``
``ARENA_MODAL_INPUTS``      requests that one container takes at once      ``32``
``ARENA_MODAL_OPEN``        ``1``: no proxy auth, anybody may call         ``0``
=========================== ============================================== =====================
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

GPUS = ("T4", "L4", "A10G", "L40S", "A100", "A100-40GB", "A100-80GB", "H100", "H200", "B200")
"""What Modal rents, by its names; it takes any text and fails only when a container is to start."""

RETIRED = {"ARENA_MODAL_IDLE_TIMEOUT": "ARENA_MODAL_SCALEDOWN", "CONTAINER_IDLE_TIMEOUT": "ARENA_MODAL_SCALEDOWN"}
"""Names that older deployments used; Modal's own option was renamed in the same way."""

LONGEST_SCALEDOWN = 3600
"""Modal's bounds of a scaledown window are 2 s and an hour."""

LONGEST_REQUEST = 86_400


@dataclass(frozen=True)
class Options:
    """The options of one endpoint; times in seconds."""

    models: tuple[str, ...]
    gpu: str = "A10G"
    scaledown: int = 300
    startup: int = 1200
    timeout: int = 600
    num_ctx: int = 4096
    containers: int = 1
    inputs: int = 32
    is_open: bool = False

    def __post_init__(self) -> None:
        kind, _, count = self.gpu.partition(":")
        if kind not in GPUS or (count and count not in tuple("12345678")):
            raise ValueError(f"ARENA_MODAL_GPU: {self.gpu!r} is none of {', '.join(GPUS)} (with :2 to :8 for several)")
        if not self.models:
            raise ValueError("ARENA_MODAL_MODELS: name at least one model")
        _within("ARENA_MODAL_SCALEDOWN", self.scaledown, 2, LONGEST_SCALEDOWN)
        _within("ARENA_MODAL_STARTUP", self.startup, 60, LONGEST_REQUEST)
        _within("ARENA_MODAL_TIMEOUT", self.timeout, 60, LONGEST_REQUEST)
        _within("ARENA_MODAL_NUM_CTX", self.num_ctx, 256, 1_048_576)
        _within("ARENA_MODAL_CONTAINERS", self.containers, 1, 100)
        _within("ARENA_MODAL_INPUTS", self.inputs, 1, 1000)


def options(models: str, given: Mapping[str, str] | None = None) -> Options:
    """The options of ``given`` (the environment); ``models`` are served unless others are named.

    Raises:
        ValueError: the sentence names the variable.
    """
    known = dict(os.environ if given is None else given)
    for old, new in RETIRED.items():
        if old in known:
            warnings.warn(f"{old} is now called {new}; it is read as that", stacklevel=2)
            known.setdefault(new, known[old])
    named = known.get("ARENA_MODAL_MODELS", models)
    return Options(
        models=tuple(name.strip() for name in named.split(",") if name.strip()),
        gpu=known.get("ARENA_MODAL_GPU", Options.gpu).strip(),
        scaledown=_number(known, "ARENA_MODAL_SCALEDOWN", Options.scaledown),
        startup=_number(known, "ARENA_MODAL_STARTUP", Options.startup),
        timeout=_number(known, "ARENA_MODAL_TIMEOUT", Options.timeout),
        num_ctx=_number(known, "ARENA_MODAL_NUM_CTX", Options.num_ctx),
        containers=_number(known, "ARENA_MODAL_CONTAINERS", Options.containers),
        inputs=_number(known, "ARENA_MODAL_INPUTS", Options.inputs),
        is_open=known.get("ARENA_MODAL_OPEN", "0") == "1",
    )


def baked(chosen: Options) -> dict[str, str]:
    """The environment of the container, so that it reads the same options as ``modal deploy`` did."""
    return {
        "ARENA_MODAL_MODELS": ",".join(chosen.models),
        "ARENA_MODAL_GPU": chosen.gpu,
        "ARENA_MODAL_SCALEDOWN": str(chosen.scaledown),
        "ARENA_MODAL_STARTUP": str(chosen.startup),
        "ARENA_MODAL_TIMEOUT": str(chosen.timeout),
        "ARENA_MODAL_NUM_CTX": str(chosen.num_ctx),
        "ARENA_MODAL_CONTAINERS": str(chosen.containers),
        "ARENA_MODAL_INPUTS": str(chosen.inputs),
        "ARENA_MODAL_OPEN": "1" if chosen.is_open else "0",
    }


def launched(command: list[str], more: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server. Modal puts the deployed file's folder on PYTHONPATH, where ``vllm.py`` would hide vLLM itself."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen(command, env=environment | dict(more), cwd="/")


def ask(url: str, body: dict[str, object] | None = None, limit_s: float = 5.0) -> object:
    """GET ``url``, or POST ``body`` there, and read the JSON (None where there is none).

    Raises:
        OSError: no connection, or a status that is an error.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=limit_s) as reply:
        text = reply.read()
    return json.loads(text) if text.strip() else None


def wait_until_up(
    url: str,
    process: subprocess.Popen[bytes],
    limit_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until ``url`` answers.

    Raises:
        RuntimeError: the server ended, or did not answer within ``limit_s``; Modal then starts another container.
    """
    until = clock() + limit_s
    while clock() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode} before it answered")
        try:
            ask(url)
        except OSError:
            sleep(0.25)
        else:
            return
    raise RuntimeError(f"the server did not answer within {limit_s:g} s")


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name}: {value} is not from {least} to {most}")


def _number(known: Mapping[str, str], name: str, default: int) -> int:
    text = known.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit():
        raise ValueError(f"{name}: {text!r} is no whole number")
    return int(text)
