"""What is taken of a chat completion's body, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.backends.base import Message, ToolCall, Tools
from app.errors import InvalidInput
from app.web.openai.bodies import DEEPEST_SCHEMA, ChatRequest, check_possible, messages_of, output_of, tools_of
from app.web.openai.single import options_of
from app.web.openai.tasks import empty_answer, is_task
from tests.helpers import known
from tests.services import settings_with

PIXEL = "iVBORw0KGgo="
HI = {"role": "user", "content": "Hi"}


def body(**more: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m:1b", "messages": [HI]} | more)


def test_texts_in_parts_are_one_text_and_developers_are_the_system() -> None:
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]
    asked = body(messages=[{"role": "developer", "content": "Be short."}, {"role": "user", "content": parts}])
    assert messages_of(asked) == (Message("system", "Be short."), Message("user", "One\ntwo"))


def test_an_image_is_taken_from_a_data_address() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    (message,) = messages_of(body(messages=[{"role": "user", "content": [image]}]))
    assert message == Message("user", "", (PIXEL,))


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/secret.png", "file:///etc/passwd", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,A"],
)
def test_no_other_address_of_an_image_is_taken(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(InvalidInput) as refused:
        messages_of(body(messages=[{"role": "user", "content": [image]}]))
    assert refused.value.field == "messages.0"


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([{"role": "tool", "content": "4"}, HI], "messages.0"),
        ([{"role": "function", "content": "4"}, HI], "messages.0.role"),
        ([HI, {"role": "user", "content": [{"type": "input_audio"}]}], "messages.1"),
        ([{"role": "system", "content": "Be short."}], "messages"),
    ],
)
def test_turns_that_are_not_taken_are_named(messages: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        messages_of(body(messages=messages))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("more", "field"),
    [({"n": 2}, "n"), ({"functions": [{}]}, "functions"), ({"logprobs": True}, "logprobs")],
)
def test_what_no_model_is_asked_for_is_refused(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_possible(body(**more))
    assert refused.value.field == field


def test_empty_tools_and_one_choice_are_nothing() -> None:
    check_possible(body(n=1, tools=[], logprobs=False))


def nested(levels: int) -> dict[str, Any]:
    return {"type": "object"} if levels == 1 else {"properties": nested(levels - 1)}


def tool(name: str = "depth_of", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def test_tools_are_handed_on_as_they_are_with_the_choice_among_them() -> None:
    one = tool(parameters={"type": "object", "properties": {"sea": {"type": "string"}}}, strict=True)
    chosen: dict[str, Any] = {"type": "function", "function": {"name": "depth_of"}}
    assert tools_of(body(tools=[one])) == Tools((one,))
    assert tools_of(body(tools=[one], tool_choice="required")) == Tools((one,), "required")
    forced = tools_of(body(tools=[one, tool("other")], tool_choice=chosen, parallel_tool_calls=False))
    assert forced == Tools((one, tool("other")), chosen, parallel=False)
    assert known(forced).forced
    assert tools_of(body(tools=[], tool_choice="auto")) is None


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"tools": [tool(parameters=nested(DEEPEST_SCHEMA))]}, "tools"),
        ({"tools": [tool(description="x" * 130_000), tool("b", description="x" * 130_000)]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [tool()], "tool_choice": tool("nosuch")}, "tool_choice"),
    ],
)
def test_tools_that_are_too_much_or_not_there_are_refused(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        tools_of(body(**more))
    assert refused.value.field == field


@pytest.mark.parametrize(
    "more",
    [{"tools": [{}]}, {"tools": [tool("no spaces")]}, {"tools": [tool()] * 129}, {"tools": [{"type": "web_search"}]}],
)
def test_tools_that_are_none_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body(**more)


def test_calls_and_their_results_are_turns_of_the_conversation() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "depth_of", "arguments": '{"sea":"North"}'}}
    asked = body(
        messages=[
            HI,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "95 m"},
        ]
    )
    assert messages_of(asked)[1:] == (
        Message("assistant", "", calls=(ToolCall("call_1", "depth_of", '{"sea":"North"}'),)),
        Message("tool", "95 m", call_id="call_1"),
    )


def test_fields_that_nobody_knows_are_left_out() -> None:
    assert body(store=True, metadata={"chat": "1"}, parallel_tool_calls=False).model == "m:1b"


@pytest.mark.parametrize(
    "more", [{"messages": []}, {"temperature": 3}, {"max_tokens": 0}, {"model": " "}, {"top_p": 0}]
)
def test_values_out_of_range_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body(**more)


def test_json_is_asked_for_with_or_without_a_schema() -> None:
    assert output_of(body()) is None
    assert output_of(body(response_format={"type": "text"})) is None
    assert output_of(body(response_format={"type": "json_object"})) == "json"
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert output_of(body(response_format=wanted)) == schema


@pytest.mark.parametrize("schema", [None, nested(DEEPEST_SCHEMA + 1), {"description": "x" * 70_000}])
def test_a_schema_that_is_missing_too_deep_or_too_large_is_refused(schema: dict[str, Any] | None) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x"} | ({} if schema is None else {"schema": schema})}
    with pytest.raises(InvalidInput) as refused:
        output_of(body(response_format=wanted))
    assert refused.value.field == "response_format"


def test_the_callers_options_stand_over_the_arenas_and_its_memory_is_the_arenas() -> None:
    settings = settings_with(arena_num_ctx=2048, arena_temperature=0.1, arena_seed=3, arena_api_max_tokens=100)
    options = options_of(settings, "m:1b", body(temperature=1, seed=9, top_p=0.5, stop="END", max_tokens=50))
    assert (options.num_ctx, options.num_predict, options.temperature, options.seed) == (2048, 50, 1.0, 9)
    assert options.extra == {"top_p": 0.5, "stop": ["END"]}
    assert options_of(settings, "m:1b", body()).num_predict == 100
    assert options_of(settings, "m:1b", body(max_completion_tokens=5_000)).num_predict == 100
    assert options_of(settings, "m:1b", body(max_completion_tokens=7, max_tokens=9)).num_predict == 7


TITLE = '### Task:\nGenerate a title.\n### Output:\nJSON format: { "title": "your concise title here" }'


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (TITLE, '{"title":""}'),
        ('### Task:\nSuggest\n{ "follow_ups": ["Question 1?"] }', '{"follow_ups":[]}'),
        ('### Task:\nTag\n{ "tags": ["tag1"] }', '{"tags":[]}'),
        ("### Task:\nAnything else", ""),
    ],
)
def test_background_calls_of_chat_uis_are_answered_with_nothing(text: str, answer: str) -> None:
    asked = body(messages=[{"role": "user", "content": text}], stream=False)
    assert is_task(asked)
    assert empty_answer(asked) == answer


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True, "messages": [{"role": "user", "content": TITLE}]},
        {"messages": [HI, {"role": "user", "content": TITLE}]},
        {"messages": [{"role": "user", "content": "What does ### Task: mean?"}]},
    ],
)
def test_what_somebody_waits_for_is_no_background_call(more: dict[str, Any]) -> None:
    assert not is_task(body(**more))
