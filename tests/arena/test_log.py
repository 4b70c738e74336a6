"""A battle's log on a real Redis: whatever happens in whatever order, every fold of it is the snapshot."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib import resources

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.arena.states import BattleState
from app.arena.store import AnswerUpdate, Pace
from app.battle.battle import Side, Status, Verdict
from app.battle.events import Event, Snapshot, fold
from app.errors import Conflict
from app.redis.client import commands_client
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.examples import examples
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")


async def folded(arena: ArenaOnRedis, opened: Snapshot, battle: str) -> dict[int, Snapshot]:
    """The fold of the log at every cut, from the snapshot that opened the battle."""
    start = int(opened.cursor.split("-")[1])
    now, cuts = opened, {start: opened}
    for expected, entry in enumerate(await arena.store.entries(battle, start), start=start + 1):
        assert entry.n == expected, "numbers have no gap"
        end = "-end" if entry.event == b"end" else ""
        event = Event(entry.event.decode(), orjson.loads(entry.data))
        now = fold(now, event, f"{opened.cursor.split('-')[0]}-{entry.n}{end}")
        cuts[entry.n] = now
    return cuts


async def test_a_battle_opens_with_its_round_and_both_sides_queued(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    opened = await arena.open()
    entries = await arena.store.entries(opened.battle_id, 0)
    assert [entry.event for entry in entries] == [b"round", b"status", b"status"]
    assert opened.to_dict()["sides"]["a"] == {
        "alias": "Model A", "state": "queued", "text": "", "finish_reason": None, "error": None,
    }  # fmt: skip
    assert sorted(job.answer for job in arena.dispatcher.jobs.values()) == [0, 1, 2]


async def test_the_orders_of_the_log_hold_from_open_to_end(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    opened = await arena.open(3)
    b = opened.battle_id
    for answer in (0, 1, 2):
        await arena.answer(b, answer)
    await arena.manager.vote(b, 1, Verdict.B)
    after = await arena.manager.vote(b, 2, Verdict.TIE)
    events = [entry.event.decode() for entry in await arena.store.entries(b, 3)]
    one = ["status", "delta", "answer"]
    assert events == [
        *one,
        *one,
        "ready",
        "vote",
        "round",
        "delta",
        "answer",
        "delta",
        "answer",
        "ready",
        "vote",
        "end",
    ]
    assert after.status == "finished"
    assert after.reveal is not None
    assert [line["place"] for line in after.reveal["ranking"]] == [1, 2, 3]
    assert after.reveal["champion"] == arena.ledger.battles[b].contestants[1]


async def test_a_side_that_failed_is_replaced_and_costs_one_round(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    opened = await arena.open(3)
    b = opened.battle_id
    await arena.begin(b, 0)
    await arena.write(b, 0, "half an ans")
    await arena.write(b, 0, "", "error", "cut_off")
    await arena.reconciler.reconcile(b)
    snapshot = await arena.manager.snapshot(b)
    assert snapshot.sides["a"].alias == "Model C"  # type: ignore[index]
    assert (snapshot.round, snapshot.rounds_total, snapshot.status) == (1, 1, "running")
    assert arena.ledger.saved[b][0].error_code == "cut_off"


async def answered_unseen(arena: ArenaOnRedis) -> tuple[str, BattleState]:
    """A battle whose answers have both ended since it was read, and as it was read."""
    b = (await arena.open()).battle_id
    seen = await arena.store.state(b, "all")
    assert seen is not None
    for answer in (0, 1):
        await arena.begin(b, answer)
        await arena.write(b, answer, "because", "stop")
    return b, seen


async def is_ready(arena: ArenaOnRedis, b: str) -> bool:
    state = await arena.store.state(b)
    return state is not None and state.document.battle.ready


async def test_what_one_caller_has_seen_does_not_count_for_another_who_saw_more(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b, seen = await answered_unseen(arena)
    await asyncio.gather(arena.reconciler.after_vote(b, seen, None), arena.reconciler.reconcile(b))
    assert await is_ready(arena, b)


async def test_what_was_seen_counts_once_and_the_next_call_reads_the_battle_again(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b, seen = await answered_unseen(arena)
    await arena.reconciler.after_vote(b, seen, None)
    assert not await is_ready(arena, b)
    await arena.reconciler.reconcile(b)
    assert await is_ready(arena, b)


async def test_a_battle_that_was_changed_since_it_was_seen_is_read_again(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b, seen = await answered_unseen(arena)
    await arena.reconciler.reconcile(b)
    arena.ledger.battles[b] = replace(arena.ledger.battles[b], status=Status.STOPPED)
    await arena.reconciler.after_vote(b, seen, None)
    assert (await arena.manager.snapshot(b)).status == "stopped"


async def test_a_second_attempt_resets_what_was_shown_and_fences_the_first_off(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    await arena.begin(b, 0)
    await arena.write(b, 0, "first text")
    stale = AnswerUpdate(b, arena.name, 0, arena.current[0], 9, "late")
    await arena.begin(b, 0)
    assert await arena.store.write([stale]) == ["stale"]
    await arena.write(b, 0, "second text")
    snapshot = await arena.manager.snapshot(b)
    assert snapshot.to_dict()["sides"]["a"]["text"] == "second text"
    assert b"reset" in [entry.event for entry in await arena.store.entries(b, 0)]


async def test_an_answer_whose_workers_die_one_after_the_other_ends_as_interrupted(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    assert [await arena.begin(b, 0) for _ in range(7)] == ["started"] * 5 + ["interrupted", "finished"]
    state = await arena.store.state(b)
    assert state is not None
    assert state.answers[0].error == {"code": "interrupted", "message": state.answers[0].error["message"]}  # type: ignore[index]


async def test_a_stop_cancels_what_is_unfinished_and_refuses_what_comes_after(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    await arena.begin(b, 0)
    await arena.write(b, 0, "some")
    stopped = await arena.manager.stop(b)
    assert stopped.status == "stopped"
    assert stopped.reveal is not None
    assert stopped.reveal["champion"] is None
    assert await arena.write(b, 0, "more") == "ended"
    assert await arena.begin(b, 1) == "ended"
    assert (await arena.store.entries(b, 0))[-1].event == b"end"
    assert not arena.dispatcher.jobs
    assert (await arena.manager.stop(b)).cursor == stopped.cursor
    assert arena.ledger.saved[b][0].finish_reason == "cancelled"


async def test_the_status_of_a_waiting_answer_has_its_place_and_wait_only(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    item = AnswerUpdate(b, "", 0, 0, 0, state="queued", extra=',"place":3,"eta_s":12')
    assert await arena.store.write([item, item]) == ["ok", "ok"]
    sent = [orjson.loads(entry.data) for entry in await arena.store.entries(b, 3)]
    assert sent == [{"round": 1, "side": side, "state": "queued", "place": 3, "eta_s": 12} for side in "ab"]
    await arena.begin(b, 0)
    await arena.write(b, 0, "now")
    assert await arena.store.write([item]) == ["stale"]


async def test_a_battle_with_a_missing_key_is_gone_and_rebuilt_from_sql(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    await arena.begin(b, 0)
    await redis.delete(f"arena:{{{b}}}:text:0")
    assert await arena.write(b, 0, "x") == "gone"
    assert await arena.begin(b, 1) == "gone"
    assert await arena.store.state(b) is None
    arena.make_old(b)
    rebuilt = await arena.manager.snapshot(b)
    assert rebuilt.status == "running"
    assert rebuilt.cursor.split("-")[0] != arena.name
    assert rebuilt.to_dict()["sides"]["a"]["state"] == "queued"
    assert await arena.write(b, 0, "x") == "gone", "what was begun before writes nowhere"


async def test_a_lost_battle_keeps_its_votes_and_finished_answers(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open(3)).battle_id
    for answer in (0, 1, 2):
        await arena.answer(b, answer, f"text {answer}")
    before = (await arena.manager.vote(b, 1, Verdict.B)).to_dict()
    await redis.flushall()
    arena.make_old(b)
    after = (await arena.manager.snapshot(b)).to_dict()
    assert after | {"cursor": ""} == before | {"cursor": ""}
    assert (await arena.manager.vote(b, 2, Verdict.A)).status == "finished"


async def test_a_verdict_that_is_taken_back_brings_its_round_back(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    opened = await arena.open(3)
    b = opened.battle_id
    for answer in (0, 1, 2):
        await arena.answer(b, answer)
    before = await arena.manager.snapshot(b)
    after = await arena.manager.vote(b, 1, Verdict.A)
    undone = await arena.manager.undo(b, 1, timedelta(seconds=30))
    assert undone.to_dict() | {"cursor": ""} == before.to_dict() | {"cursor": ""}
    logged = [entry.event for entry in await arena.store.entries(b, int(after.cursor.split("-")[1]))]
    assert logged == [b"unvote", b"round", b"delta", b"answer", b"delta", b"answer", b"ready"]
    again = await arena.manager.vote(b, 1, Verdict.B)
    assert [vote["verdict"] for vote in again.votes] == ["b"]


async def test_only_the_newest_verdict_of_a_blind_running_battle_can_be_taken_back(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open(3)).battle_id
    for answer in (0, 1, 2):
        await arena.answer(b, answer)
    window = timedelta(seconds=30)
    with pytest.raises(Conflict, match="no verdict"):
        await arena.manager.undo(b, 1, window)
    await arena.manager.vote(b, 1, Verdict.A)
    with pytest.raises(Conflict, match="newest"):
        await arena.manager.undo(b, 2, window)
    await arena.manager.vote(b, 2, Verdict.A)
    with pytest.raises(Conflict, match="over"):
        await arena.manager.undo(b, 2, window)
    named = ArenaOnRedis(redis, named=True)
    c = (await named.open(3)).battle_id
    for answer in (0, 1, 2):
        await named.answer(c, answer)
    await named.manager.vote(c, 1, Verdict.A)
    with pytest.raises(Conflict, match="names"):
        await named.manager.undo(c, 1, window)


async def test_every_key_of_a_battle_has_the_same_time_to_live(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    b = (await arena.open()).battle_id
    running = [await redis.pttl(key) for key in await redis.keys("arena:{*")]
    assert 24 * 3600_000 - 10_000 < min(running) <= max(running) <= 24 * 3600_000
    await arena.manager.stop(b)
    ended = [await redis.pttl(key) for key in await redis.keys("arena:{*")]
    assert 3600_000 - 10_000 < min(ended) <= max(ended) <= 3600_000


async def test_names_are_shown_with_votes_only_when_that_is_set(redis: Redis) -> None:
    for named in (False, True):
        arena = ArenaOnRedis(redis, named=named)
        b = (await arena.open(3)).battle_id
        await arena.answer(b, 0)
        await arena.answer(b, 1)
        vote = (await arena.manager.vote(b, 1, Verdict.A)).to_dict()["votes"][0]
        assert ("models" in vote) is named


ACTIONS = st.tuples(
    st.sampled_from(
        ["begin", "text", "text", "stop", "error", "state", "vote", "reconcile", "late", "halt", "undo", "whole"]
    ),
    st.integers(0, 3),
    st.text(max_size=6),
)


async def act(arena: ArenaOnRedis, b: str, action: str, answer: int, text: str) -> None:
    if action == "begin":
        await arena.begin(b, answer)
    elif action in ("text", "stop", "error") and answer in arena.current:
        if action == "text":
            await arena.write(b, answer, text)
        else:
            await arena.write(b, answer, text, action, "cut_off" if action == "error" else "")
    elif action == "state":
        state = "loading" if len(text) % 2 else "queued"
        await arena.store.write([AnswerUpdate(b, "", answer, 0, 0, state=state, extra=',"place":1')])
    elif action == "late":
        await arena.store.write([AnswerUpdate(b, arena.name, answer, 1, 1, text)])
    elif action == "reconcile":
        await arena.reconciler.reconcile(b)
    elif action == "halt" and len(text) == 6:
        await arena.manager.stop(b)
    elif action == "undo":
        with suppress(Conflict):
            await arena.manager.undo(b, max((await arena.manager.snapshot(b)).round - 1, 1), timedelta(seconds=30))
    elif action == "whole":
        with suppress(Conflict):
            await arena.manager.show_whole(b, 1 + answer // 2, list(Side)[answer % 2])
    elif action == "vote":
        await arena.reconciler.reconcile(b)
        await vote_or_be_refused(arena, b, answer)


async def vote_or_be_refused(arena: ArenaOnRedis, b: str, answer: int) -> None:
    round_number = (await arena.manager.snapshot(b)).round
    try:
        await arena.manager.vote(b, round_number, list(Verdict)[answer])
    except Conflict as refused:
        assert refused.code in {"not_ready", "battle_over", "already_judged", "not_this_round"}


@pytest.mark.parametrize("pace", ["live", "even"])
@settings(max_examples=examples(40))
@given(count=st.integers(2, 4), actions=st.lists(ACTIONS, max_size=60))
@example(count=2, actions=[("begin", 0, ""), ("begin", 0, ""), ("state", 0, "")])
@example(count=2, actions=[("begin", 0, ""), ("state", 0, ""), ("begin", 0, ""), ("state", 0, "")])
def test_folding_the_events_gives_the_snapshot_at_every_cut(
    _shared_redis: RedisServer, pace: Pace, count: int, actions: list[tuple[str, int, str]]
) -> None:
    async def run() -> None:
        redis = commands_client(_shared_redis.url)
        arena = ArenaOnRedis(redis, pace=pace)
        opened = await arena.open(count)
        arena.name = opened.cursor.split("-")[0]
        seen = {int(opened.cursor.split("-")[1]): opened}
        for action, answer, text in actions:
            await act(arena, opened.battle_id, action, answer % count, text)
            snapshot = await arena.manager.snapshot(opened.battle_id)
            seen[int(snapshot.cursor.split("-")[1])] = snapshot
        cuts = await folded(arena, opened, opened.battle_id)
        for n, snapshot in seen.items():
            assert cuts[n].to_dict() == snapshot.to_dict()
        await redis.aclose()

    asyncio.run(run())


def test_the_script_reads_every_field_of_an_update_by_its_name() -> None:
    script = (resources.files("app.arena") / "scripts" / "write.lua").read_text(encoding="utf-8")
    assert set(re.findall(r"\bupdate\.(\w+)", script)) == set(AnswerUpdate._fields)


def test_an_update_is_sent_without_what_is_empty() -> None:
    assert AnswerUpdate("b", "", 0, 0, 0, state="queued").by_name() == {
        "battle": "b",
        "answer": 0,
        "token": 0,
        "seq": 0,
        "state": "queued",
    }
