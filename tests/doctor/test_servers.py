"""Hosts that are no Ollama, and hosts whose kind nobody said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.backends.base import Activity, InstalledModel
from app.doctor.diagnose import findings_of
from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedDatabase, ObservedHost, ObservedRedis
from app.doctor.probing.probe import ProbeTimeouts, probe_host
from app.errors import ConfigurationError
from app.hosts.host import Host, hosts_from
from app.hosts.kinds import KINDS
from app.process.found_kinds import hosts_with_kinds
from app.redis.client import commands_client
from app.scheduling.report import HostReport
from app.settings.settings import HostTable, ModelTable, Settings
from tests.backends.chat_double import chat_double
from tests.doctor.servers import free_port, serving
from tests.redis.server import RedisServer
from tests.services import settings_with

NOW = 1_800_000_000.0
LONG, SHORT = timedelta(seconds=20), timedelta(seconds=2)
PATIENT = ProbeTimeouts(name=LONG, connect=LONG, ask=LONG, other_address=SHORT, whole=3 * LONG)
MODELS = ("a", "b")


def host_at(url: str, kind: str = "vllm", **given: object) -> Host:
    row = HostTable(name="gpu", url=url, kind=kind, models=MODELS, **given)  # type: ignore[arg-type]
    return hosts_from(settings_with(**{"[[hosts]]": (row,)}))[0]


def observation(host: ObservedHost, settings: Settings | None = None, report: HostReport | None = None) -> Observation:
    return Observation(
        settings or settings_with(arena_models=MODELS, arena_num_models=2),
        NOW,
        (host,),
        ObservedRedis("redis://cache:6379/0", version="7.2.4", appends=True, saves=""),
        ObservedDatabase("postgresql://db/arena"),
        reports={} if report is None else {"gpu": report},
        driven={"gpu": True},
    )


def found(host: ObservedHost, **more: object) -> list[Finding]:
    return list(findings_of(observation(host, **more)))  # type: ignore[arg-type]


def answering(**given: object) -> ObservedHost:
    installed = tuple(InstalledModel(name, 0) for name in MODELS)
    known = {"installed": installed, "version": "0.33.0", "found_kind": "vllm", **given}
    return ObservedHost(host_at("http://10.0.0.5:8000"), "chat", **known)  # type: ignore[arg-type]


def twice(one: ObservedHost, other: ObservedHost) -> list[Finding]:
    """What is found of two hosts at once."""
    both = replace(observation(one), hosts=(one, other), driven={"gpu": True, other.host.name: True})
    return [finding for finding in findings_of(both) if finding.code == "same_server_twice"]


@pytest.mark.parametrize("kind", ["vllm", "ollama"])
def test_one_server_under_a_name_and_an_address_is_noticed_whatever_it_speaks(kind: str) -> None:
    one = answering(addresses=("10.0.0.5",))
    named = replace(one, host=replace(one.host, name="lab", url="http://gpu-5.lan:8000"))
    other = named if kind == "vllm" else replace(named, reach="ollama", host=replace(named.host, kind="ollama"))
    (finding,) = twice(one, other)
    assert finding.subject == "gpu, lab"
    assert "more answers than it has slots" in finding.cause
    assert twice(one, replace(other, addresses=("10.0.0.6",))) == []
    assert twice(one, replace(other, installed=other.installed[:1])) == []


def test_a_healthy_vllm_has_no_finding() -> None:
    assert found(answering()) == []


async def test_a_server_of_its_kind_is_seen_with_its_models() -> None:
    async with chat_double("llama-server", models=MODELS, slots=3) as double:
        seen = await probe_host(host_at(double.url, "llama-server"), timeouts=PATIENT)
    assert (seen.reach, seen.version, seen.found_kind, seen.activity.slots) == ("chat", "b1-x", "llama-server", 3)
    assert [model.name for model in seen.installed] == list(MODELS)
    assert found(seen) == []


async def test_another_kind_is_named_with_the_one_to_set() -> None:
    async with chat_double("llama-router", models=MODELS) as double:
        seen = await probe_host(host_at(double.url, "llama-server"), timeouts=PATIENT)
        (finding,) = found(seen)
        assert (finding.code, finding.severity) == ("host_other_kind", "warning")
        assert 'kind = "llama-router"' in finding.remedy
        seen = await probe_host(host_at(double.url, "ollama"), timeouts=PATIENT, usual_port=free_port())
        (finding,) = found(seen)
    assert (finding.code, finding.severity) == ("host_other_kind", "error")
    assert "of kind llama-router, not ollama" in finding.cause


async def test_a_page_is_no_server_of_any_kind() -> None:
    async with serving(lambda path: b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") as port:
        seen = await probe_host(host_at(f"http://127.0.0.1:{port}", "openai"), timeouts=PATIENT)
    (finding,) = found(seen)
    assert (finding.code, finding.severity) == ("host_other_kind", "error")
    assert "correct the url" in finding.remedy


async def test_a_lack_of_a_key_is_told_with_the_setting_for_it() -> None:
    async with chat_double("openai", key="sk-1", models=MODELS) as double:
        seen = await probe_host(host_at(double.url, "openai"), timeouts=PATIENT)
    (finding,) = found(seen)
    assert finding.code == "host_wants_login"
    assert "api_key_env" in finding.remedy
    assert "/v1/models" in finding.command


async def test_a_port_without_a_server_is_told_without_ollamas_words() -> None:
    seen = await probe_host(host_at(f"http://127.0.0.1:{free_port()}"), timeouts=PATIENT)
    (finding,) = found(seen)
    assert finding.code == "host_refuses"
    assert "Ollama" not in finding.cause + finding.remedy + finding.command


async def test_a_vllm_that_was_put_to_sleep_is_told_with_the_call_that_wakes_it() -> None:
    async with chat_double("vllm", sleeping=True, models=MODELS) as double:
        seen = await probe_host(host_at(double.url), timeouts=PATIENT)
    (finding,) = found(seen)
    assert (finding.code, finding.severity) == ("host_put_to_sleep", "error")
    assert finding.command.endswith("/wake_up")


def test_options_that_are_not_taken_are_named() -> None:
    tables = (ModelTable(name="a", options={"num_gpu": 1, "top_k": 40}),)
    settings = settings_with(arena_models=MODELS, arena_num_models=2, **{"[[models]]": tables})
    (finding,) = found(answering(), settings=settings)
    assert (finding.code, finding.subject) == ("option_not_taken", "a on gpu")
    assert "num_gpu" in finding.cause
    assert "top_k" not in finding.cause


def test_requests_of_others_are_noted() -> None:
    report = HostReport("gpu", NOW, running=2)
    assert found(answering(activity=Activity(running=3)), report=report) == []
    (finding,) = found(answering(activity=Activity(running=7)), report=report)
    assert (finding.code, finding.severity) == ("server_busy_with_others", "note")


def test_what_was_found_where_no_kind_is_set_is_told() -> None:
    seen = answering()
    (finding,) = found(replace(seen, host=replace(seen.host, kind_was_found=True)))
    assert (finding.code, finding.severity) == ("host_kind_found", "note")
    assert "of kind vllm (0.33.0 with a, b)" in finding.cause


async def test_a_kind_that_nobody_said_is_found_and_remembered_while_the_host_is_down() -> None:
    server = RedisServer()
    redis = commands_client(server.url)
    try:
        async with chat_double("llama-router", models=MODELS) as double:
            row = HostTable(name="gpu", url=f"{double.url}/v1")
            settings = settings_with(**{"[[hosts]]": (row,)})
            (host,) = await hosts_with_kinds(settings, redis)
            assert (host.kind, host.kind_was_found, host.url, host.api) == ("llama-router", True, double.url, "/v1")
        (down,) = await hosts_with_kinds(settings, redis)
        assert down.kind == "llama-router"
        (forgotten,) = await hosts_with_kinds(settings)
        assert forgotten.kind == "ollama"
        assert await redis.ttl("arena:host:{gpu}:kind") > 0
    finally:
        await redis.aclose()
        server.close()


async def test_a_kind_that_is_said_or_that_sleeps_is_not_asked_for() -> None:
    async with chat_double("sglang") as double:
        rows = (
            HostTable(name="said", url=double.url, kind="sglang"),
            HostTable(name="sleeps", url=f"{double.url}/x", scale_to_zero=True, models=("m",)),
        )
        hosts = await hosts_with_kinds(settings_with(**{"[[hosts]]": rows}))
        assert [(host.kind, host.kind_was_found) for host in hosts] == [("sglang", False), ("ollama", False)]
        assert double.asked == []


async def test_a_service_that_costs_money_and_lists_no_models_is_refused_once_it_is_found() -> None:
    async with chat_double("openai") as double:
        settings = settings_with(**{"[[hosts]]": (HostTable(name="paid", url=double.url),)})
        with pytest.raises(ConfigurationError, match="hundreds that cost money"):
            await hosts_with_kinds(settings)


def test_the_configuration_is_shown_without_what_headers_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from app.cli.config import rows_of

    row = HostTable(name="gpu", url="http://x", headers={"X-Key": "secret"}, api_key_env="VLLM_KEY")
    (shown,) = [value for name, value, _ in rows_of(settings_with(**{"[[hosts]]": (row,)})) if "gpu" in name]
    assert "X-Key" in shown
    assert "VLLM_KEY" in shown
    assert "secret" not in shown


def test_an_ollama_whose_kind_nobody_said_is_as_it_should_be() -> None:
    seen = replace(answering(), reach="ollama")
    seen = replace(seen, host=replace(seen.host, kind="ollama", kind_was_found=True), found_kind="")
    assert "host_kind_found" not in {finding.code for finding in found(seen)}


@pytest.mark.parametrize(
    ("written", "driven_as"),
    [("llama-server", "llama-router"), ("vllm", "vllm-sleep"), ("lm-studio", "lm-studio-rest")],
)
async def test_a_server_that_loads_and_unloads_is_driven_as_one(written: str, driven_as: str) -> None:
    async with chat_double(driven_as) as router, chat_double(written) as single:
        rows = (
            HostTable(name="many", url=router.url, kind=written),
            HostTable(name="one", url=single.url, kind=written),
        )
        reported: list[tuple[str, str]] = []
        hosts = await hosts_with_kinds(
            settings_with(**{"[[hosts]]": rows}), found=lambda host, kind: reported.append((host, kind))
        )
    assert [(host.kind, host.kind_was_found) for host in hosts] == [(driven_as, False), (written, False)]
    assert reported == [("many", driven_as)]
    assert KINDS[driven_as].server == written, "the same program, so the same contestants"
