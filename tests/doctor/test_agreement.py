"""No two findings of one diagnosis have commands that contradict each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.backends.base import InstalledModel, LoadedModel
from app.doctor.checks.agreement import agreed
from app.doctor.diagnose import findings_of
from app.doctor.finding import Finding
from app.doctor.texts.commands import RESTART, Assignment, assignment_in, curl, environment, server_setting
from app.scheduling.report import HostReport
from tests.doctor.deployment import TRIO
from tests.doctor.test_findings import GIB, NOW, healthy, seen
from tests.services import settings_with


def wanting(subject: str, command: str) -> Finding:
    return Finding("context_shrunk", "warning", subject, f"cause of {subject}", "lower it", command)


@pytest.mark.parametrize("value", ["4096", "llama3.1:8b,mistral:7b", "a b", "it's"])
def test_the_value_of_a_command_is_read_as_a_shell_reads_it(value: str) -> None:
    assert assignment_in(environment("ARENA_MODELS", value)) == Assignment("ARENA_MODELS", value, of_server=False)


def test_commands_that_set_nothing_are_left_alone() -> None:
    assert assignment_in(RESTART) is None
    assert assignment_in(curl("http://gpu:11434", "/api/ps")) is None
    assert assignment_in("") is None
    assert assignment_in(server_setting("OLLAMA_CONTEXT_LENGTH", "8192")) == Assignment(
        "OLLAMA_CONTEXT_LENGTH", "8192", of_server=True
    )


def test_the_smaller_context_serves_both() -> None:
    large, small = (wanting(value, environment("ARENA_NUM_CTX", value)) for value in ("8192", "4096"))
    first, second = agreed([large, small])
    assert (first.command, second) == (small.command, small)
    assert "ARENA_NUM_CTX=4096, as for 4096, serves both" in first.remedy


def test_the_models_that_both_keep_serve_both() -> None:
    one, other = (wanting(models, environment("ARENA_MODELS", models)) for models in ("a,b,c", "b,c,d"))
    assert {finding.command for finding in agreed([one, other])} == {environment("ARENA_MODELS", "b,c")}
    none = wanting("none", environment("ARENA_MODELS", "x,y"))
    assert {finding.command for finding in agreed([one, none])} == {""}, "no command serves both"


def test_servers_have_settings_of_their_own() -> None:
    commands = [server_setting("OLLAMA_CONTEXT_LENGTH", value) for value in ("4096", "8192", "2048")]
    subjects = ["a on gpu", "b on gpu", "a on gpu2"]
    settled = agreed([wanting(*both) for both in zip(subjects, commands, strict=True)])
    assert [finding.command for finding in settled] == [commands[1], commands[1], commands[2]]


def test_a_diagnosis_names_one_context() -> None:
    big = tuple(InstalledModel(name, 9 * GIB, digest=name, capabilities=("completion",)) for name in TRIO)
    loaded = (LoadedModel(TRIO[0], 6 * GIB, 6 * GIB, 2048, NOW + 250_000),)
    host = healthy(installed=big, loaded=loaded)
    findings = findings_of(seen(host, settings=settings_with(arena_models=TRIO, arena_num_ctx=32768)))
    contexts = {found.value for one in findings if (found := assignment_in(one.command)) and "NUM_CTX" in found.name}
    assert len(contexts) == 1, findings


def test_a_change_of_models_costs_what_it_cost_on_this_host() -> None:
    wide = replace(healthy(loaded=()), host=replace(healthy().host, memory_bytes=12 * GIB))
    report = HostReport("gpu", NOW, load_s={TRIO[0]: 2.4, TRIO[1]: 8.6})
    (timed,) = [one for one in findings_of(seen(wide, reports={"gpu": report})) if one.code == "set_does_not_fit"]
    assert "which took 2 to 9 s each time lately" in timed.cause
    (untimed,) = [one for one in findings_of(seen(wide)) if one.code == "set_does_not_fit"]
    assert "s each time" not in untimed.cause
    short = settings_with(arena_models=TRIO, arena_keep_alive="1m")
    (kept,) = [one for one in findings_of(seen(settings=short, reports={"gpu": report})) if "72h" in one.command]
    assert "waits 2 to 9 s for each" in kept.cause
