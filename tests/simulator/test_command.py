"""``arena simulate`` as a program."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import fields
from signal import Signals
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app.simulator.engine.faults import Faults
from app.simulator.server.command import simulate
from tests.helpers import HUNG_S, known

PROGRAM = """
import typer
from app.simulator.server.command import simulate
app = typer.Typer()
app.command("simulate")(simulate)
app.callback()(lambda: None)
app()
"""


@pytest.fixture
def run() -> Callable[..., Any]:
    app = typer.Typer()
    app.command("simulate")(simulate)
    app.callback()(lambda: None)
    return lambda *arguments: CliRunner().invoke(app, ["simulate", *arguments])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_it_is_and_where_serves_and_ends_with_status_0(number: Signals) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            "simulate",
            "--port",
            "0",
            "--card",
            "rtx4090",
            "--models",
            "mistral:7b,phi3:mini",
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = known(re.search(r"http://127\.0\.0\.1:\d+", line)).group()
        with urllib.request.urlopen(f"{url}/api/tags", timeout=30) as answer:
            assert b"phi3:mini" in answer.read()
        process.send_signal(number)
        assert process.wait(HUNG_S) == 0
        assert process.stdout.read() == ""
    assert "RTX 4090" in line
    assert "mistral:7b, phi3:mini" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--card", "voodoo"], "--card: 'voodoo' is not known; use one of a10g"),
        (["--models", "nope:1b"], "--models: 'nope:1b' is not known"),
        (["--port", "99999"], "--port: 99999 is out of range"),
        (["--speed", "0"], "--speed: 0.0 is out of range"),
        (["--fault", "nope"], "--fault: there is no fault 'nope'"),
        (["--fault", "stall_s=long"], "--fault: fault stall_s takes float"),
        (["--at", "90 nope for 30"], "--at: there is no fault 'nope'"),
        (["--keep-alive", "1d"], "--keep-alive: time: unknown unit"),
        (["--keep-alive", "nan"], "--keep-alive: time: invalid duration"),
        (["--fault", "stall_s=nan"], "--fault: fault stall_s takes float"),
        (["--at", "nan half_open"], "--at: times of a scripted fault are seconds from 0 on"),
        (["--load-timeout-s", "0"], "--load-timeout-s: 0.0 is out of range"),
    ],
)
def test_a_bad_parameter_is_one_line_and_a_status(run: Callable[..., Any], arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_one_line_and_a_status(run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "can't listen on 127.0.0.1" in result.output


def test_help_explains_the_parameters(run: Callable[..., Any]) -> None:
    text = " ".join(run("--help").output.split())
    words = ("--card", "--models", "--speed", "--fault", "--at", "a10g", "llama3.1:8b", "OLLAMA_NUM_PARALLEL")
    for word in (*words, *(switch.name for switch in fields(Faults))):
        assert word in text
