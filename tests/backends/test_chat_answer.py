"""The fold of a chat completion's bytes into chunks: the servers' frames, cut anywhere, and every shape of an error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    Chunk,
    Faulted,
    ModelNotFound,
    PromptTooLong,
    ServerTiming,
    ToolCall,
    UpstreamFailed,
)
from app.backends.openai.answer import ChatFold
from app.backends.openai.frames import MAX_FRAME
from tests.backends.chat_frames import (
    DONE,
    ENGINE_DIED,
    FLAT,
    NAMED,
    OVERLOADED,
    ROUTER_DIED,
    TGI,
    TIMINGS,
    choice,
    finish,
    frame,
    piece,
    usage,
)
from tests.helpers import known

ROLE = piece(None, role="assistant")
PIECES = st.lists(
    st.sampled_from(["a", "ö ", "🌍", "<think>", "</think>", "<", "\n", "data: ", "\\n", "{}", "\u2028", ""]),
    max_size=10,
)
BETWEEN = st.sampled_from([b"", b": keep-alive\n\n", b":\n\n", b"event: message\n", b"id: 7\r\n", b"retry: 3000\n\n"])
WHOLE = [b"", DONE, finish(), finish("length") + usage(3, 4) + DONE, finish("tool_calls"), finish("content_filter")]
FAILED = [finish("abort") + DONE, finish("repetition"), ENGINE_DIED + DONE, finish() + ENGINE_DIED + DONE, TGI, FLAT]
ENDS = st.sampled_from([*WHOLE, *FAILED, ROUTER_DIED, b"<html>\n", b"data: {half", b"data: 7\n\n"])
LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


@dataclass(frozen=True)
class Folded:
    """What was seen of an answer in the end; ``restarted`` when something that was seen before was taken back."""

    text: str = ""
    tokens: int = 0
    end: str = ""
    timing: ServerTiming | None = None
    restarted: bool = False


def folded(pieces: list[bytes], answer: ChatFold | None = None) -> Folded:
    answer, seen = answer or ChatFold(), Folded()
    for data in pieces:
        seen = with_chunk(seen, answer.feed(data))
        if seen.end:
            return seen
        if answer.failure is not None:
            return replace(seen, end=type(answer.failure).__name__)
    seen = with_chunk(seen, answer.end(None))
    return seen if seen.end else replace(seen, end=type(answer.failure).__name__)


def with_chunk(seen: Folded, chunk: Chunk | None) -> Folded:
    if chunk is None:
        return seen
    if chunk.restart:
        seen = Folded(restarted=True)
    end = f"{chunk.finish_reason}/{chunk.server_reason}" if chunk.finish_reason else ""
    return replace(seen, text=seen.text + chunk.text, tokens=seen.tokens + chunk.tokens, end=end, timing=chunk.timing)


def failure(*data: bytes) -> BackendError:
    """What an answer of these bytes, and then the connection's end, fails with."""
    answer = ChatFold()
    answer.feed(b"".join(data))
    if answer.failure is None:
        answer.end(None)
    assert answer.failure is not None
    return answer.failure


@given(PIECES, BETWEEN, ENDS, LINE_ENDS, st.data())
def test_the_borders_of_the_reads_make_no_difference(
    texts: list[str], between: bytes, end: bytes, line_end: bytes, data: st.DataObject
) -> None:
    whole = ROLE + between.join(piece(text) for text in texts) + end
    whole = whole.replace(b"\n", line_end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reads = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    at_once = folded([whole])
    for other in (folded(reads), folded([whole[at : at + 1] for at in range(len(whole))])):
        assert (other.text, other.tokens) == (at_once.text, at_once.tokens)
        # What was seen and taken back makes a failure one after the first token; at once it was never seen.
        assert other.end == at_once.end or other.restarted
        assert other.timing == at_once.timing or not other.end.startswith(("stop", "length"))


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_bytes_make_it_raise_and_none_but_a_reason_make_an_answer(noise: bytes, cut: int) -> None:
    seen = folded([noise[:cut], noise[cut:]])
    assert seen.end
    assert not seen.end.startswith(("stop", "length")) or b"finish_reason" in noise


def test_vllms_answer_has_an_empty_piece_for_each_token_and_its_end_with_the_last_text() -> None:
    pieces = [
        ROLE,
        piece(""),
        piece("Hel"),
        piece(""),
        piece("lo"),
        frame(choice({"content": "!"}, "stop", stop_reason=None)),
    ]
    seen = folded([*pieces, usage(9, 4), DONE])
    assert (seen.text, seen.tokens, seen.end) == ("Hello!", 3, "stop/stop")
    assert seen.timing == ServerTiming(prompt_tokens=9, tokens=4)


def test_llama_servers_own_figures_are_the_timing_with_what_it_had_in_its_cache() -> None:
    seen = folded([ROLE, piece("Hi"), finish(), usage(24, 8, timings=TIMINGS)])
    assert seen.timing == ServerTiming(prompt_tokens=24, prompt_s=0.0125, tokens=8, decode_s=0.4, cached_tokens=20)
    without_usage = folded([ROLE, piece("Hi"), finish(timings=TIMINGS)])
    assert without_usage.timing == seen.timing


def test_vllms_metrics_are_figures_of_its_own_too() -> None:
    metrics = {"time_to_first_token_ms": 90.0, "queue_time_ms": 40.0, "generation_time_ms": 250.0}
    details = {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
    seen = folded([piece("Hi"), finish(), frame({"choices": [], "usage": details, "metrics": metrics}), DONE])
    assert seen.timing is not None
    assert (round(seen.timing.prompt_s, 6), seen.timing.decode_s) == (0.05, 0.25)
    assert (seen.timing.prompt_tokens, seen.timing.tokens, seen.timing.cached_tokens) == (5, 7, 4)


@pytest.mark.parametrize("figures", [{"usage": None}, {"usage": [], "timings": 3, "metrics": "x"}, {}])
def test_without_figures_an_answer_is_whole_all_the_same(figures: dict[str, object]) -> None:
    seen = folded([piece("Hi"), frame(choice({}, "stop", **figures))])
    assert (seen.text, seen.end, seen.timing) == ("Hi", "stop/stop", ServerTiming())


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_four_reasons_are_an_end_whether_or_not_done_follows(reason: str) -> None:
    ours = "length" if reason == "length" else "stop"
    for end in (b"", DONE, usage(1, 1), usage(1, 1) + DONE):
        assert folded([piece("Hi"), finish(reason) + end]).end == f"{ours}/{reason}"


@pytest.mark.parametrize("reason", ["abort", "error", "repetition", "eos_token", "Stop"])
def test_any_other_reason_is_a_failure(reason: str) -> None:
    assert isinstance(failure(piece("Hi"), finish(reason), DONE), BackendBroken)
    assert isinstance(failure(finish(reason), DONE), UpstreamFailed)


def test_done_without_a_reason_is_a_cut() -> None:
    assert type(failure(piece("Hi"), DONE)) is BackendBroken
    assert isinstance(failure(ROLE, DONE), BackendUnavailable)
    assert isinstance(failure(), BackendUnavailable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OVERLOADED, BackendOverloaded),
        (TGI, BackendOverloaded),
        (FLAT, BackendOverloaded),
        (ENGINE_DIED, UpstreamFailed),
        (frame({"error": "something broke"}), UpstreamFailed),
        (frame({"error": {"message": "The model `x` does not exist.", "code": 404}}), ModelNotFound),
        (frame({"error": {"message": "x", "type": "NotFoundError", "code": 404}}), ModelNotFound),
        (frame({"error": {"type": "exceed_context_size_error", "message": "too long", "code": 400}}), PromptTooLong),
        (frame({"error": {"message": "This model's maximum context length is 64", "code": 400}}), PromptTooLong),
        (frame({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}), BackendUnavailable),
        (ROUTER_DIED, BackendUnavailable),
        (b'{"error":{"message":"bare","code":503}}\n', BackendOverloaded),
        (b"<html><body>502</body></html>\n", UpstreamFailed),
        (frame({"error": {}}), UpstreamFailed),
    ],
)
def test_an_error_is_of_its_class_before_the_first_text_and_a_cut_after_it(
    error: bytes, kind: type[BackendError]
) -> None:
    assert type(failure(error)) is kind
    assert type(failure(ROLE, b": ping\n\n", error, DONE)) is kind
    assert type(failure(ROLE, piece("Hi"), error, DONE)) is Faulted
    assert type(failure(ROLE, piece("Hi"), finish(), error, DONE)) is Faulted


def test_text_that_came_with_its_failure_is_given_out_first() -> None:
    answer = ChatFold()
    assert answer.feed(piece("Half") + ENGINE_DIED) == Chunk("Half", 1)
    assert isinstance(answer.failure, Faulted)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thinking_that_is_sent_apart_is_thinking_under_both_names(name: str) -> None:
    answer = ChatFold()
    assert answer.feed(piece(None, **{name: "hm"})) == Chunk(thinking=True)
    assert answer.feed(piece("Hi")) == Chunk("Hi", 1)


def test_loading_messages_of_llama_swap_are_no_thinking() -> None:
    nameless = frame({"choices": [{"delta": {"reasoning_content": "loading model ..."}}]})
    assert ChatFold(drops_nameless_reasoning=True).feed(nameless) is None
    assert ChatFold(drops_nameless_reasoning=True).feed(piece(None, reasoning_content="hm")) == Chunk(thinking=True)


def test_content_in_parts_is_text_but_for_the_thinking_among_it() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
    assert ChatFold().feed(frame(choice({"content": parts}))) == Chunk("Hi", 1, thinking=True)


def test_only_the_first_choice_is_the_answer() -> None:
    other = {**NAMED, "choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}
    assert folded([piece("Hi"), frame(other), finish()]).text == "Hi"


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": [None, 3]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": 7}}]},
    ],
)
def test_odd_frames_say_nothing(odd: dict[str, object]) -> None:
    assert folded([piece("H"), frame(odd), piece("i"), finish()]).text == "Hi"


def test_frames_without_an_empty_line_between_them_are_read_one_by_one() -> None:
    lines = piece("H").strip() + b"\n" + piece("i").strip() + b"\n" + finish().strip() + b"\n" + DONE
    assert folded([lines]).text == "Hi"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert folded([piece("H").replace(b"H", b"\xff"), finish()]).text == "\ufffd"


def test_a_frame_without_an_end_is_given_up() -> None:
    answer = ChatFold()
    answer.feed(b"data: " + b"x" * (MAX_FRAME + 1))
    assert isinstance(answer.failure, UpstreamFailed)
    lines = ChatFold()
    lines.feed(b"data: x\n" * (MAX_FRAME + 1))
    assert isinstance(lines.failure, UpstreamFailed)


def test_nothing_after_the_end_counts() -> None:
    chunk = ChatFold().feed(piece("Hi") + finish() + DONE + piece("more") + ENGINE_DIED)
    assert chunk is not None
    assert (chunk.text, chunk.finish_reason) == ("Hi", "stop")


def test_an_answer_is_complete_before_its_figures_come() -> None:
    answer = ChatFold()
    answer.feed(piece("Hi") + finish())
    assert answer.complete
    assert answer.failure is None
    last = answer.end(ConnectionResetError("reset"))
    assert last is not None
    assert last.finish_reason == "stop"


def part(index: int | None, arguments: str, id_: str = "", name: str = "") -> dict[str, object]:
    """A part of a call: the first one of a call has its id and name."""
    first: dict[str, object] = {"id": id_, "type": "function"} if id_ else {}
    named = {"name": name} if name else {}
    place = {} if index is None else {"index": index}
    return {**place, **first, "function": {**named, "arguments": arguments}}


def calling(*parts: dict[str, object]) -> bytes:
    return frame(choice({"tool_calls": list(parts)}))


IN_PIECES = (
    calling(part(0, "", "call_1", "depth_of")),
    calling(part(0, '{"sea":')),
    calling(part(0, '"North"}')),
    calling(part(1, "", "call_2", "now")),
)
WHOLE_CALLS = (calling(part(None, '{"sea":"North"}', "call_1", "depth_of"), part(None, "{}", "call_2", "now")),)
CALLED = (ToolCall("call_1", "depth_of", '{"sea":"North"}'), ToolCall("call_2", "now", "{}"))


@pytest.mark.parametrize("frames", [IN_PIECES, WHOLE_CALLS])
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_calls_of_functions_are_gathered_whether_they_come_in_pieces_or_whole(
    frames: tuple[bytes, ...], reason: str
) -> None:
    answer = ChatFold()
    chunks = [answer.feed(data) for data in (ROLE, *frames)]
    assert chunks[0] is None
    assert all(chunk is not None and chunk.calling and not chunk.calls for chunk in chunks[1:])
    assert answer.started
    last = known(answer.feed(finish(reason) + usage(9, 4) + DONE))
    assert (last.finish_reason, last.calls, last.text) == ("stop", CALLED, "")


def test_a_call_without_an_id_gets_one_and_one_without_a_name_is_none() -> None:
    answer = ChatFold()
    answer.feed(calling(part(0, "{}", name="now")) + calling({"index": 1, "function": {"arguments": "{}"}}))
    (call,) = known(answer.feed(finish("tool_calls") + DONE)).calls
    assert (call.name, call.id.startswith("call_")) == ("now", True)


def test_what_breaks_off_after_a_call_was_begun_is_not_tried_again() -> None:
    assert isinstance(failure(ROLE, IN_PIECES[0]), BackendBroken)
    assert isinstance(failure(ROLE, IN_PIECES[0], ENGINE_DIED), Faulted)
    too_much = [calling(part(number, "", f"call_{number}", "now")) for number in range(200)]
    assert "more function calls" in str(failure(*too_much))
    assert "more function calls" in str(failure(calling(part(0, "x" * 600_000)), calling(part(0, "x" * 600_000))))
