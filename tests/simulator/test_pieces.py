"""The small parts: names, durations, Go's JSON errors, clocks, texts, scripts of faults."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError, InvalidInput
from app.simulator.api.bodies import read_options
from app.simulator.api.wire import go_string
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import Faults, ScriptedFault
from app.simulator.engine.runner import common_prefix
from app.simulator.models.text import Writer
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.gojson import Fields, GoJsonError, go_loads
from app.simulator.protocol.keepalive import (
    FOREVER,
    DurationInvalid,
    go_duration,
    keep_alive_seconds,
    keep_alive_setting,
)
from app.simulator.protocol.names import ModelName, NameInvalid


@pytest.mark.parametrize(
    ("text", "short", "full"),
    [
        ("llama3.1", "llama3.1:latest", "registry.ollama.ai/library/llama3.1:latest"),
        (" llama3.1:8b ", "llama3.1:8b", "registry.ollama.ai/library/llama3.1:8b"),
        ("me/mine:x", "me/mine:x", "registry.ollama.ai/me/mine:x"),
        ("hf.co/me/mine", "hf.co/me/mine:latest", "hf.co/me/mine:latest"),
        ("localhost:5000/me/mine", "localhost:5000/me/mine:latest", "localhost:5000/me/mine:latest"),
    ],
)
def test_names_are_read_with_their_defaults(text: str, short: str, full: str) -> None:
    name = ModelName.parse(text)
    assert (name.short, name.full) == (short, full)


@pytest.mark.parametrize("text", ["", ":", "a b", "a!", "a/b/c/d", "m:", "m:t!", "-m", "x" * 81, "//m"])
def test_unreadable_names_are_refused(text: str) -> None:
    with pytest.raises(NameInvalid):
        ModelName.parse(text)


def test_case_does_not_matter_and_cloud_names_are_known() -> None:
    assert ModelName.parse("LLAMA3.1:8B").key == ModelName.parse("library/llama3.1:8b").key
    assert ModelName.parse("gpt-oss:120b-cloud").is_cloud
    assert ModelName.parse("x:cloud").is_cloud
    assert ModelName.parse("llama3.1:8b:cloud").is_cloud
    assert not ModelName.parse("cloudy:8b").is_cloud


def test_the_suffix_local_is_no_tag_of_its_own() -> None:
    assert ModelName.parse("llama3.1:8b:local") == ModelName.parse("llama3.1:8b")
    assert ModelName.parse("llama3.1:local") == ModelName.parse("llama3.1")
    with pytest.raises(NameInvalid):
        ModelName.parse("llama3.1:8b:local:cloud")


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    with contextlib.suppress(NameInvalid):
        assert ModelName.parse(ModelName.parse(text).short).key == ModelName.parse(text).key


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((5, 5), (0.5, 0.5), (0, 0), (-1, FOREVER), ("5m", 300), ("1h30m", 5400), ("0", 0), ("-1m", FOREVER)),
        *(("-1s", FOREVER), ("1.5s", 1.5), ("100ms", 0.1), ("+2s", 2), (".5s", 0.5), (None, None)),
    ],
)
def test_keep_alive_in_all_its_forms(value: float | str | None, seconds: float | None) -> None:
    assert keep_alive_seconds(value) == pytest.approx(seconds) if seconds else keep_alive_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("-1", 'time: missing unit in duration "-1"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("", 'time: invalid duration ""'),
        ("abc", 'time: invalid duration "abc"'),
        ("\uff15m", 'time: invalid duration "\uff15m"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
        ("5m x", 'time: unknown unit "m x" in duration "5m x"'),
        (True, "Unsupported type: 'bool'"),
        ([1], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_keep_alive_in_the_forms_that_are_errors(value: str | bool | list[int] | dict[Any, Any], words: str) -> None:
    with pytest.raises(DurationInvalid) as caught:
        keep_alive_seconds(value)
    assert str(caught.value) == words


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_gives_gos_words(text: str) -> None:
    try:
        assert math.isfinite(go_duration(text))
    except DurationInvalid as error:
        assert str(error).startswith("time: ")


def test_the_environments_keep_alive_may_be_a_bare_number() -> None:
    assert [keep_alive_setting(text) for text in ("-1", "300", "72h")] == [FOREVER, 300, 259_200]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"model":', "unexpected EOF"),
        (b'{"model": "x', "unexpected EOF"),
        (b"", "unexpected EOF"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
        (b"{model: 1}", "invalid character 'm' looking for beginning of object key string"),
        (b'{"model" 1}', "invalid character '1' after object key"),
        (b'{"model": 1 "x"}', "invalid character '\"' after object key:value pair"),
        (b"[" * 100_000, "exceeded max depth"),
        (b'{"keep_alive":NaN}', "invalid character 'N' looking for beginning of value"),
        (b"-Infinity", "invalid character 'I' in numeric literal"),
        (b"1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"),
    ],
)
def test_broken_json_gets_gos_words(body: bytes, words: str) -> None:
    with pytest.raises(GoJsonError) as caught:
        go_loads(body)
    assert str(caught.value) == words


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_get_gos_words(body: bytes) -> None:
    try:
        go_loads(body)
    except GoJsonError as error:
        assert str(error)


def test_wrong_types_name_the_field_and_keys_have_no_case() -> None:
    fields = Fields(
        {"Model": "x", "stream": "yes", "messages": [{"role": 1}], "options": [], "size": 1.5}, "ChatRequest"
    )
    assert fields.text("model") == "x"
    for read, words in (
        (lambda: fields.flag("stream", True), "string into Go struct field ChatRequest.stream of type bool"),
        (lambda: fields.whole("size"), "number 1.5 into Go struct field ChatRequest.size of type int"),
        (lambda: fields.mapping("options"), "array into Go struct field ChatRequest.options of type map[string]int"),
        (
            lambda: fields.objects("messages", "api.Message")[0].text("role"),
            "number into Go struct field ChatRequest.messages.role of type string",
        ),
    ):
        with pytest.raises(GoJsonError, match="json: cannot unmarshal") as caught:
            read()
        assert words in str(caught.value)
    assert Fields(None, "ChatRequest").text("model") == ""
    nulls = Fields({"messages": [None], "images": [None]}, "ChatRequest")
    assert (nulls.objects("messages", "api.Message")[0].text("role"), nulls.texts("images")) == ("", ("",))
    with pytest.raises(GoJsonError, match=r"array into Go value of type api\.ChatRequest"):
        Fields([], "ChatRequest")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_ctx": "big"}, 'option "num_ctx" must be of type integer'),
        ({"temperature": "hot"}, 'option "temperature" must be of type float32'),
        ({"use_mmap": 1}, 'option "use_mmap" must be of type boolean'),
        ({"stop": "x"}, 'option "stop" must be of type array'),
    ],
)
def test_options_of_the_wrong_type_are_a_500(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ServerError) as caught:
        read_options(options)
    assert (caught.value.status, caught.value.text) == (500, words)


def test_strings_are_escaped_as_go_does() -> None:
    assert go_string('<a href="x">&é\n') == '"\\u003ca href=\\"x\\"\\u003e\\u0026é\\n"'


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab", max_size=12))
def test_thecommon_prefix_is_the_longest(one: str, other: str) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


def test_texts_differ_by_model_and_prompt_and_are_the_same_for_the_same_seed() -> None:
    def said(
        model: str = "mistral:7b",
        prompt: str = "Why do rivers bend?",
        variant: str = "1",
        seed: int = 1,
        limit: int = 1000,
    ) -> tuple[str, ...]:
        return Writer(seed, 80).write(model, prompt, variant, limit=limit).content

    assert said() == said()
    texts = {said(), said(model="qwen3:8b"), said(prompt="Why do stars shine?"), said(variant="2"), said(seed=2)}
    assert len(texts) == 5
    assert "rivers" in "".join(said()).lower() or "bend" in "".join(said()).lower()
    assert said()[:10] == said(limit=10)[:10]


def test_the_length_of_answers_follows_its_setting() -> None:
    lengths = [len(Writer(0, 200).write("llama3.1:8b", "rain", str(n), limit=9999).content) for n in range(200)]
    assert 150 < sum(lengths) / len(lengths) < 260
    assert max(lengths) > 1.5 * min(lengths)


def test_a_scripted_fault_is_read() -> None:
    line = ScriptedFault.parse("at 90 connection_refused for 30")
    assert line == ScriptedFault(90.0, (("connection_refused", True),), 30.0)
    assert ScriptedFault.parse("at 5 mid_stream_error=3") == ScriptedFault(5.0, (("mid_stream_error", 3),), None)
    faults = Faults()
    line.apply(faults)
    assert faults.active() == {"connection_refused": True}
    line.revert(faults)
    assert faults.active() == {}


@pytest.mark.parametrize(
    "line",
    [
        *("", "90 half_open", "at x half_open", "at 1 nope", "at 1 stall_s=slow", "at 1 half_open in 3"),
        *("at nan half_open", "at -1 half_open", "at 1 half_open for inf", "at 1 stall_s=nan"),
    ],
)
def test_a_wrong_script_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        ScriptedFault.parse(line)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"card": "voodoo"}, "--card"),
        ({"models": ()}, "--models"),
        ({"models": ("nope:1b",)}, "--models"),
        ({"models": ("a b",)}, "--models"),
        ({"models": ("a=5@x",)}, "--models"),
        ({"models": ("a=mistral:7b/llama",)}, "--models"),
        ({"disk": "floppy"}, "--disk"),
        ({"speed": 0}, "--speed"),
        ({"port": 70_000}, "--port"),
        ({"keep_alive": "1d"}, "--keep-alive"),
        ({"keep_alive": "nan"}, "--keep-alive"),
        ({"num_parallel": 0}, "--num-parallel"),
        ({"faults": (("nope", True),)}, "--fault"),
        ({"script": ("at x y",)}, "--at"),
    ],
)
def test_a_bad_parameter_is_one_line_that_names_it(parameter: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SimulatorConfig(**parameter)
    assert caught.value.sentence.startswith(words)
    assert "\n" not in caught.value.sentence
