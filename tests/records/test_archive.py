"""Lists of battles and the erasing of one, on both databases."""

from __future__ import annotations

import pytest

from app.battle.battle import Status
from app.errors import NotFound
from app.records.ledger import Ledger
from tests.records.builders import judged_battle, new_answer, new_battle


async def test_a_list_has_the_newest_first_and_pages_follow_each_other(ledger: Ledger) -> None:
    for battle in ("b3", "b1", "b2", "b4", "b5"):  # within one clock tick the id decides
        await ledger.open_battle(new_battle(battle, message=f"{battle}?"))
    everything = [battle.id for battle in await ledger.newest(10)]
    assert sorted(everything) == ["b1", "b2", "b3", "b4", "b5"]
    pages: list[str] = []
    before: str | None = None
    while page := await ledger.newest(2, before):
        pages += [battle.id for battle in page]
        before = page[-1].id
    assert pages == everything


async def test_battles_are_found_by_their_ids_and_unknown_ones_left_out(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle("b1", message="One?"))
    await ledger.open_battle(new_battle("b2", message="Two?"))
    [found] = await ledger.among(["b2", "nobody"])
    assert (found.id, found.message, found.status, found.round) == ("b2", "Two?", Status.RUNNING, 1)
    assert (found.ended_at, found.erased) == (None, False)
    assert await ledger.among([]) == ()


async def test_a_battle_that_runs_keeps_its_words(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle("b1", session_id="s1"))
    assert await ledger.erase("b1") is Status.RUNNING
    kept = await ledger.battle("b1")
    assert kept is not None
    assert (kept.message, kept.session_id) == ("Why?", "s1")


async def test_an_ended_battle_loses_its_words_and_keeps_its_votes(ledger: Ledger) -> None:
    await judged_battle(ledger, answers=(new_answer(0), new_answer(1, model="y")))
    await ledger.end_battle("b1", Status.STOPPED)
    before = await ledger.battle("b1")
    for _ in range(2):
        assert await ledger.erase("b1") is not Status.RUNNING
    after = await ledger.battle("b1")
    assert before is not None
    assert after is not None
    assert (after.message, after.votes, after.status) == ("", before.votes, before.status)
    assert {answer.text for answer in (await ledger.answers("b1")).values()} == {""}
    [listed] = await ledger.among(["b1"])
    assert (listed.message, listed.erased) == ("", True)


async def test_nobody_can_erase_what_is_none(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        await ledger.erase("nobody")
