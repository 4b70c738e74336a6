"""Whatever was seen, the doctor has something to say or nothing, but never fails; and says the same twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from app.backends.base import InstalledModel, LoadedModel
from app.backends.ollama.rows import OddRow
from app.doctor.checks.capacity import tables
from app.doctor.diagnose import Diagnosis, findings_of
from app.doctor.finding import CODES
from app.doctor.probing.observation import (
    Observation,
    ObservedAnswer,
    ObservedDatabase,
    ObservedHost,
    ObservedRedis,
    Reach,
    Shape,
    key,
)
from app.doctor.render import show
from app.doctor.texts.commands import assignment_in
from app.hosts.host import Host
from app.scheduling.report import EventKind, HostEvent, HostReport, ResidentReport
from tests.doctor.deployment import TRIO
from tests.examples import examples
from tests.services import settings_with

NOW = 1_800_000_000.0
NAMES = (*TRIO, "big", "nomic-embed-text", "gpt-oss:120b-cloud", "not a name:", "")
SIZES = st.sampled_from([0, 1, 4 * 10**9, 10**13])
TIMES = st.one_of(st.none(), st.sampled_from([0.0, NOW - 1e6, NOW - 90, NOW, NOW + 60, NOW + 1e9]))
MODELS = st.sampled_from([name for name in NAMES if name])
CONTEXTS = st.sampled_from([None, 0, 2048, 4096, 8192, 32768, 262144])

installed = st.builds(InstalledModel, MODELS, SIZES, st.sampled_from(["", "a", "b"]), capabilities=st.just(()))
loaded = st.builds(LoadedModel, MODELS, SIZES, SIZES, CONTEXTS, TIMES)
shapes = st.builds(
    Shape,
    st.sampled_from(["", "llama", "qwen3next"]),
    st.integers(0, 100),
    st.integers(0, 64),
    st.integers(0, 256),
    st.sampled_from([0, 8192, 131072]),
    st.sampled_from(["", "c", "d"]),
)
odd_rows = st.lists(
    st.builds(OddRow, st.integers(1, 9), st.sampled_from(["", "big"]), st.just(("size is null",)), st.booleans()),
    min_size=1,
    max_size=4,
).map(tuple)
hosts = st.builds(
    Host,
    st.sampled_from(["gpu", "gpu2", "local"]),
    st.sampled_from(["http://127.0.0.1:80", "https://gpu1:443/ollama", "http://u:secret@[::1]:11434"]),
    st.sampled_from([None, 1, 24 * 1024**3]),
    st.sampled_from([1, 4]),
    st.sampled_from([None, 1, 8]),
    st.lists(MODELS, max_size=2).map(tuple),
    fallback=st.booleans(),
    scale_to_zero=st.booleans(),
)
observed_hosts = st.builds(
    ObservedHost,
    hosts,
    st.sampled_from(get_args(Reach)),
    st.sampled_from(["", "why"]),
    st.sampled_from([(), ("127.0.0.1",)]),
    st.sampled_from(["", "http://gpu1:11434", "https://127.0.0.1:80"]),
    st.sampled_from(["", "0.0.0", "0.20.5", "0.33.3", "nightly"]),
    st.lists(installed, max_size=5).map(tuple),
    st.lists(loaded, max_size=5).map(tuple),
    st.dictionaries(MODELS.map(key), shapes, max_size=5),
    st.sampled_from([None, 0.0, -90.0, 1e6]),
    st.dictionaries(st.sampled_from(["/api/version", "/api/tags", "/api/ps"]), odd_rows, max_size=3),
)
events = st.builds(
    HostEvent, TIMES.map(lambda at: at or 0.0), st.sampled_from(get_args(EventKind)), st.sampled_from(NAMES)
)
reports = st.builds(
    HostReport,
    st.just("gpu"),
    st.just(NOW),
    st.sampled_from(["up", "trying", "down"]),
    residents=st.lists(st.builds(ResidentReport, MODELS, used=st.sampled_from([0.0, NOW])), max_size=2).map(tuple),
    loading=st.one_of(st.none(), MODELS),
    loading_since=st.sampled_from([0.0, NOW - 1000]),
    load_s=st.dictionaries(MODELS, st.floats(0, 100), max_size=2),
    running_by_model=st.dictionaries(MODELS, st.integers(0, 3), max_size=2),
    planned=st.lists(MODELS, max_size=3).map(tuple),
    max_models=st.sampled_from([None, 1, 3]),
    events=st.lists(events, max_size=5).map(tuple),
    failed_answers=st.integers(0, 9),
)
answers = st.builds(ObservedAnswer, st.just("gpu"), MODELS, st.floats(0, 9), st.floats(0, 9), st.floats(0, 9))
redises = st.builds(
    ObservedRedis,
    st.sampled_from(["redis://h:1/0", "unix:///tmp/x.sock", "embedded in .arena"]),
    st.sampled_from(["up", "idle", "unavailable", "refused", "none", "folder"]),
    version=st.sampled_from(["", "6.0", "7.2"]),
    embedded=st.booleans(),
    used_bytes=SIZES,
    limit_bytes=SIZES,
    fsync=st.sampled_from([None, "always"]),
    saves=st.sampled_from([None, ""]),
    skew_s=st.sampled_from([None, 0.0, 600.0]),
)
databases = st.builds(
    ObservedDatabase,
    st.just("sqlite:///x"),
    st.sampled_from(["ready", "new", "empty", "behind", "newer", "unavailable", "unusable", "folder"]),
    answers=st.lists(answers, max_size=8).map(tuple),
)
configured = st.builds(
    lambda models, drivers, keep, ctx: settings_with(
        arena_models=tuple(models),
        arena_scheduler=drivers,
        arena_keep_alive=keep,
        arena_num_ctx=ctx,
    ),
    st.lists(MODELS, max_size=4, unique=True),
    st.booleans(),
    st.sampled_from(["1m", "72h"]),
    st.sampled_from([1, 4096, 200_000]),
)
observations = st.builds(
    Observation,
    configured,
    st.just(NOW),
    st.lists(observed_hosts, min_size=1, max_size=3, unique_by=lambda observed: observed.host.name).map(tuple),
    redises,
    databases,
    st.one_of(st.just({}), reports.map(lambda report: {"gpu": report})),
    st.dictionaries(st.sampled_from(["gpu", "gpu2"]), st.booleans(), max_size=2),
    st.dictionaries(st.sampled_from(["gpu", "gpu2"]), st.integers(0, 300), max_size=2),
)


@settings(max_examples=examples(25))
@given(observations)
def test_any_observation_is_told_of(seen: Observation) -> None:
    findings = findings_of(seen)
    assert findings == findings_of(replace(seen))
    assert {finding.code for finding in findings} <= set(CODES)
    assert "secret" not in str(findings)
    wanted = {(one.name, one.value) for f in findings if (one := assignment_in(f.command)) and not one.of_server}
    assert len(wanted) == len({name for name, _ in wanted}), "two commands contradict each other"
    examination = Diagnosis(datetime.fromtimestamp(NOW, UTC), 0.1, findings, memory=tables(seen))
    assert examination.can_battle == (not any(finding.severity == "error" for finding in findings))
    json.dumps(examination.to_dict())
    with Console(width=100, record=True, quiet=True) as console:
        show(examination, console)


@settings(max_examples=examples(25))
@given(observations)
def test_where_battles_can_run_there_are_two_models_or_nobody_knows(seen: Observation) -> None:
    if any(finding.severity == "error" for finding in findings_of(seen)):
        return
    unknown = any(host.reach in ("unasked", "unsure") for host in seen.hosts)
    assert unknown or len(seen.catalog.models) >= 2
