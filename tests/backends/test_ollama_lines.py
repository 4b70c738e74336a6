"""The fold of an answer's bytes into chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.backends.base import BackendBroken, BackendUnavailable, Chunk, OutOfCapacity
from app.backends.ollama.lines import AnswerFold, Faulted
from tests.backends.wire_server import line

PIECES = st.lists(
    st.sampled_from(["a", "ö ", "🌍", "<think>", "</think>", "<", "\n", "\\n", "{}", "\u2028"]), max_size=10
)
ENDS = st.sampled_from([b"", b'{"error":"boom"}\n', line("", done=True, done_reason="stop"), b"<html>\n", b'{"half'])


def folded(pieces: list[bytes]) -> tuple[str, int, str]:
    """The text, the tokens, and how it ended."""
    answer, text, tokens = AnswerFold(), "", 0
    for piece in pieces:
        chunk = answer.feed(piece)
        if chunk is not None:
            text, tokens = (chunk.text, chunk.tokens) if chunk.restart else (text + chunk.text, tokens + chunk.tokens)
            if chunk.finish_reason:
                return text, tokens, chunk.finish_reason
        if answer.failure is not None:
            return text, tokens, type(answer.failure).__name__
    chunk = answer.end(None)
    if chunk is not None:
        text, tokens = (chunk.text, chunk.tokens) if chunk.restart else (text + chunk.text, tokens + chunk.tokens)
    return text, tokens, type(answer.failure).__name__


@given(PIECES, ENDS, st.data())
def test_the_borders_of_the_reads_make_no_difference(texts: list[str], end: bytes, data: st.DataObject) -> None:
    whole = b"".join(line(text) for text in texts) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reads = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    by_reads, at_once, by_lines = folded(reads), folded([whole]), folded(whole.splitlines(keepends=True))
    assert by_reads == at_once
    assert by_lines == at_once


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
