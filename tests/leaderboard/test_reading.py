"""What ended battles leave behind, read in chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import pytest

from app.battle.battle import Status
from app.database.database import Database
from app.records.ended import ended_mark, ended_votes, written_answers
from app.records.style import AnswerStyle
from tests.leaderboard.playing import A, B, Player

T = TypeVar("T")


async def flat(chunks: AsyncIterator[Sequence[T]]) -> list[T]:
    return [value async for chunk in chunks for value in chunk]


async def test_chunks_of_any_size_give_every_vote_and_answer_of_ended_battles_once(
    database: Database, player: Player
) -> None:
    await player.battles(A, B, A, B)
    await player.battle(A, "x", "y", "z", end=Status.RUNNING)
    votes = await flat(ended_votes(database))
    answers = await flat(written_answers(database))
    assert [vote.battle_id for vote in votes] == [f"battle-{number:04}" for number in range(4)]
    assert [(answer.battle_id, answer.entry) for answer in answers] == [
        (vote.battle_id, entry) for vote in votes for entry in (0, 1)
    ]
    assert {(vote.style_a, vote.style_b) for vote in votes} == {(AnswerStyle(length=3), AnswerStyle(length=3))}
    for chunk in (1, 3, 8):
        assert await flat(ended_votes(database, chunk)) == votes
        assert await flat(written_answers(database, chunk)) == answers


@pytest.mark.parametrize("end", [Status.STOPPED, Status.FINISHED])
async def test_the_mark_differs_once_a_battle_with_votes_has_ended(
    database: Database, player: Player, end: Status
) -> None:
    await player.battles(A)
    battle = await player.battle(B, "x", "y", "z", end=Status.RUNNING)
    before = await database.read(ended_mark)
    assert await database.read(ended_mark) == before
    await player.end(battle, end)
    assert await database.read(ended_mark) != before
