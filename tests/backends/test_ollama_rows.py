"""Odd values in Ollama's JSON: whatever stands in one row or figure, nothing beside it is lost and nothing raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.backends.base import InstalledModel, LoadedModel, ServerTiming
from app.backends.ollama.calls import InstalledReply, LoadedReply, OrderReply, VersionReply
from app.backends.ollama.lines import AnswerFold, Line
from app.backends.ollama.rows import OddRow
from app.backends.values import decoded
from app.doctor.probing.shapes import ShowReply
from app.hosts.catalog import catalog
from app.hosts.host import Host
from app.hosts.probes import ProbeResult
from tests.examples import examples

TAG: dict[str, object] = {
    "name": "llama3.1:8b",
    "model": "llama3.1:8b",
    "size": 5,
    "digest": "46e0",
    "details": {"family": "llama", "quantization_level": "Q4_K_M"},
    "capabilities": ["completion"],
}
PS: dict[str, object] = {
    "name": "llama3.1:8b",
    "size": 9,
    "size_vram": 9,
    "context_length": 2048,
    "expires_at": "2026-11-21T10:00:00.123456789+01:00",
}
HUGE = 10**5000

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([2**63, -(2**63), 12.0, 12.5, "", "\ud800", "12", "llama3.1:8b", "0001-01-01T00:00:00Z"]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)
OTHER = {"name": "mistral:7b", "size": 4, "digest": "f00d"}


def body(rows: list[object]) -> bytes:
    return json.dumps({"models": rows}).encode()


def tags(*rows: object) -> InstalledReply:
    return InstalledReply.model_validate(decoded(body(list(rows))))


def ps(*rows: object) -> LoadedReply:
    return LoadedReply.model_validate(decoded(body(list(rows))))


@pytest.mark.parametrize("field", ["capabilities", "digest", "size", "details", "remote_model"])
def test_a_null_counts_as_unknown_and_is_told_of(field: str) -> None:
    reply = tags(TAG | {field: None}, OTHER)
    first, second = reply.values()
    assert first.name == "llama3.1:8b"
    assert second == InstalledModel("mistral:7b", 4, "f00d")
    assert reply.odd() == (OddRow(1, "llama3.1:8b", (f"{field} is null",)),)


def test_unknown_capabilities_do_not_keep_a_model_out() -> None:
    state = ProbeResult(True, installed=tags(TAG | {"capabilities": None, "size": None, "details": None}).values())
    assert catalog((), [Host("gpu", "http://gpu")], {"gpu": state}).models == ("llama3.1:8b",)


def test_a_row_without_a_name_is_skipped_and_told_of() -> None:
    reply = tags({"size": 5}, OTHER, {"name": None, "size": 5}, None, "llama")
    assert [model.name for model in reply.values()] == ["mistral:7b"]
    assert [(row.place, row.skipped) for row in reply.odd()] == [(1, True), (3, True), (4, True), (5, True)]
    assert [row.fields for row in reply.odd()] == [
        ("name is missing",),
        ("name is null",),
        ("it is null",),
        ("it is a string",),
    ]


def test_the_second_name_stands_in_for_the_first() -> None:
    reply = tags(TAG | {"name": None})
    assert [model.name for model in reply.values()] == ["llama3.1:8b"]
    assert reply.odd() == ()


def test_what_a_healthy_server_leaves_out_is_no_matter() -> None:
    assert tags({"name": "m"}).odd() == ()
    assert ps({"name": "m"}).odd() == ()


def test_a_model_twice_in_a_list_has_its_host_once() -> None:
    state = ProbeResult(True, installed=tags(TAG, TAG | {"name": "LLAMA3.1:8B"}).values())
    (contender,) = catalog((), [Host("gpu", "http://gpu")], {"gpu": state}).contenders
    assert contender.hosts == ("gpu",)


@pytest.mark.parametrize("odd", [None, "9", -1, True, [9]])
def test_memory_that_is_not_told_is_not_taken_for_the_cpu(odd: object) -> None:
    reply = ps(PS | {"size_vram": odd, "expires_at": None}, {"name": "other"})
    first, second = reply.values()
    assert (first.size_bytes, first.vram_bytes, first.context_length, first.expires_at) == (9, 9, 2048, None)
    assert second == LoadedModel("other", 0, 0)
    assert [row.name for row in reply.odd()] == ["llama3.1:8b"]
    assert "expires_at is null" in reply.odd()[0].fields


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    reply = ps(PS | {"size": 9.0, "size_vram": 7.0, "context_length": 2048.0})
    assert reply.values()[0].vram_bytes == 7
    assert reply.odd() == ()
    assert ps(PS | {"size": 9.5}).odd() == (OddRow(1, "llama3.1:8b", ("size is no whole number from 0 to 2**63 - 1",)),)


@settings(max_examples=examples(100))
@example("size", HUGE)
@example("name", "\ud800")
@given(st.sampled_from([*TAG, "remote_model", "remote_host"]), values)
def test_no_value_of_an_installed_row_loses_another_row(field: str, value: object) -> None:
    # Python writes no integer of over 4300 digits; other servers may.
    raw = body([TAG | {field: "@"}, OTHER])
    raw = raw.replace(b'"@"', b"9" * 5000 if value == HUGE else json.dumps(value).encode())
    reply = InstalledReply.model_validate(decoded(raw))
    models = reply.values()
    assert models[-1] == InstalledModel("mistral:7b", 4, "f00d")
    assert len(models) == 2 or reply.odd()[0].skipped
    for model in models:
        assert 0 <= model.size_bytes < 2**63
        json.dumps((*model.capabilities, model.name, model.digest, model.quantization), ensure_ascii=False).encode()
    assert "mistral:7b" in catalog((), [Host("gpu", "http://gpu")], {"gpu": ProbeResult(True, installed=models)}).models


@settings(max_examples=examples(100))
@example("size_vram", float("inf"))
@given(st.sampled_from([*PS, "model"]), values)
def test_no_value_of_a_loaded_row_loses_another_row(field: str, value: object) -> None:
    reply = ps(PS | {field: value}, {"name": "other", "size": 3, "size_vram": 3})
    models = reply.values()
    assert models[-1] == LoadedModel("other", 3, 3)
    assert len(models) == 2 or reply.odd()[0].skipped
    for model in models:
        assert 0 <= model.size_bytes < 2**63
        assert 0 <= model.vram_bytes < 2**63
        model.name.encode()


@given(st.one_of(values, st.just([])), values)
def test_any_row_at_all_is_survived(first: object, second: object) -> None:
    assert tags(first, OTHER, second).values()
    assert ps(first, OTHER, second).values()


@settings(max_examples=examples(80))
@given(st.sampled_from([name for name in get_type_hints(Line) if name.endswith(("_count", "_duration"))]), values)
def test_no_value_of_a_figure_loses_an_answer(figure: str, value: object) -> None:
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", figure: value}
    answer = AnswerFold()
    chunk = answer.feed(b'{"message":{"content":"Hi"}}\n' + json.dumps(last).encode() + b"\n")
    if answer.failure is not None:  # half a surrogate, which is no Unicode: the line is no JSON
        assert "\\ud" in json.dumps(value)
        return
    assert chunk is not None
    assert (chunk.text, chunk.finish_reason) == ("Hi", "stop")
    timing = chunk.timing
    assert timing is not None
    assert 0 <= timing.tokens < 2**63
    assert 0 <= timing.total_s < 1e10


@pytest.mark.parametrize(
    ("figures", "timing"),
    [
        ({"eval_count": 12.0, "prompt_eval_count": 3.7}, ServerTiming(tokens=12, prompt_tokens=3)),
        ({"eval_count": None, "eval_duration": None, "total_duration": None}, ServerTiming()),
        ({"eval_count": "12", "load_duration": True, "total_duration": -1}, ServerTiming()),
        ({"eval_duration": 1.5e9}, ServerTiming(decode_s=1.5)),
    ],
)
def test_odd_figures_of_an_answer_count_as_far_as_they_can(figures: Mapping[str, object], timing: ServerTiming) -> None:
    last = {"message": {"content": "Hi"}, "done": True, "done_reason": "stop", **figures}
    chunk = AnswerFold().feed(json.dumps(last).encode() + b"\n")
    assert chunk is not None
    assert chunk.timing == timing


def test_nulls_in_a_line_are_nothing() -> None:
    lines = [
        {"message": {"content": None, "thinking": None}, "done": None, "done_reason": None, "error": None},
        {"message": None},
        {"message": {"content": "Hi"}},
    ]
    answer = AnswerFold()
    chunk = answer.feed(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert answer.failure is None
    assert chunk is not None
    assert chunk.text == "Hi"


@given(values)
def test_any_version_and_any_end_of_a_load_are_read(value: object) -> None:
    version = VersionReply.model_validate({"version": value}).version
    assert version == (value if isinstance(value, str) else "")
    order = OrderReply.model_validate({"done": value, "done_reason": value})
    assert order.done is (value is True)


@settings(max_examples=examples(80))
@given(
    st.sampled_from(["modelfile", "model_info", *(f"llama.{name}" for name in ("block_count", "context_length"))]),
    values,
)
def test_any_shape_is_read(field: str, value: object) -> None:
    info = {"general.architecture": "llama", "llama.block_count": 32, "llama.context_length": 8192.0}
    reply = {"modelfile": "", "model_info": info | {field: value}, field: value}
    shape = ShowReply.model_validate(reply).shape()
    assert 0 <= min(shape.layers, shape.trained_ctx) <= max(shape.layers, shape.trained_ctx) < 2**63


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(text)
