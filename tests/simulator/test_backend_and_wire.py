"""The backend in one process fails as a client of the wire does: the same fault, the same class of error."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.backends.base import (
    BackendBroken,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    Faulted,
    GenerationOptions,
    GenerationRequest,
    LoadTimedOut,
    ManagedBackend,
    Message,
    OutOfCapacity,
    RunnerStopped,
    Stalled,
)
from app.backends.ollama.backend import OllamaBackend
from app.backends.timeouts import Timeouts
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from tests.simulator.serving import simulated

ASK = GenerationRequest("mistral:7b", (Message("user", "Why do leaves fall?"),), GenerationOptions(num_predict=60))
THOUGHTFUL = GenerationRequest("qwen3:8b", ASK.messages, GenerationOptions(num_predict=60, think=True))
PATIENCE = Timeouts(first_token=timedelta(seconds=2), stall=timedelta(seconds=0.3))

CASES = [
    (ASK, {"connection_refused": True}, BackendUnavailable),
    (ASK, {"tcp_reset": "accept"}, BackendUnavailable),
    (ASK, {"tcp_reset": "request"}, BackendUnavailable),
    (ASK, {"tcp_reset": "stream"}, BackendBroken),
    (ASK, {"half_line": True}, BackendBroken),
    (ASK, {"half_open": True}, LoadTimedOut),
    (ASK, {"host_check": True}, BadRequest),
    (ASK, {"always_503": True}, BackendOverloaded),
    (ASK, {"runner_stopped": True}, RunnerStopped),
    (ASK, {"load_fail": "no"}, OutOfCapacity),
    (ASK, {"load_hang": True}, LoadTimedOut),
    (ASK, {"mid_stream_error": 4}, Faulted),
    (ASK, {"runtime_oom": 4}, Faulted),
    (ASK, {"token_repeat": "new"}, Faulted),
    (ASK, {"token_repeat": "old"}, BackendBroken),
    (ASK, {"eof_without_done": 4}, BackendBroken),
    (ASK, {"stall_s": 600.0}, Stalled),
    (THOUGHTFUL, {"runtime_oom": 4}, OutOfCapacity),
    (THOUGHTFUL, {"eof_without_done": 4}, BackendUnavailable),
]
IDS = [f"{'thinking, ' if request is THOUGHTFUL else ''}{faults}" for request, faults, _ in CASES]


async def error_of(backend: ManagedBackend, request: GenerationRequest) -> type[Exception]:
    try:
        _ = [chunk async for chunk in backend.stream(request)]
    except Exception as error:
        return type(error)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(("request_", "faults", "error"), CASES, ids=IDS)
def test_a_fault_in_one_process_is_the_error_of_its_class(
    request_: GenerationRequest, faults: dict[str, Any], error: object
) -> None:
    async def main() -> object:
        async with SimulatedBackend.running(SimulatorConfig()) as backend:
            backend.machine.faults.set(faults)
            return await error_of(backend, request_)

    assert run_virtual(main()) is error


@pytest.mark.parametrize(("request_", "faults", "error"), CASES, ids=IDS)
async def test_the_same_fault_on_the_wire_is_the_same_error(
    request_: GenerationRequest, faults: dict[str, Any], error: object
) -> None:
    async with simulated(speed=200, load_timeout_s=60) as sim:
        sim.faults.set(faults)
        backend = OllamaBackend(sim.url, limits=PATIENCE)
        try:
            assert await error_of(backend, request_) is error
        finally:
            await backend.aclose()
