"""``arena simulate``: the simulated server as a program."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated, Any

import typer

from app.errors import ArenaError
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import spelled, split_setting
from app.simulator.models.cards import CARDS, DISKS
from app.simulator.models.catalog import DEFAULT_MODELS, MODELS

_TRIO = ",".join(DEFAULT_MODELS)

_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")]
_Card = Annotated[str, typer.Option(help=f"The GPU: {', '.join(CARDS)}.")]
_Gpus = Annotated[int, typer.Option(help="How many of them.")]
_Models = Annotated[
    str,
    typer.Option(
        help=f"Installed models, comma-separated: {', '.join(MODELS)}; a new one: name=<GB> or "
        "name=<GB>/<family>; the same weights again: name=<model>; with a num_ctx of its own: @<num_ctx> at the end."
    ),
]
_Speed = Annotated[float, typer.Option(help="Simulated seconds per second.")]
_Seed = Annotated[int, typer.Option(help="The same seed gives the same run.")]
_Disk = Annotated[str, typer.Option(help=f"What models are loaded from: {', '.join(DISKS)}, or GB/s.")]
_Parallel = Annotated[int, typer.Option(help="OLLAMA_NUM_PARALLEL: answers at once in one model.")]
_MaxLoaded = Annotated[int, typer.Option(help="OLLAMA_MAX_LOADED_MODELS; 0 means 3 for each GPU.")]
_MaxQueue = Annotated[int, typer.Option(help="OLLAMA_MAX_QUEUE: requests that may wait for a load.")]
_KeepAlive = Annotated[str, typer.Option(help="OLLAMA_KEEP_ALIVE: 5m, 72h, -1 for ever.")]
_LoadTimeout = Annotated[float, typer.Option(help="OLLAMA_LOAD_TIMEOUT in seconds: when a load that hangs fails.")]
_Context = Annotated[int, typer.Option(help="OLLAMA_CONTEXT_LENGTH; 0 goes by memory.")]
_Spread = Annotated[bool, typer.Option(help="OLLAMA_SCHED_SPREAD: every model over all GPUs.")]
_Answer = Annotated[int, typer.Option(help="Mean length of an answer in tokens.")]
_TokensPerS = Annotated[float | None, typer.Option(help="Tokens/s of every model, whatever the card.")]
_LoadS = Annotated[float | None, typer.Option(help="Seconds of every load, whatever the disk.")]
_OthersGb = Annotated[float, typer.Option(help="GiB of each GPU that other processes hold.")]
_ColdBoot = Annotated[bool, typer.Option(help="The first load pays for a machine that has just started.")]
_Version = Annotated[str, typer.Option(help="What /api/version says.")]
_Fault = Annotated[list[str] | None, typer.Option(help=f"A fault from the start; repeatable: {spelled()}.")]
_At = Annotated[list[str] | None, typer.Option(help="A scripted fault, '90 connection_refused for 30'; repeatable.")]
_Control = Annotated[int | None, typer.Option(help="A port for /_sim that no fault reaches; 0 takes any free one.")]


def simulate(
    host: _Host = "127.0.0.1",
    port: _Port = 11434,
    card: _Card = "a10g",
    gpus: _Gpus = 1,
    models: _Models = _TRIO,
    speed: _Speed = 1.0,
    seed: _Seed = 0,
    disk: _Disk = "nvme",
    num_parallel: _Parallel = 1,
    max_loaded: _MaxLoaded = 0,
    max_queue: _MaxQueue = 512,
    keep_alive: _KeepAlive = "5m",
    load_timeout_s: _LoadTimeout = 300.0,
    context_length: _Context = 0,
    spread: _Spread = False,
    answer_tokens: _Answer = 120,
    tokens_per_s: _TokensPerS = None,
    load_s: _LoadS = None,
    others_gb: _OthersGb = 0.0,
    cold_boot: _ColdBoot = False,
    version: _Version = "0.33.3",
    fault: _Fault = None,
    at: _At = None,
    control_port: _Control = None,
) -> None:
    """Serve an Ollama that behaves: protocol, scheduler, memory, timing and faults, without a GPU.

    Answers mean nothing; X-Simulated marks them. Faults can be changed while it runs: POST /_sim/faults.
    """
    given = dict(locals())
    try:
        _run(_config(given))
    except ArenaError as error:
        typer.echo(f"arena simulate: {error.sentence}", err=True)
        raise typer.Exit(2) from None


def _config(given: dict[str, Any]) -> SimulatorConfig:
    """The options by their names; those whose text differs from their value are parsed."""
    given["card"] = given["card"].lower()
    given["models"] = tuple(name.strip() for name in given["models"].split(",") if name.strip())
    given["faults"] = tuple(split_setting(text) for text in given.pop("fault") or ())
    given["script"] = tuple(f"at {line}" for line in given.pop("at") or ())
    return SimulatorConfig(**given)


def _run(config: SimulatorConfig) -> None:
    """Serve until SIGINT or SIGTERM."""
    if sys.platform == "win32":
        asyncio.run(_serve(config))
        return
    import uvloop  # half the cost of a token; not needed to show --help

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


async def _serve(config: SimulatorConfig) -> None:
    from app.simulator.server.server import running_simulator

    stopped = asyncio.Event()
    if sys.platform != "win32":  # there, Ctrl-C ends the loop itself
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running_simulator(config) as simulator:
        typer.echo(_announcement(config, simulator.url, simulator.control_url))
        sys.stdout.flush()
        await stopped.wait()


def _announcement(config: SimulatorConfig, url: str, control_url: str) -> str:
    cards = config.gpu.title if config.gpus == 1 else f"{config.gpus} x {config.gpu.title}"
    names = ", ".join(model.name for model in config.catalogue)
    control = "" if control_url.startswith(url) else f", control at {control_url}"
    return f"Simulated Ollama at {url}: {cards}, {names}, speed {config.speed:g}{control}"
