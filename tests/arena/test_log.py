"""A battle's log on a real Redis: whatever happens in whatever order, every fold of it is the snapshot."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.store import Item, Store, error_json
from app.battle.battle import Verdict
from app.battle.events import Event, Snapshot, fold
from app.errors import Conflict
from app.redis.client import commands_client
from app.timing.stopwatch import Timing
from tests.arena.books import MemoryDispatcher, MemoryLedger
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

MODELS = ["llama3.1:8b", "mistral:7b", "qwen3:8b", "phi3:mini"]


class House:
    """The arena's inner rooms on a real Redis, without web, drivers and SQL."""

    def __init__(self, redis: Redis, named: bool = False) -> None:
        self.store = Store(redis)
        self.ledger = cast(Any, MemoryLedger())  # of the ledger, the part that these rooms need
        self.dispatcher = MemoryDispatcher()
        self.reconciler = Reconciler(self.store, self.ledger, self.dispatcher)
        self.manager = ArenaManager(
            self.store,
            self.ledger,
            self.reconciler,
            named=named,
            rng=Random(7),
        )
        self.tokens = 0
        self.seqs: dict[int, int] = {}
        self.current: dict[int, int] = {}

    async def open(self, count: int = 3) -> Snapshot:
        return await self.manager.open(OpenRequest("Why is the sky blue?", MODELS, count))

    def make_old(self, battle: str) -> None:
        """A battle of a moment ago that Redis does not have is being opened by somebody; this one is older."""
        record = self.ledger.battles[battle]
        self.ledger.battles[battle] = replace(record, created_at=record.created_at - timedelta(minutes=1))

    async def begin(self, battle: str, answer: int) -> str:
        self.tokens += 1
        begun = await self.store.begin(battle, answer, self.tokens, "local")
        if begun.status == "started":
            self.current[answer], self.seqs[answer] = self.tokens, 0
            self.name = begun.name
        return begun.status

    async def write(self, battle: str, answer: int, text: str, finish: str = "", error: str = "") -> str:
        self.seqs[answer] += 1
        timing = orjson.dumps(Timing(ttft_s=0.1).to_dict()).decode() if finish else ""
        item = Item(
            battle,
            self.name,
            answer,
            self.current[answer],
            self.seqs[answer],
            text,
            "writing" if text else "",
            "",
            finish,
            error_json(error) if error else "",
            timing,
        )
        replies = await self.store.write([item, item])
        assert replies[0] == replies[1] or "ok" in replies, "sent twice, it changes nothing"
        return replies[0]

    async def answer(self, battle: str, answer: int, text: str = "because") -> None:
        assert await self.begin(battle, answer) == "started"
        assert await self.write(battle, answer, text) == "ok"
        assert await self.write(battle, answer, "", "stop") == "ok"
        await self.reconciler.reconcile(battle)


async def folded(house: House, opened: Snapshot, battle: str) -> dict[int, Snapshot]:
    """The fold of the log at every cut, from the snapshot that opened the battle."""
    start = int(opened.cursor.split("-")[1])
    now, cuts = opened, {start: opened}
    for expected, entry in enumerate(await house.store.entries(battle, start), start=start + 1):
        assert entry.n == expected, "numbers have no gap"
        end = "-end" if entry.event == b"end" else ""
        event = Event(entry.event.decode(), orjson.loads(entry.data))
        now = fold(now, event, f"{opened.cursor.split('-')[0]}-{entry.n}{end}")
        cuts[entry.n] = now
    return cuts


async def test_a_battle_opens_with_its_round_and_both_sides_queued(redis: Redis) -> None:
    house = House(redis)
    opened = await house.open()
    entries = await house.store.entries(opened.battle_id, 0)
    assert [entry.event for entry in entries] == [b"round", b"status", b"status"]
    assert opened.to_dict()["sides"]["a"] == {
        "alias": "Model A", "state": "queued", "text": "", "finish_reason": None, "error": None,
    }  # fmt: skip
    assert sorted(job.answer for job in house.dispatcher.jobs.values()) == [0, 1, 2]


async def test_the_orders_of_the_log_hold_from_open_to_end(redis: Redis) -> None:
    house = House(redis)
    opened = await house.open(3)
    b = opened.battle_id
    for answer in (0, 1, 2):
        await house.answer(b, answer)
    await house.manager.vote(b, 1, Verdict.B)
    after = await house.manager.vote(b, 2, Verdict.TIE)
    events = [entry.event.decode() for entry in await house.store.entries(b, 3)]
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
    assert after.reveal["champion"] == house.ledger.battles[b].contestants[1]


async def test_a_side_that_failed_is_replaced_and_costs_one_round(redis: Redis) -> None:
    house = House(redis)
    opened = await house.open(3)
    b = opened.battle_id
    await house.begin(b, 0)
    await house.write(b, 0, "half an ans")
    await house.write(b, 0, "", "error", "cut_off")
    await house.reconciler.reconcile(b)
    snapshot = await house.manager.snapshot(b)
    assert snapshot.sides["a"].alias == "Model C"  # type: ignore[index]
    assert (snapshot.round, snapshot.rounds_total, snapshot.status) == (1, 1, "running")
    assert house.ledger.saved[b][0].error_code == "cut_off"


async def test_a_second_attempt_resets_what_was_shown_and_fences_the_first_off(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    await house.begin(b, 0)
    await house.write(b, 0, "first text")
    stale = Item(b, house.name, 0, house.current[0], 9, "late")
    await house.begin(b, 0)
    assert await house.store.write([stale]) == ["stale"]
    await house.write(b, 0, "second text")
    snapshot = await house.manager.snapshot(b)
    assert snapshot.to_dict()["sides"]["a"]["text"] == "second text"
    assert b"reset" in [entry.event for entry in await house.store.entries(b, 0)]


async def test_the_fourth_attempt_ends_the_answer_as_interrupted(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    assert [await house.begin(b, 0) for _ in range(5)] == ["started"] * 3 + ["interrupted", "finished"]
    look = await house.store.look(b)
    assert look is not None
    assert look.answers[0].error == {"code": "interrupted", "message": look.answers[0].error["message"]}  # type: ignore[index]


async def test_a_stop_cancels_what_is_unfinished_and_refuses_what_comes_after(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    await house.begin(b, 0)
    await house.write(b, 0, "some")
    stopped = await house.manager.stop(b)
    assert stopped.status == "stopped"
    assert stopped.reveal is not None
    assert stopped.reveal["champion"] is None
    assert await house.write(b, 0, "more") == "ended"
    assert await house.begin(b, 1) == "ended"
    assert (await house.store.entries(b, 0))[-1].event == b"end"
    assert not house.dispatcher.jobs
    assert (await house.manager.stop(b)).cursor == stopped.cursor
    assert house.ledger.saved[b][0].finish_reason == "cancelled"


async def test_what_is_told_of_a_waiting_answer_names_place_and_wait_only(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    item = Item(b, "", 0, 0, 0, state="queued", extra=',"place":3,"eta_s":12')
    assert await house.store.write([item]) == ["ok"]
    last = (await house.store.entries(b, 3))[0]
    assert orjson.loads(last.data) == {"round": 1, "side": "a", "state": "queued", "place": 3, "eta_s": 12}
    await house.begin(b, 0)
    await house.write(b, 0, "now")
    assert await house.store.write([item]) == ["stale"]


async def test_a_battle_with_a_missing_key_is_gone_and_rebuilt_from_sql(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    await house.begin(b, 0)
    await redis.delete(f"arena:{{{b}}}:text:0")
    assert await house.write(b, 0, "x") == "gone"
    assert await house.begin(b, 1) == "gone"
    assert await house.store.look(b) is None
    house.make_old(b)
    rebuilt = await house.manager.snapshot(b)
    assert rebuilt.status == "running"
    assert rebuilt.cursor.split("-")[0] != house.name
    assert rebuilt.to_dict()["sides"]["a"]["state"] == "queued"
    assert await house.write(b, 0, "x") == "gone", "what was begun before writes nowhere"


async def test_a_lost_battle_keeps_its_votes_and_finished_answers(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open(3)).battle_id
    for answer in (0, 1, 2):
        await house.answer(b, answer, f"text {answer}")
    before = (await house.manager.vote(b, 1, Verdict.B)).to_dict()
    await redis.flushall()
    house.make_old(b)
    after = (await house.manager.snapshot(b)).to_dict()
    assert after | {"cursor": ""} == before | {"cursor": ""}
    assert (await house.manager.vote(b, 2, Verdict.A)).status == "finished"


async def test_a_verdict_that_is_taken_back_brings_its_round_back(redis: Redis) -> None:
    house = House(redis)
    opened = await house.open(3)
    b = opened.battle_id
    for answer in (0, 1, 2):
        await house.answer(b, answer)
    before = await house.manager.snapshot(b)
    after = await house.manager.vote(b, 1, Verdict.A)
    undone = await house.manager.undo(b, 1, timedelta(seconds=30))
    assert undone.to_dict() | {"cursor": ""} == before.to_dict() | {"cursor": ""}
    told = [entry.event for entry in await house.store.entries(b, int(after.cursor.split("-")[1]))]
    assert told == [b"unvote", b"round", b"delta", b"answer", b"delta", b"answer", b"ready"]
    again = await house.manager.vote(b, 1, Verdict.B)
    assert [vote["verdict"] for vote in again.votes] == ["b"]


async def test_only_the_newest_verdict_of_a_blind_running_battle_can_be_taken_back(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open(3)).battle_id
    for answer in (0, 1, 2):
        await house.answer(b, answer)
    window = timedelta(seconds=30)
    with pytest.raises(Conflict, match="no verdict"):
        await house.manager.undo(b, 1, window)
    await house.manager.vote(b, 1, Verdict.A)
    with pytest.raises(Conflict, match="newest"):
        await house.manager.undo(b, 2, window)
    await house.manager.vote(b, 2, Verdict.A)
    with pytest.raises(Conflict, match="over"):
        await house.manager.undo(b, 2, window)
    named = House(redis, named=True)
    c = (await named.open(3)).battle_id
    for answer in (0, 1, 2):
        await named.answer(c, answer)
    await named.manager.vote(c, 1, Verdict.A)
    with pytest.raises(Conflict, match="names"):
        await named.manager.undo(c, 1, window)


async def test_every_key_of_a_battle_has_the_same_time_to_live(redis: Redis) -> None:
    house = House(redis)
    b = (await house.open()).battle_id
    running = [await redis.pttl(key) for key in await redis.keys("arena:{*")]
    assert 24 * 3600_000 - 10_000 < min(running) <= max(running) <= 24 * 3600_000
    await house.manager.stop(b)
    ended = [await redis.pttl(key) for key in await redis.keys("arena:{*")]
    assert 3600_000 - 10_000 < min(ended) <= max(ended) <= 3600_000


async def test_names_are_shown_with_votes_only_when_that_is_set(redis: Redis) -> None:
    for named in (False, True):
        house = House(redis, named=named)
        b = (await house.open(3)).battle_id
        await house.answer(b, 0)
        await house.answer(b, 1)
        vote = (await house.manager.vote(b, 1, Verdict.A)).to_dict()["votes"][0]
        assert ("models" in vote) is named


ACTIONS = st.tuples(
    st.sampled_from(["begin", "text", "text", "stop", "error", "told", "vote", "settle", "late", "halt", "undo"]),
    st.integers(0, 3),
    st.text(max_size=6),
)


async def act(house: House, b: str, action: str, answer: int, text: str) -> None:
    if action == "begin":
        await house.begin(b, answer)
    elif action in ("text", "stop", "error") and answer in house.current:
        if action == "text":
            await house.write(b, answer, text)
        else:
            await house.write(b, answer, text, action, "cut_off" if action == "error" else "")
    elif action == "told":
        state = "loading" if len(text) % 2 else "queued"
        await house.store.write([Item(b, "", answer, 0, 0, state=state, extra=',"place":1')])
    elif action == "late":
        await house.store.write([Item(b, house.name, answer, 1, 1, text)])
    elif action == "settle":
        await house.reconciler.reconcile(b)
    elif action == "halt" and len(text) == 6:
        await house.manager.stop(b)
    elif action == "undo":
        with suppress(Conflict):
            await house.manager.undo(b, max((await house.manager.snapshot(b)).round - 1, 1), timedelta(seconds=30))
    elif action == "vote":
        await house.reconciler.reconcile(b)
        await vote_or_be_refused(house, b, answer)


async def vote_or_be_refused(house: House, b: str, answer: int) -> None:
    round_number = (await house.manager.snapshot(b)).round
    try:
        await house.manager.vote(b, round_number, list(Verdict)[answer])
    except Conflict as refused:
        assert refused.code in {"not_ready", "battle_over", "already_judged", "not_this_round"}


@settings(max_examples=120)
@given(count=st.integers(2, 4), actions=st.lists(ACTIONS, max_size=60))
def test_folding_the_events_gives_the_snapshot_at_every_cut(
    _shared_redis: RedisServer, count: int, actions: list[tuple[str, int, str]]
) -> None:
    async def run() -> None:
        redis = commands_client(_shared_redis.url)
        house = House(redis)
        opened = await house.open(count)
        house.name = opened.cursor.split("-")[0]
        seen = {int(opened.cursor.split("-")[1]): opened}
        for action, answer, text in actions:
            await act(house, opened.battle_id, action, answer % count, text)
            snapshot = await house.manager.snapshot(opened.battle_id)
            seen[int(snapshot.cursor.split("-")[1])] = snapshot
        cuts = await folded(house, opened, opened.battle_id)
        for n, snapshot in seen.items():
            assert cuts[n].to_dict() == snapshot.to_dict()
        await redis.aclose()

    asyncio.run(run())
