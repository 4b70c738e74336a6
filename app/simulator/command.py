"""``arena simulate``: the simulated server as a program."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated

import typer

from app.errors import ArenaError
from app.simulator.cards import CARDS, DISKS
from app.simulator.config import SimulatorConfig
from app.simulator.faults import split_setting
from app.simulator.models import DEFAULT_MODELS, MODELS

_CARDS = ", ".join(CARDS)
_DISKS = ", ".join(DISKS)
_MODELS = ", ".join(MODELS)


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 11434,
    card: Annotated[str, typer.Option(help=f"The GPU: {_CARDS}.")] = "a10g",
    gpus: Annotated[int, typer.Option(help="How many of them.")] = 1,
    models: Annotated[
        str, typer.Option(help=f"Installed models, comma-separated: {_MODELS}; or a new one as name=<GB>.")
    ] = ",".join(DEFAULT_MODELS),
    speed: Annotated[float, typer.Option(help="Simulated seconds per second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 0,
    disk: Annotated[str, typer.Option(help=f"What models are loaded from: {_DISKS}, or GB/s.")] = "nvme",
    num_parallel: Annotated[int, typer.Option(help="OLLAMA_NUM_PARALLEL: answers at once in one model.")] = 1,
    max_loaded: Annotated[int, typer.Option(help="OLLAMA_MAX_LOADED_MODELS; 0 means 3 for each GPU.")] = 0,
    max_queue: Annotated[int, typer.Option(help="OLLAMA_MAX_QUEUE: requests that may wait for a load.")] = 512,
    keep_alive: Annotated[str, typer.Option(help="OLLAMA_KEEP_ALIVE: 5m, 72h, -1 for ever.")] = "5m",
    context_length: Annotated[int, typer.Option(help="OLLAMA_CONTEXT_LENGTH; 0 goes by memory.")] = 0,
    answer_tokens: Annotated[int, typer.Option(help="Mean length of an answer.")] = 120,
    tokens_per_s: Annotated[float | None, typer.Option(help="Tokens/s of every model, whatever the card.")] = None,
    load_s: Annotated[float | None, typer.Option(help="Seconds of every load, whatever the disk.")] = None,
    cold_boot: Annotated[bool, typer.Option(help="The first load pays for a machine that has just started.")] = False,
    fault: Annotated[list[str] | None, typer.Option(help="A fault from the start: name or name=value.")] = None,
    at: Annotated[list[str] | None, typer.Option(help="A scripted fault: '90 connection_refused for 30'.")] = None,
    control_port: Annotated[int | None, typer.Option(help="A port for /_sim that no fault reaches; 0: any.")] = None,
) -> None:
    """Serve an Ollama that behaves: protocol, scheduler, memory, timing and faults, without a GPU.

    Answers mean nothing; X-Simulated marks them. Faults can be changed while it runs: POST /_sim/faults.
    """
    try:
        config = SimulatorConfig(
            host=host,
            port=port,
            card=card.lower(),
            gpus=gpus,
            models=tuple(name.strip() for name in models.split(",") if name.strip()),
            speed=speed,
            seed=seed,
            disk=disk,
            num_parallel=num_parallel,
            max_loaded=max_loaded,
            max_queue=max_queue,
            keep_alive=keep_alive,
            context_length=context_length,
            answer_tokens=answer_tokens,
            tokens_per_s=tokens_per_s,
            load_s=load_s,
            cold_boot=cold_boot,
            faults=tuple(split_setting(text) for text in fault or ()),
            script=tuple(f"at {line}" for line in at or ()),
            control_port=control_port,
        )
        _run(config)
    except ArenaError as error:
        typer.echo(f"arena simulate: {error.sentence}", err=True)
        raise typer.Exit(2) from None


def _run(config: SimulatorConfig) -> None:
    if sys.platform == "win32":
        asyncio.run(_serve(config))
        return
    import uvloop  # half the cost of a token; not needed to show --help

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


async def _serve(config: SimulatorConfig) -> None:
    from app.simulator.server import running_simulator

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running_simulator(config) as simulator:
        typer.echo(_announcement(config, simulator.url, simulator.control_url))
        sys.stdout.flush()
        await stopped.wait()


def _announcement(config: SimulatorConfig, url: str, control_url: str) -> str:
    cards = config.gpu.title if config.gpus == 1 else f"{config.gpus} x {config.gpu.title}"
    names = ", ".join(model.name for model in config.catalogue)
    control = "" if control_url.startswith(url) else f", control at {control_url}"
    return f"Simulated Ollama at {url}: {cards}, {names}, speed {config.speed:g}{control}"
