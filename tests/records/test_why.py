"""``arena why``: the story of a battle from what SQL has, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.battle.battle import Pair, Side, Status, Verdict
from app.cli.why_lines import story_lines
from app.database.database import Database, migrate
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, BattleRecord, RoundRecord
from app.records.waits import Neighbour, RoundTimes, neighbours, round_times, stretch_of
from app.timing.stopwatch import Timing
from app.timing.story import Step, from_json, to_json
from tests.helpers import known
from tests.records.builders import NOON, Clock, new_answer, new_battle

T = NOON.timestamp()

#: It waited for a load that others had to make room for, on a host that died; then another wrote it.
MOVED = (
    Step(T + 12.5, "waited", "gpu-1", since=T, load_began=T + 2.4, load_ended=T + 12.4, made_room=("mistral:7b",)),
    Step(T + 12.5, "begun", "gpu-1", attempt=1),
    Step(T + 13.0, "retried", "gpu-1", cause="overloaded"),
    Step(T + 14.0, "moved", "gpu-1", cause="unavailable", target="gpu-2"),
    Step(T + 20.0, "begun", "gpu-2", attempt=2),
    Step(T + 20.0, "waited", "gpu-2", since=T),
    Step(T + 40.0, "ended", "gpu-2"),
)
TIMING = Timing(queue_s=20.0, load_s=0.0, ttft_s=0.5, total_s=40.0, tokens=600, tokens_per_s=30.0)


async def played(database: Database, *stories: tuple[Step, ...]) -> Ledger:
    """A battle whose answers have these stories; its round opened at noon and could be judged 40 s later."""
    clock = Clock()
    ledger = Ledger(database, clock)
    await ledger.open_battle(new_battle(contestants=("llama3.1:8b", "qwen3:8b")))
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(0, 1), False)])
    clock.now = NOON + timedelta(seconds=40.1)
    answers = [
        new_answer(entry, model=f"m{entry}", host="gpu-2", side=side, story=story, timing=TIMING, attempts=2)
        for entry, (side, story) in enumerate(zip(Side, stories, strict=False))
    ]
    await ledger.save_answers("b1", answers, [RoundRecord(1, Pair(0, 1), True)])
    return ledger


async def lines_of_story(database: Database) -> list[str]:
    ledger = Ledger(database)
    answers = await ledger.answers("b1")
    beside = await neighbours(database, answers)
    battle = known(await ledger.battle("b1"))
    return list(story_lines(battle, await round_times(database, "b1"), answers, beside))


async def test_who_waited_for_what_where_and_what_was_tried_again_is_told_in_order(database: Database) -> None:
    await played(database, MOVED)
    lines = await lines_of_story(database)
    assert [line.strip() for line in lines] == [
        "battle b1, running, opened 2026-03-01 12:00:00 UTC",
        "0.0 s  round 1: A (llama3.1:8b) against B (qwen3:8b)",
        "0.0 s  A (m0) is wanted",
        "2.4 s  gpu-1 begins to load m0; mistral:7b had to leave for it",
        "12.5 s  A (m0) is sent to its model on gpu-1, after 12.5 s: 10.0 s for its model's load, 2.5 s in the queue",
        "12.5 s  gpu-1 takes A (m0)",
        "13.0 s  gpu-1 refused A (m0) (overloaded) and is asked again",
        "14.0 s  gpu-1 could not write A (m0) (unavailable): given to gpu-2",
        "20.0 s  gpu-2 takes A (m0), attempt 2",
        "20.0 s  A (m0) is sent to its model on gpu-2, after 20.0 s in the queue",
        "40.0 s  A (m0) is complete: 600 tokens at 30 a second, its first word 0.5 s after it was sent",
        "40.1 s  round 1 can be judged",
        "nothing is stored of B (qwen3:8b): not asked, or not complete yet",
        "round 1 took 40.1 s; A (llama3.1:8b) was the later side: "
        "20.0 s in the queue, 19.5 s writing, 0.5 s until its first word",
    ]


async def test_an_attempt_that_was_lost_with_its_process_is_named(database: Database) -> None:
    lost = (Step(T + 1, "begun", "gpu-1", attempt=1), Step(T + 5, "begun", "gpu-1", attempt=2), MOVED[-1])
    await played(database, lost)
    [line] = [line for line in await lines_of_story(database) if "attempt 2" in line]
    assert line.endswith("attempt 2: the process that wrote it on gpu-1 was lost")


async def test_whom_the_host_wrote_meanwhile_is_named(database: Database) -> None:
    await played(database, MOVED[4:], (Step(T + 1, "waited", "gpu-2", since=T), Step(T + 19.8, "ended", "gpu-2")))
    other = Neighbour("b2", 0, "phi3:mini", "gpu-2", T + 1, T + 4)
    ledger = Ledger(database)
    answers = await ledger.answers("b1")
    beside = [*await neighbours(database, answers), other, replace(other, host="gpu-3")]
    battle = known(await ledger.battle("b1"))
    [line] = [line for line in story_lines(battle, (), answers, beside) if "A (m0) is sent" in line]
    assert line.endswith("; meanwhile gpu-2 wrote m1 for this battle (18.8 s of it), phi3:mini for b2 (3.0 s of it)")


async def test_a_record_that_is_older_than_stories_is_told_by_its_figures(database: Database) -> None:
    await played(database, ())
    lines = await lines_of_story(database)
    assert any(
        "A (m0) begins on gpu-2, after 20.0 s in the queue, 0.0 s for its model's load" in line for line in lines
    )


@pytest.mark.parametrize(
    ("finish", "said"), [("error", "failed: timeout (stalled)"), ("cancelled", "failed: cancelled")]
)
def test_how_an_answer_failed_is_told(finish: str, said: str) -> None:
    code = "timeout" if finish == "error" else None
    cause = "stalled" if finish == "error" else None
    story = (Step(T, "begun", "gpu", attempt=1), Step(T + 2, "failed", "gpu", cause=cause))
    answer = AnswerRecord(0, "m0", "gpu", "", finish, code, story=story)  # type: ignore[arg-type]
    lines = list(story_lines(battle_of_two(), (RoundTimes(1, Pair(0, 1), NOON, None),), {0: answer}, ()))
    assert any(line.endswith(f"A (m0) {said}") for line in lines)


def battle_of_two() -> BattleRecord:
    return BattleRecord("b1", "Why?", ("m0", "m1"), None, None, {}, None, None, Status.STOPPED, 1, NOON)


def test_steps_survive_their_way_through_redis_and_a_newer_version() -> None:
    assert from_json(to_json(MOVED)) == MOVED
    assert from_json(f'{to_json(MOVED[:1])},{{"at":1,"event":"teleported","host":"x"}}') == MOVED[:1]
    assert from_json('{"at":1.5,"event":"begun","host":"x","attempt":1,"new":2}') == (
        Step(1.5, "begun", "x", attempt=1),
    )
    assert from_json(b"") == from_json(None) == ()


def test_the_time_of_an_answer_without_figures_is_not_made_up() -> None:
    assert stretch_of(new_answer(created_at=None)).begun is None


async def test_the_verdict_is_a_part_of_the_story(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database = Database(url)
    ledger = await played(database, MOVED)
    await ledger.cast_vote("b1", 1, Verdict.TIE, Pair(0, 1), outcome=Status.FINISHED, key="k", voter="v")
    lines = await lines_of_story(database)
    assert any("round 1 is judged: tie" in line for line in lines)
    assert any("the battle is finished" in line for line in lines)
    await database.aclose()
