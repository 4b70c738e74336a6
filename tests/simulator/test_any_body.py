"""Whatever is posted gets an answer with one of the server's statuses; no connection is just lost."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.simulator.engine.machine import Machine
from app.simulator.protocol.http import HttpConnection, Request, Response
from app.simulator.server.routes import Application
from tests.examples import examples
from tests.simulator.asking import virtually

PATHS = (
    "/api/chat",
    "/api/generate",
    "/api/show",
    "/api/pull",
    "/v1/chat/completions",
    "/_sim/faults",
    "/_sim/restart",
)
NAMES = (
    "model", "name", "messages", "prompt", "stream", "format", "keep_alive", "tools", "options", "think", "truncate",
    "shift", "logprobs", "top_logprobs", "system", "template", "raw", "suffix", "context", "images", "stop",
    "max_tokens", "response_format", "stream_options", "reasoning_effort", "stall_s", "clock_skew_s", "down_s", "for_s",
)  # fmt: skip
OPTIONS = ("num_ctx", "num_predict", "seed", "temperature", "stop", "use_mmap", "num_gpu", "top_k")
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["mistral:7b", "qwen3:8b", "x:cloud", "5m", "json", "high", 0, -1, 2**63, 1e300]),
)
objects = st.dictionaries(
    st.sampled_from([*OPTIONS, "role", "content", "images", "function", "parameters", "type", "name"]),
    st.one_of(odd, st.lists(odd, max_size=2), st.dictionaries(st.text(max_size=3), odd, max_size=2)),
    max_size=4,
)
values = st.one_of(odd, st.lists(st.one_of(odd, objects), max_size=3), objects)
bodies = st.one_of(st.dictionaries(st.sampled_from(NAMES), values, max_size=6), values)


class Kept:
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> bool:
        self.sent += data
        return True


@pytest.mark.hypothesis  # so that `make explore` finds it
@pytest.mark.parametrize("path", PATHS)
def test_any_body_gets_an_answer(path: str) -> None:
    @settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow])
    @given(body=bodies, named=st.booleans())
    def answered(body: object, named: bool) -> None:
        if named and isinstance(body, dict):
            body |= {"model": "mistral:7b"}

        async def main(machine: Machine) -> None:
            application, kept = Application(machine, checks_host=False), Kept()
            request = Request("POST", path, {}, json.dumps(body).encode())
            await application(request, Response(cast(HttpConnection, kept), request))
            assert kept.sent.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 4", b"HTTP/1.1 500 ", b"HTTP/1.1 503 "))
            await application.control.aclose()

        virtually(main, answer_tokens=10)

    answered()
