"""A single model's answer as its client gets it, from the pieces that come of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from app.completions.completions import AnswerEnded, Piece, Text
from app.errors import Unavailable
from app.timing.stopwatch import Timing
from app.web.openai.frames import DONE, ChatReply
from app.web.openai.single import Asked, streamed, whole

EMPTY = AnswerEnded("error", "empty", Timing(tokens=3, prompt_tokens=9), "empty")
CUT_OFF = AnswerEnded("error", "cut_off", Timing(), "broken")


class Played:
    """Completions that are these pieces."""

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces
        self.given_up: list[str] = []

    async def pieces(self, _: str) -> AsyncGenerator[Piece]:
        for piece in self._pieces:
            yield piece

    def give_up(self, completion: str) -> None:
        self.given_up.append(completion)


def asked(*pieces: Piece) -> Asked:
    played: Any = Played(*pieces)
    return Asked("chatcmpl-1", ChatReply("chatcmpl-1", 7, "m"), played, lambda: None)


async def test_an_answer_without_a_visible_word_is_one() -> None:
    body: Any = await whole(asked(EMPTY))
    (choice,) = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
    assert body["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    frames = [one async for one in streamed(asked(EMPTY), usage=True)]
    assert frames[-1] == DONE
    read = [json.loads(one.removeprefix(b"data: ")) for one in frames[:-1]]
    assert [frame["choices"][0]["finish_reason"] for frame in read if frame["choices"]] == [None, "stop"]
    assert read[-1]["usage"]["total_tokens"] == 12
    assert not any("error" in frame for frame in read)


async def test_an_answer_that_was_cut_off_is_none() -> None:
    with pytest.raises(Unavailable):
        await whole(asked(Text("so"), CUT_OFF))
    frames = [one async for one in streamed(asked(Text("so"), CUT_OFF), usage=False)]
    assert b'"code":"cut_off"' in frames[-2]
