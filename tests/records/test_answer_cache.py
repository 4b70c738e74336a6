"""Answers that may be given again, on both databases: by whom, for how long, and how many."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.database.database import Database
from app.records.answer_cache import ROW_BYTES, AnswerCache, CachedAnswer, answer_key, is_repeatable, shares
from tests.records.builders import Clock

ASKED = GenerationRequest("m:1b", (Message("user", "Why?"),), GenerationOptions(seed=5))


def answer(key: str, text: str = "So.", model: str = "m:1b") -> CachedAnswer:
    return CachedAnswer(key, model, "sha256:aa", text, "stop", 3, 7)


@pytest.fixture
def cache(database: Database, clock: Clock) -> AnswerCache:
    return AnswerCache(database, clock, 1_000_000, timedelta(days=1))


def test_a_key_is_of_all_that_decides_an_answer() -> None:
    options = ASKED.options
    others = [
        answer_key(ASKED, "e"),
        answer_key(ASKED, "d", 1),
        answer_key(replace(ASKED, messages=(Message("system", "Why?"),)), "d"),
        answer_key(replace(ASKED, output="json"), "d"),
        *(
            answer_key(replace(ASKED, options=replace(options, **change)), "d")
            for change in ({"seed": 6}, {"temperature": 0.1}, {"num_predict": 1}, {"num_ctx": 8}, {"extra": {"k": 1}})
        ),
    ]
    assert len({answer_key(ASKED, "d"), *others}) == 1 + len(others)
    assert answer_key(replace(ASKED, model="another-name"), "d") == answer_key(ASKED, "d")


def test_only_what_comes_again_by_itself_is_repeatable() -> None:
    drawn = GenerationOptions(temperature=0.7)
    assert not is_repeatable(replace(ASKED, options=drawn))
    assert is_repeatable(replace(ASKED, options=replace(drawn, seed=0)))
    assert is_repeatable(replace(ASKED, options=replace(drawn, temperature=0.0)))


async def test_an_answer_is_found_by_whoever_asked_and_nobody_else(cache: AnswerCache) -> None:
    await cache.keep("ann", [answer("k1"), answer("k2", "")])
    assert await cache.found("ann", ["k1", "k2", "k3"]) == {"k1": answer("k1")}
    assert await cache.found("bob", ["k1"]) == {}


async def test_an_answer_is_given_until_its_time_is_over(cache: AnswerCache, clock: Clock) -> None:
    await cache.keep("ann", [answer("k1")])
    clock.now += timedelta(days=1)
    assert await cache.found("ann", ["k1"])
    clock.now += timedelta(seconds=1)
    assert not await cache.found("ann", ["k1"])
    await cache.keep("ann", [answer("k1", "Anew.")])
    assert (await cache.found("ann", ["k1"]))["k1"].text == "Anew."


async def test_the_oldest_answers_of_the_largest_scope_make_room(database: Database, clock: Clock) -> None:
    each = ROW_BYTES + 100
    cache = AnswerCache(database, clock, 10 * each, timedelta(days=1))
    await cache.keep("ann", [answer("a", "x" * 100)])
    for number in range(20):
        clock.now += timedelta(seconds=1)
        await cache.keep("bob", [answer(f"b{number:02}", "x" * 100)])
    assert {size.scope: size.answers for size in await cache.sizes()} == {"ann": 1, "bob": 9}
    assert set(await cache.found("bob", [f"b{number:02}" for number in range(20)])) == {
        f"b{number:02}" for number in range(11, 20)
    }


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"a": 2, "b": 100}, {"a": 2, "b": 8}),
        ({"a": 50, "b": 100}, {"a": 5, "b": 5}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ({}, {}),
    ],
)
def test_who_has_less_than_an_equal_share_keeps_it(sizes: dict[str, int], expected: dict[str, int]) -> None:
    assert shares(sizes, 10) == expected


async def test_answers_are_forgotten_by_scope_and_model(cache: AnswerCache) -> None:
    await cache.keep("ann", [answer("k1"), answer("k2", model="n:1b")])
    await cache.keep("bob", [answer("k1")])
    assert await cache.clear("ann", "n:1b") == 1
    assert await cache.clear("ann") == 1
    assert [(size.scope, size.answers) for size in await cache.sizes()] == [("bob", 1)]
    assert await cache.clear() == 1


async def test_without_room_nothing_is_kept(database: Database, clock: Clock) -> None:
    off = AnswerCache(database, clock, 0, timedelta(days=1))
    await off.keep("ann", [answer("k1")])
    assert not off.is_on
    assert await off.found("ann", ["k1"]) == {}
    assert await off.sizes() == []
