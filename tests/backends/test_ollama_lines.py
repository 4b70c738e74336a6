"""The fold of an answer's bytes into chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.backends.base import (
    BackendBroken,
    BackendUnavailable,
    Chunk,
    Faulted,
    GenerationOptions,
    Message,
    OutOfCapacity,
    ToolCall,
)
from app.backends.ollama.calls import chat_body
from app.backends.ollama.lines import AnswerFold
from tests.backends.wire_server import line
from tests.helpers import known

PIECES = st.lists(
    st.sampled_from(["a", "ö ", "🌍", "<think>", "</think>", "<", "\n", "\\n", "{}", "\u2028"]), max_size=10
)
ENDS = st.sampled_from([b"", b'{"error":"boom"}\n', line("", done=True, done_reason="stop"), b"<html>\n", b'{"half'])

#: Text that was seen and taken back makes a failure one after the first token, which must not be tried again. Read at
#: once, the same text was never seen. By the class of the failure before the first token.
AFTER_TEXT = {"BackendUnavailable": "BackendBroken", "UpstreamFailed": "Faulted"}


@dataclass(frozen=True)
class Folded:
    """What was seen of an answer in the end; ``restarted`` when something that was seen before was taken back."""

    text: str
    tokens: int
    end: str
    restarted: bool = False


def folded(pieces: list[bytes]) -> Folded:
    answer, seen = AnswerFold(), Folded("", 0, "")
    for piece in pieces:
        seen = with_chunk(seen, answer.feed(piece))
        if seen.end:
            return seen
        if answer.failure is not None:
            return replace(seen, end=type(answer.failure).__name__)
    seen = with_chunk(seen, answer.end(None))
    return replace(seen, end=type(answer.failure).__name__)


def with_chunk(seen: Folded, chunk: Chunk | None) -> Folded:
    if chunk is None:
        return seen
    if chunk.restart:
        seen = Folded("", 0, "", restarted=True)
    return replace(seen, text=seen.text + chunk.text, tokens=seen.tokens + chunk.tokens, end=chunk.finish_reason or "")


@given(PIECES, ENDS, st.data())
def test_the_borders_of_the_reads_make_no_difference(texts: list[str], end: bytes, data: st.DataObject) -> None:
    whole = b"".join(line(text) for text in texts) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reads = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    at_once = folded([whole])
    assert not at_once.restarted
    for other in (folded(reads), folded(whole.splitlines(keepends=True))):
        assert (other.text, other.tokens) == (at_once.text, at_once.tokens)
        assert other.end == (AFTER_TEXT.get(at_once.end, at_once.end) if other.restarted else at_once.end)


def test_what_was_never_given_out_is_not_taken_back() -> None:
    end = line("", done=True, done_reason="stop")
    chunk = AnswerFold().feed(line("a") + line("\n") + line("</think>") + end)
    assert chunk is not None
    assert (chunk.text, chunk.thinking, chunk.finish_reason, chunk.restart) == ("", True, "stop", False)


def test_text_that_came_with_its_failure_is_given_out_first() -> None:
    answer = AnswerFold()
    assert answer.feed(line("Half") + b'{"error":"boom"}\n') == Chunk("Half", 1)
    assert isinstance(answer.failure, Faulted)
    assert isinstance(answer.failure, BackendBroken)


def test_thoughts_alone_are_no_beginning() -> None:
    answer = AnswerFold()
    assert answer.feed(line("<think>hm") + b'{"error":"unable to load full model"}\n') == Chunk(thinking=True)
    assert isinstance(answer.failure, OutOfCapacity)
    thinking = AnswerFold()
    assert thinking.feed(line("", thinking="hm")) == Chunk(thinking=True)
    thinking.end(None)
    assert isinstance(thinking.failure, BackendUnavailable)


def test_lines_that_say_nothing_are_no_chunk() -> None:
    assert AnswerFold().feed(b"\n \r\n" + line("")) is None


def test_nothing_after_the_end_counts() -> None:
    chunk = AnswerFold().feed(line("Hi", done=True, done_reason="length") + line("more") + b"junk\n")
    assert chunk is not None
    assert (chunk.text, chunk.finish_reason) == ("Hi", "length")


def calling(*calls: dict[str, object]) -> bytes:
    return orjson.dumps({"message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False}) + b"\n"


def test_calls_of_functions_come_whole_and_are_given_out_at_the_end() -> None:
    answer = AnswerFold()
    call: dict[str, object] = {"id": "call_1", "function": {"index": 0, "name": "depth_of", "arguments": {"sea": "ö"}}}
    begun = known(answer.feed(calling(call) + calling({"function": {"name": "now", "arguments": {}}}, {"function": 7})))
    assert (begun.calling, begun.calls, answer.started) == (True, (), True)
    last = known(answer.feed(line("", done=True, done_reason="stop")))
    first, second = last.calls
    assert first == ToolCall("call_1", "depth_of", '{"sea":"ö"}')
    assert (second.name, second.arguments, second.id.startswith("call_")) == ("now", "{}", True)


def test_what_breaks_off_after_a_call_is_not_tried_again() -> None:
    answer = AnswerFold()
    answer.feed(calling({"function": {"name": "now", "arguments": {}}}))
    answer.end(None)
    assert isinstance(answer.failure, BackendBroken)


def test_calls_and_results_go_to_the_server_in_its_own_form() -> None:
    messages = (
        Message("user", "How deep?"),
        Message(
            "assistant",
            "",
            calls=(ToolCall("call_1", "depth_of", '{"sea":"North"}'), ToolCall("call_2", "x", "[")),
        ),
        Message("tool", "95 m", call_id="call_1"),
    )
    sent = chat_body("m", messages, GenerationOptions(), stream=True)["messages"]
    assert sent == [
        {"role": "user", "content": "How deep?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1", "function": {"name": "depth_of", "arguments": {"sea": "North"}}},
                {"id": "call_2", "function": {"name": "x", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "95 m", "tool_name": "depth_of", "tool_call_id": "call_1"},
    ]
