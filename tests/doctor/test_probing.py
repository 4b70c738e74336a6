"""Looking at one server: another address that is meant, its clock, its models, and how long it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.doctor.checks.addresses import on_addresses
from app.doctor.checks.models import on_models
from app.doctor.probing.probe import ProbeTimeouts, probe_host
from app.hosts.host import Host
from app.simulator.server.server import SimulatorConfig, running_simulator
from tests.doctor.deployment import TRIO
from tests.doctor.servers import free_port, http, ollama, server_tls, serving, website
from tests.doctor.test_findings import seen as observed
from tests.helpers import MachineTime
from tests.services import settings_with

SOON = timedelta(seconds=0.3)
FAST = ProbeTimeouts(SOON, SOON, SOON, SOON, whole=timedelta(seconds=1))


@pytest.mark.parametrize("there", ["nobody", "a website"])
async def test_an_ollama_on_its_usual_port_is_found_where_another_port_was_written(there: str) -> None:
    async with running_simulator(SimulatorConfig(models=TRIO)) as sim, serving(website) as website_port:
        port = free_port() if there == "nobody" else website_port
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}"), usual_port=sim.port)
    assert seen.instead == sim.url
    (finding,) = on_addresses(observed(seen, settings=settings_with()))
    assert finding.code == "host_wrong_port"
    assert f"Ollama answers on port {sim.port} instead" in finding.cause
    assert finding.remedy == f"use {sim.url} in OLLAMA_HOST"
    assert finding.command == f"curl -sS -m 5 {sim.url}/api/version"


async def test_a_healthy_server_is_asked_for_nothing_else_and_tells_its_models() -> None:
    async with running_simulator(SimulatorConfig(models=TRIO)) as sim:
        seen = await probe_host(Host("local", sim.url), TRIO[:1], usual_port=free_port())
    assert (seen.reach, seen.instead, seen.version) == ("ollama", "", "0.33.3")
    assert {model.name for model in seen.installed} == set(TRIO)
    shape = seen.shape("LLAMA3.1:8B")
    assert (shape.family, shape.layers, shape.kv_heads, shape.head_dim, shape.trained_ctx) == (
        "llama",
        32,
        8,
        128,
        131072,
    )
    assert len(shape.blob) == 64
    assert not seen.shape(TRIO[1]).known
    assert seen.skew_s is not None
    assert abs(seen.skew_s) < 2


@pytest.mark.parametrize("seconds", [-90, 0, 3600])
async def test_the_clock_is_read_off_the_date_header(seconds: int) -> None:
    async with serving(ollama(timedelta(seconds=seconds))) as port:
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}"))
    assert seen.skew_s is not None
    assert abs(seen.skew_s - seconds) < 2


async def test_a_path_before_the_api_is_kept() -> None:
    inner = ollama(models=TRIO)
    async with serving(lambda path: inner(path.removeprefix("/olla/ollama"))) as port:
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}/olla/ollama"))
    assert (seen.reach, len(seen.installed)) == ("ollama", 3)


@pytest.mark.parametrize("kind", ["silent", "silent tls", "no name"])
async def test_nothing_takes_longer_than_the_whole_timeouts(kind: str) -> None:
    async with serving(None, server_tls() if kind == "silent tls" else None) as port:
        address = {"silent": "http://127.0.0.1", "silent tls": "https://127.0.0.1", "no name": "http://nowhere.invalid"}
        with MachineTime() as took:
            seen = await probe_host(Host("local", f"{address[kind]}:{port}"), timeouts=FAST, usual_port=free_port())
    assert took.seconds < 2
    assert not seen.answers


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"models": 3}', b"\xff\xfe", b"{" * 5000])
async def test_any_body_of_the_lists_is_survived(body: bytes) -> None:
    inner = ollama()

    def answer(path: str) -> bytes:
        head, _, whole = inner(path).partition(b"\r\n\r\n")
        if path == "/api/version":
            return head + b"\r\n\r\n" + whole
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async with serving(answer) as port:
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}"), usual_port=free_port())
    assert seen.reach == "slow"
    assert "not in Ollama's format" in seen.detail


@pytest.mark.parametrize("version", ["null", "12", '""', "[1]"])
async def test_a_version_that_is_none_is_an_odd_row_and_no_other_server(version: str) -> None:
    inner = ollama(models=TRIO)

    def answer(path: str) -> bytes:
        return http(b'{"version": %s}' % version.encode()) if path == "/api/version" else inner(path)

    async with serving(answer) as port:
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}"), usual_port=free_port())
    assert (seen.reach, seen.version, len(seen.installed)) == ("ollama", "", 3)
    (finding,) = [one for one in on_models(observed(seen, settings=settings_with())) if "rows" in one.code]
    assert finding.severity == "note"
    assert "/api/version" in finding.cause


async def test_rows_with_nulls_are_a_note_and_the_models_stay() -> None:
    inner = ollama()

    def answer(path: str) -> bytes:
        rows = b'{"models": [{"name": "a", "size": null, "capabilities": null}, {"name": "b", "size": 1}]}'
        return http(rows) if path == "/api/tags" else inner(path)

    async with serving(answer) as port:
        seen = await probe_host(Host("local", f"http://127.0.0.1:{port}"), usual_port=free_port())
    assert [model.name for model in seen.installed] == ["a", "b"]
    (finding,) = [one for one in on_models(observed(seen, settings=settings_with())) if "rows" in one.code]
    assert (finding.code, finding.severity) == ("host_odd_rows", "note")
    assert "row 1 (a): capabilities is null, size is null" in finding.cause
    assert finding.command == f"curl -sS -m 5 http://127.0.0.1:{port}/api/tags"
