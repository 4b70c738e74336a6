"""What can't be planted on one machine, and rules that hold for all findings: on plain observations."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import app.doctor
from app.backends.base import InstalledModel, LoadedModel
from app.doctor import texts
from app.doctor.diagnose import findings_of
from app.doctor.finding import CODES, Finding, worst_first
from app.doctor.probing.observation import Observation, ObservedDatabase, ObservedHost, ObservedRedis, Shape
from app.hosts.host import Host
from app.scheduling.report import HostEvent, HostReport, ResidentReport
from tests.doctor.cases import CASES
from tests.doctor.deployment import TRIO
from tests.services import settings_with

GIB = 1024**3
NOW = 1_800_000_000.0
REDIS = ObservedRedis("redis://cache:6379/0", version="7.2.4", appends=True, saves="")
EIGHT_B = Shape("llama", 32, 8, 128, 131072)


def seen(*hosts: ObservedHost, **given: Any) -> Observation:
    settings = given.pop("settings", None) or settings_with(arena_models=TRIO)
    known: dict[str, Any] = {
        "settings": settings,
        "now": NOW,
        "hosts": hosts or (healthy(),),
        "redis": REDIS,
        "database": ObservedDatabase("postgresql://db/arena"),
        "driven": {host.host.name: True for host in hosts or (healthy(),)},
    }
    return Observation(**{**known, **given})


def healthy(**given: Any) -> ObservedHost:
    host = Host("gpu", "http://10.0.0.5:11434", 24 * GIB)
    known: dict[str, Any] = {
        "addresses": ("10.0.0.5",),
        "version": "0.33.3",
        "installed": tuple(
            InstalledModel(name, 4_920_000_000, digest=name, capabilities=("completion",)) for name in TRIO
        ),
        "loaded": tuple(LoadedModel(name, 6 * GIB, 6 * GIB, 4096, NOW + 250_000) for name in TRIO),
        "shapes": dict.fromkeys(TRIO, EIGHT_B),
    }
    return ObservedHost(**{"host": host, "reach": "ollama", **known, **given})


def codes(observation: Observation) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in findings_of(observation)]


def test_a_healthy_observation_has_no_finding() -> None:
    assert codes(seen()) == []


def test_no_way_to_a_host() -> None:
    broken = ObservedHost(healthy().host, "unreachable", "No route to host", ("10.0.0.5",))
    (finding,) = findings_of(seen(broken))
    assert (finding.code, finding.severity) == ("host_unreachable", "error")
    assert "No route to host" in finding.cause
    assert finding.command == "ip route get 10.0.0.5"


def test_a_remote_host_that_refuses_may_listen_on_loopback_only() -> None:
    (finding,) = findings_of(seen(ObservedHost(healthy().host, "refused", "", ("10.0.0.5",))))
    assert "loopback only" in finding.cause
    assert "OLLAMA_HOST=0.0.0.0:11434" in finding.command


def test_port_80_because_http_was_written() -> None:
    host = Host("local", "http://gpu1:80")
    (finding,) = findings_of(seen(ObservedHost(host, "refused", "nobody listens on port 80", (), "http://gpu1:11434")))
    assert finding.code == "host_wrong_port"
    assert "http:// without a port means port 80" in finding.cause
    assert "11434 instead" in finding.cause
    assert finding.remedy == "use http://gpu1:11434 in OLLAMA_HOST"


def test_https_of_a_server_without_tls_and_without_another_scheme() -> None:
    host = Host("local", "https://gpu1:8443")
    (finding,) = findings_of(seen(ObservedHost(host, "not_tls", "WRONG_VERSION_NUMBER")))
    assert finding.code == "host_wrong_scheme"
    assert "Ollama itself has no TLS" in finding.remedy


@pytest.mark.parametrize("version", ["6.0.9", "5", ""])
def test_an_old_redis(version: str) -> None:
    (finding,) = findings_of(seen(redis=replace(REDIS, version=version)))
    assert (finding.code, finding.severity) == ("redis_too_old", "error")
    assert "6.2" in finding.cause


def test_no_redis_to_bring_along() -> None:
    missing = ObservedRedis("embedded in .arena", "none", "no redis-server 6.2 or newer was found", embedded=True)
    assert codes(seen(redis=missing, driven={})) == [("redis_missing", "error")]


def test_a_model_that_only_embeds_and_one_that_is_run_elsewhere() -> None:
    installed = (
        *healthy().installed,
        InstalledModel("nomic-embed-text:latest", 1, capabilities=("embedding",)),
        InstalledModel("qwen-max:latest", 1, remote=True),
    )
    settings = settings_with(arena_models=(*TRIO, "nomic-embed-text", "qwen-max"))
    found = findings_of(seen(healthy(installed=installed), settings=settings))
    assert [(finding.code, finding.subject) for finding in found] == [
        ("model_cannot_chat", "nomic-embed-text"),
        ("model_cloud", "qwen-max"),
    ]


def test_a_model_that_is_missing_on_a_host_that_answers_may_be_on_one_that_does_not() -> None:
    there = healthy(installed=healthy().installed[:2], loaded=())
    dead = ObservedHost(Host("b", "http://10.0.0.6:11434"), "no_connection", "no connection within 0.8 s")
    assert codes(seen(there, dead)) == [("host_times_out", "warning"), ("fewer_than_num_models", "warning")]


def test_a_model_that_nobody_used_for_a_whole_keep_alive_may_leave() -> None:
    used = NOW - 72 * 3600 + 60
    loaded = (LoadedModel(TRIO[0], 6 * GIB, 6 * GIB, 4096, NOW + 60),)
    report = HostReport("gpu", NOW, residents=(ResidentReport(TRIO[0], used=used),))
    assert codes(seen(healthy(loaded=loaded), reports={"gpu": report})) == []
    busy = replace(report, residents=(ResidentReport(TRIO[0], used=NOW - 5),))
    assert codes(seen(healthy(loaded=loaded), reports={"gpu": busy})) == [("keep_alive_too_short", "warning")]


def test_two_names_for_one_file_are_one_contestant_and_a_finding() -> None:
    installed = tuple(InstalledModel(name, 5 * GIB, digest="same" if name != TRIO[1] else "other") for name in TRIO)
    observation = seen(healthy(installed=installed), settings=settings_with(arena_models=TRIO, arena_num_models=2))
    assert observation.catalog.models == (TRIO[0], TRIO[1])
    (finding,) = [one for one in findings_of(observation) if one.code == "models_share_weights"]
    assert finding.subject == f"{TRIO[0]}, {TRIO[2]}"
    assert f"only {TRIO[0]} is drawn" in finding.cause
    assert TRIO[2] in finding.remedy


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
def test_a_host_with_a_wrong_clock_is_not_told_that_its_models_expire_or_are_stuck(ahead_s: float) -> None:
    loaded = tuple(LoadedModel(name, 6 * GIB, 6 * GIB, 4096, NOW + 300 + ahead_s) for name in TRIO)
    wrong = seen(healthy(loaded=loaded, skew_s=ahead_s))
    right = seen(healthy(loaded=tuple(replace(one, expires_at=NOW + 300) for one in loaded)))
    assert codes(right) == [("keep_alive_too_short", "warning")]
    assert [code for code in codes(wrong) if code[0] != "clock_skew"] == codes(right)


def test_a_host_and_a_database_whose_clocks_agree_need_no_correction() -> None:
    both = ObservedDatabase("postgresql://db/arena", skew_s=600.0)
    host = healthy(skew_s=600.0)
    assert seen(host, database=both).expires_at(host, host.loaded[0]) == host.loaded[0].expires_at


def test_a_time_in_the_past_of_a_model_that_writes_is_not_called_stuck() -> None:
    loaded = (LoadedModel(TRIO[0], 6 * GIB, 6 * GIB, 4096, NOW - 300),)
    report = HostReport("gpu", NOW, running_by_model={TRIO[0]: 1})
    assert codes(seen(healthy(loaded=loaded), reports={"gpu": report})) == [("keep_alive_too_short", "warning")]
    assert codes(seen(healthy(loaded=loaded))) == [("model_stuck", "warning")]


def test_a_long_load_of_a_large_model_is_no_hang() -> None:
    report = HostReport("gpu", NOW, loading=TRIO[0], loading_since=NOW - 100, load_s={TRIO[0]: 60.0})
    assert codes(seen(healthy(loaded=()), reports={"gpu": report})) == []
    unknown = replace(report, load_s={}, loading_since=NOW - 170)
    assert codes(seen(healthy(loaded=()), reports={"gpu": unknown})) == []


@pytest.mark.parametrize(
    ("size_bytes", "report", "hangs"),
    [
        (5 * GIB, {"loading_since": NOW - 170}, False),
        (5 * GIB, {"loading_since": NOW - 190}, True),
        (40 * GIB, {"loading_since": NOW - 800}, False),  # 20 s per GB
        (40 * GIB, {"loading_since": NOW - 900}, True),
        (40 * GIB, {"loading_since": NOW - 900, "loading_limit_s": 1800.0}, False),  # its driver gives it more time
        (5 * GIB, {"loading_since": NOW - 100, "load_s": {TRIO[0]: 5.0}}, False),  # read from a slow disk, perhaps
        (5 * GIB, {"loading_since": NOW - 120, "load_s": {TRIO[0]: 5.0}}, True),
        (1 * GIB, {"loading_since": NOW - 40, "load_s": {TRIO[0]: 5.0}}, True),
        (5 * GIB, {"loading_since": NOW - 600, "load_s": {TRIO[0]: 250.0}}, False),
    ],
)
def test_when_a_load_hangs_goes_by_the_models_size_and_its_loads_before(
    size_bytes: int, report: dict[str, Any], hangs: bool
) -> None:
    installed = tuple(InstalledModel(name, size_bytes, digest=name) for name in TRIO)
    cards = replace(healthy().host, memory_bytes=None)
    host = healthy(host=cards, installed=installed, loaded=(), shapes={})
    reported = HostReport("gpu", NOW, loading=TRIO[0], **report)
    assert (("loads_hang", "warning") in codes(seen(host, reports={"gpu": reported}))) is hangs


def test_all_models_of_a_server_are_kept_only_when_none_is_named() -> None:
    many = tuple(InstalledModel(f"m{number}", 4 * GIB, digest=f"{number}") for number in range(9))
    none_named = settings_with()
    assert codes(seen(healthy(installed=many, loaded=()), settings=none_named)) == [("set_does_not_fit", "note")]


def test_a_set_that_is_wholly_in_memory_fits_whatever_is_reckoned() -> None:
    wide = replace(EIGHT_B, kv_heads=32)
    settings = settings_with(arena_models=TRIO, arena_num_ctx=8192)
    loaded = tuple(LoadedModel(name, 7 * GIB, 7 * GIB, 8192, NOW + 250_000) for name in TRIO)
    there = healthy(shapes=dict.fromkeys(TRIO, wide), loaded=loaded)
    assert codes(seen(there, settings=settings)) == []
    assert codes(seen(replace(there, loaded=()), settings=settings)) == [("set_does_not_fit", "warning")]


def test_a_host_that_was_not_asked_has_what_is_configured_and_is_no_reason_to_call_models_missing() -> None:
    asleep = ObservedHost(Host("gpu", "https://gpu.example:443", scale_to_zero=True), "unasked")
    assert codes(seen(asleep)) == [("host_asleep", "note")]
    assert codes(seen(asleep, settings=settings_with())) == [("host_asleep", "note")]


def test_no_suggestion_repeats_a_configured_model() -> None:
    settings = settings_with(arena_models=(*TRIO, "llama3.2:8b"))
    (finding,) = findings_of(seen(settings=settings))
    assert (finding.code, finding.command) == (
        "model_missing",
        "OLLAMA_HOST=http://10.0.0.5:11434 ollama pull llama3.2:8b",
    )


def test_a_fallback_need_not_hold_the_models() -> None:
    spare = healthy(
        host=Host("spare", "http://10.0.0.6:11434", 8 * GIB, fallback=True), addresses=("10.0.0.6",), loaded=()
    )
    assert codes(seen(healthy(), spare)) == []


def test_two_servers_behind_one_proxy_are_two() -> None:
    other = healthy(
        host=Host("gpu2", "http://gpu2.example:11434", 24 * GIB),
        loaded=tuple(replace(one, expires_at=NOW + 240_000) for one in healthy().loaded),
    )
    assert codes(seen(healthy(), other)) == []


def test_one_server_under_two_addresses_is_one() -> None:
    other = healthy(host=Host("gpu2", "http://10.0.1.5:80", 24 * GIB), addresses=("10.0.1.5",))
    assert codes(seen(healthy(), other)) == [("same_server_twice", "warning")]


def test_clocks_of_redis_and_of_the_database() -> None:
    late = seen(redis=replace(REDIS, skew_s=-30.0), database=ObservedDatabase("postgresql://db/arena", skew_s=0.1))
    (finding,) = findings_of(late)
    assert (finding.code, finding.subject) == ("clock_skew", "redis")
    assert "30 s behind" in finding.cause
    ahead = seen(redis=replace(REDIS, skew_s=0.2), database=ObservedDatabase("postgresql://db/arena", skew_s=7.0))
    (finding,) = findings_of(ahead)
    assert (finding.subject, "7 s ahead" in finding.cause) == ("database", True)


def test_the_worst_comes_first_and_nothing_twice() -> None:
    note = Finding("host_on_cpu", "note", "a", "b", "c")
    error = Finding("redis_missing", "error", "a", "b", "c")
    assert worst_first([note, error, note]) == (error, note)


PLANTED_HERE = frozenset(("host_unreachable", "host_wrong_port", "redis_too_old", "model_cannot_chat"))
PLANTED_IN_SERVERS = frozenset(
    ("host_other_kind", "host_kind_found", "host_put_to_sleep", "option_not_taken", "server_busy_with_others")
)
PLANTED_IN_WRITES = frozenset(("database_not_writing",))
PLANTED_IN_CHECKUP = frozenset(("examination_slow",))
PLANTED_IN_HEALTH = frozenset(("host_on_cpu", "redis_embedded_idle"))


def test_every_code_is_planted_in_a_test() -> None:
    elsewhere = PLANTED_IN_CHECKUP | PLANTED_IN_HEALTH | PLANTED_IN_WRITES | PLANTED_IN_SERVERS
    assert {case.code for case in CASES} | PLANTED_HERE | elsewhere == set(CODES)


CHANGES = ("but_its_driver_reports_it_up", "in_words_for_other_kinds")
"""They give a finding other words."""


def constructors() -> list[str]:
    """The public functions of the catalogue that return a finding."""
    modules = [import_module(f"app.doctor.texts.{found.name}") for found in iter_modules(texts.__path__)]
    return [
        name
        for module in modules
        for name, value in vars(module).items()
        if isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        if value.__annotations__["return"] == "Finding" and name not in CHANGES
    ]


def test_every_code_has_a_constructor_of_its_name_in_the_catalogue() -> None:
    functions = constructors()
    assert set(CODES) <= set(functions)
    assert [name for name in functions if not name.startswith(CODES)] == []
    assert len(functions) == len(set(functions))


def test_only_the_catalogue_makes_findings() -> None:
    makers = {path for path in Path(app.doctor.__path__[0]).rglob("*.py") if "Finding(" in path.read_text()}
    assert {path.parent.name for path in makers} == {"texts"}


def test_every_code_has_its_line_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    findings, _, _ = text.partition("## From outside")  # what is found there has codes of its own
    assert set(re.findall(r"^\| `([a-z0-9_]+)` \|", findings, re.MULTILINE)) == set(CODES)


def test_a_load_that_was_refused_as_it_was_asked_is_no_matter_of_memory() -> None:
    events = (
        HostEvent(NOW - 5, "load_failed", TRIO[0], 'bad_request: "llama" does not support thinking'),
        HostEvent(NOW - 5, "load_failed", TRIO[1], "capacity: out of memory"),
    )
    found = findings_of(seen(reports={"gpu": HostReport("gpu", NOW, events=events)}))
    assert [finding.code for finding in found] == ["requests_refused", "loads_fail"]
    assert "does not support thinking" in found[0].cause
    assert TRIO[0] not in found[1].cause


def test_a_model_that_is_configured_to_think_and_cannot_is_noted() -> None:
    installed = tuple(replace(model, capabilities=("completion",)) for model in healthy().installed)
    thinking = replace(installed[0], capabilities=("completion", "thinking"))
    settings = settings_with(arena_models=TRIO, arena_think=True)
    found = findings_of(seen(healthy(installed=(thinking, *installed[1:])), settings=settings))
    assert [(finding.code, finding.subject) for finding in found] == [
        ("model_cannot_think", TRIO[1]),
        ("model_cannot_think", TRIO[2]),
    ]
