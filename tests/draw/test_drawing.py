"""The draw that all workers share, and the worker that keeps the rotation; on a real Redis."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from redis.asyncio import Redis

from app.draw.drawer import SharedDraw
from app.draw.observed import learned_from
from app.draw.places import host_fields
from app.draw.planning.field import HostField
from app.draw.planning.pairs import PairVotes
from app.draw.planning.rotation import BATTLES, Rotation, Stay
from app.draw.rotator import Moments, Rotator
from app.draw.store import DrawnSets, DrawStore
from app.hosts.catalog import Contender
from app.hosts.host import Host
from app.records.values import DrawRecord
from app.scheduling.planning.budget import Budget
from app.scheduling.report import HostReport, ResidentReport

MODELS = ("a", "b", "c", "d")
SETS = DrawnSets("9f3a", Rotation(3, {"one": ("a", "b")}, ("d", "c"), probability=0.4), (("a", "b", 1.0),))


class Card:
    """One host with room for two models; ``models`` are those that it has."""

    def __init__(self) -> None:
        self.models: tuple[str, ...] = MODELS
        self.now = 1_000_000.0

    async def observe(self) -> tuple[Sequence[Contender], tuple[HostField, ...]]:
        contenders = [Contender(model, ("one",)) for model in self.models]
        return contenders, (HostField("one", self.models, Budget(None, 2)),)

    def rotator(self, redis: Redis, seed: int = 1) -> Rotator:
        moments = Moments(lambda: self.now, lambda: self.now)
        store = DrawStore(redis, lambda: self.now)
        return Rotator(redis, store, self.observe, stay=Stay(600, 1800), moments=moments, chance=Random(seed))


@pytest.fixture
def card() -> Card:
    return Card()


async def test_battles_are_drawn_from_the_rotation_and_keep_how(redis: Redis) -> None:
    store = DrawStore(redis)
    await store.replace(b"", SETS)
    shared = SharedDraw(store, rotates=True)
    two = await shared.draw(MODELS, 2, named=False)
    assert sorted(two.models) == ["a", "b"]
    assert two.record == DrawRecord(1.0, "9f3a-3", 0.4)
    three = await shared.draw(MODELS, 3, named=False)
    assert sorted(three.models) == ["a", "b", "d"], "the first of the reserve enters"
    assert three.record.probability == 0.5
    await shared.count(two)
    assert await store.battles_of("9f3a-3") == 1


async def test_named_models_and_a_uniform_draw_ask_no_rotation(redis: Redis) -> None:
    store = DrawStore(redis)
    await store.replace(b"", SETS)
    named = await SharedDraw(store, rotates=True).draw(("c", "d"), 2, named=True)
    assert (sorted(named.models), named.record) == (["c", "d"], DrawRecord(1.0))
    seen = {
        frozenset((await SharedDraw(store, rotates=False, chance=Random(n)).draw(MODELS, 2, named=False)).models)
        for n in range(60)
    }
    assert len(seen) == 6


async def test_before_there_is_a_rotation_the_draw_is_uniform(redis: Redis) -> None:
    drawn = await SharedDraw(DrawStore(redis), rotates=True).draw(MODELS, 2, named=False)
    assert drawn.record.set_id is None
    assert drawn.record.probability == pytest.approx(1 / 6)


async def test_a_model_that_is_not_at_hand_is_not_drawn_though_it_is_in_the_set(redis: Redis) -> None:
    store = DrawStore(redis)
    await store.replace(b"", SETS)
    drawn = await SharedDraw(store, rotates=True).draw(("a", "c", "d"), 2, named=False)
    assert sorted(drawn.models) == ["a", "d"]


@pytest.mark.parametrize("rotates", [True, False])
async def test_a_model_that_a_host_refused_to_another_worker_is_not_drawn(
    redis: Redis, card: Card, rotates: bool
) -> None:
    one, store = card.rotator(redis), DrawStore(redis, lambda: card.now)
    await one.refresh()
    (gone, *_) = (await store.read()).sets.rotation.members  # type: ignore[union-attr]
    one.refused("one", gone)
    await one.refresh()
    other = SharedDraw(store, rotates=rotates, hosts_of=lambda _: ("one",), chance=Random(1))
    for _ in range(20):
        assert gone not in (await other.draw(MODELS, 2, named=False)).models
    assert gone not in one.held_on("one"), "and it leaves the set at once"
    elsewhere = SharedDraw(store, rotates=False, hosts_of=lambda _: ("one", "two"), chance=Random(1))
    assert any([gone in (await elsewhere.draw(MODELS, 2, named=False)).models for _ in range(40)])


async def test_all_workers_have_one_rotation_and_one_of_them_changes_it(redis: Redis, card: Card) -> None:
    one, other = card.rotator(redis, 1), card.rotator(redis, 2)
    await one.refresh()
    await other.refresh()
    assert one.held_on("one") == other.held_on("one") == ("a", "b")
    store = DrawStore(redis, lambda: card.now)
    before = (await store.read()).sets
    assert before is not None
    for _ in range(BATTLES):
        await store.count(before.set_id, ("a", "b"))
    card.now = before.rotation.latest + 1
    await other.refresh()
    assert other.held_on("one") == ("a", "b"), "it is not its turn"
    await one.refresh()
    await other.refresh()
    assert one.held_on("one") == other.held_on("one") != ("a", "b")
    after = (await store.read()).sets
    assert after is not None
    assert (after.epoch, after.rotation.number) == (before.epoch, before.rotation.number + 1)


async def test_a_restart_goes_on_with_the_rotation_that_was(redis: Redis, card: Card) -> None:
    first = card.rotator(redis)
    await first.refresh()
    raw = (await DrawStore(redis).read()).raw
    await redis.delete("arena:draw:turn")
    await card.rotator(redis, 9).refresh()
    assert (await DrawStore(redis).read()).raw == raw


async def test_a_deleted_model_leaves_the_set_with_the_next_probe(redis: Redis, card: Card) -> None:
    rotator = card.rotator(redis)
    await rotator.refresh()
    card.models = MODELS[1:]
    await rotator.refresh()
    assert rotator.held_on("one") == ("b", "c")


def test_a_host_is_seen_by_its_report() -> None:
    contenders = [Contender("qwen3:latest", ("one", "two")), Contender("b:1", ("one",))]
    hosts = [Host("one", "http://one", memory_bytes=9), Host("two", "http://two"), Host("three", "http://three")]
    reports = {
        "one": HostReport(
            "one", 1.0, residents=(ResidentReport("qwen3"),), sizes={"qwen3": 5}, change_s={"b:1": 2.0}, max_models=2,
            waiting=3,
        ),
        "two": HostReport("two", 1.0, health="down"),
    }  # fmt: skip
    (one,) = host_fields(contenders, hosts, reports)
    assert (one.host, one.models, one.resident) == ("one", ("qwen3:latest", "b:1"), ("qwen3:latest",))
    assert (one.sizes, one.load_s, one.waiting) == ({"qwen3:latest": 5}, {"b:1": 2.0}, 3)
    assert (one.budget.memory_bytes, one.budget.max_models) == (9, 2)
    (free,) = host_fields(contenders, hosts, reports, free=["one"])
    assert free.fits(map(str, range(50)))


def test_a_fallback_holds_no_set_unless_there_is_nothing_else() -> None:
    contenders = [Contender("a", ("own", "spare"))]
    hosts = [Host("own", "http://own"), Host("spare", "http://spare", fallback=True)]
    reports = {name: HostReport(name, 1.0) for name in ("own", "spare")}
    assert [one.host for one in host_fields(contenders, hosts, reports)] == ["own"]
    assert [one.host for one in host_fields(contenders, hosts, {"spare": reports["spare"]})] == ["spare"]


def test_what_votes_teach_is_by_pair_and_by_model() -> None:
    found = learned_from(("a", "b", "c"), [PairVotes("a", "b", 30, 10)])
    assert found.votes == {"a": 40, "b": 40, "c": 0}
    assert found.gains[frozenset("ac")] > found.gains[frozenset("ab")] > 0
