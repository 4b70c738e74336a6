"""Which models are drawn from, and until when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.draw.planning.field import Field, HostField
from app.draw.planning.pairs import Pair
from app.draw.planning.rotation import (
    BATTLES,
    FEW_BATTLES,
    FLOOR,
    JITTER,
    MANY_BATTLES,
    Rotation,
    Stay,
    exchanges,
    probabilities,
    turned,
    worth,
)
from app.scheduling.planning.budget import Budget

GB = 1_000_000_000
MODELS = ("a", "b", "c", "d", "e")
STAY = Stay(600.0, 1800.0)
ENOUGH = 30
"""As many as the votes of ``field`` ask for."""


def card(fits: int = 2, host: str = "one", models: tuple[str, ...] = MODELS, waiting: int = 0) -> HostField:
    """A host where so many models fit together."""
    return HostField(host, models, Budget(None, fits), sizes=dict.fromkeys(models, 5 * GB), waiting=waiting)


def field(*places: HostField, models: tuple[str, ...] = MODELS, gains: dict[Pair, float] | None = None) -> Field:
    return Field(models, places or (card(),), gains or {}, dict.fromkeys(models, 100.0))


def began(known: Field, seed: int = 1) -> Rotation:
    return turned(None, known, STAY, now=0.0, drawn=0, chance=Random(seed))


def changed(before: Rotation, known: Field, now: float, drawn: int = ENOUGH, seed: int = 1) -> Rotation:
    return turned(before, known, STAY, now=now, drawn=drawn, chance=Random(seed))


def test_it_begins_with_what_is_in_memory() -> None:
    known = field(replace(card(), resident=("e", "c")))
    first = began(known)
    assert first.members == ("c", "e")
    assert sorted(first.reserve) == ["a", "b", "d"]
    assert first.probability == 1


def test_a_host_where_all_fit_never_changes() -> None:
    known = field(card(5))
    first = began(known)
    assert first.members == MODELS
    assert changed(first, known, 1e6) is first


def test_nothing_changes_before_the_shortest_stay() -> None:
    pairs = {frozenset("ab"): 0.0} | {frozenset(pair): 1.0 for pair in ("ac", "ad", "bc", "cd")}
    known = field(gains=pairs)
    first = began(known)
    assert changed(first, known, first.earliest - 1) is first
    assert changed(first, known, first.earliest + 1) is not first
    assert STAY.shortest_s * (1 - JITTER) <= first.earliest <= STAY.shortest_s * (1 + JITTER)


def test_a_set_that_still_teaches_most_stays_to_the_longest_stay_and_no_longer() -> None:
    known = field(gains={frozenset("ab"): 1.0})
    first = began(known)
    assert changed(first, known, first.latest - 1) is first
    after = changed(first, known, first.latest)
    assert after.why == "longest stay"
    assert len(set(after.members) & set(first.members)) == 1
    assert STAY.longest_s * (1 - JITTER) <= first.latest <= STAY.longest_s * (1 + JITTER)


def test_a_little_more_is_not_worth_an_exchange() -> None:
    gains = {frozenset(pair): 1.0 for pair in combinations(MODELS, 2)} | {frozenset("ac"): 1.1}
    known = field(gains=gains)
    first = began(known)
    assert changed(first, known, first.latest - 1) is first


def test_few_battles_do_not_pay_for_a_load() -> None:
    known = field(gains={frozenset("ab"): 0.01, frozenset("ac"): 1.0})
    first = began(known)
    assert changed(first, known, first.latest - 1, drawn=ENOUGH - 1) is first
    assert changed(first, known, first.latest - 1, drawn=ENOUGH) is not first


def test_a_set_has_more_battles_the_more_votes_there_are() -> None:
    known = field(gains={frozenset("ab"): 0.01, frozenset("ac"): 1.0})
    first = began(known)
    for votes, enough in ((120, BATTLES), (1500, 180), (90_000, MANY_BATTLES)):  # each vote is one of two models
        later = replace(known, votes=dict.fromkeys(MODELS, 2 * votes / len(MODELS)))
        assert changed(first, later, first.latest - 1, drawn=enough - 1) is first
        assert changed(first, later, first.latest - 1, drawn=enough) is not first


def test_a_set_too_small_for_a_battle_stays_for_many_battles() -> None:
    known = replace(field(gains={frozenset("ab"): 0.01, frozenset("ac"): 1.0}), contestants=3)
    first = began(known)
    assert changed(first, known, first.latest - 1, drawn=MANY_BATTLES - 1) is first
    assert changed(first, known, first.latest - 1, drawn=MANY_BATTLES) is not first
    unseen = replace(known, votes=dict.fromkeys(MODELS, 0.0))
    assert changed(first, unseen, first.latest - 1, drawn=FEW_BATTLES) is first


def test_a_model_without_votes_comes_in_after_few_battles() -> None:
    known = field(gains={frozenset("ab"): 0.01, frozenset("ac"): 1.0})
    first = began(known)
    assert changed(first, known, first.latest - 1, drawn=FEW_BATTLES) is first
    unseen = replace(known, votes=dict(known.votes) | {"c": 0.0})
    assert changed(first, unseen, first.latest - 1, drawn=FEW_BATTLES - 1) is first
    assert changed(first, unseen, first.latest - 1, drawn=FEW_BATTLES) is not first
    assert changed(first, unseen, first.earliest - 1, drawn=FEW_BATTLES) is first


def test_a_rotation_that_nobody_plays_stays() -> None:
    known = field()
    first = began(known)
    assert changed(first, known, 1e9, drawn=0) is first


def test_who_waits_makes_a_load_dearer() -> None:
    quiet, busy = field(), field(card(waiting=40))
    first = began(quiet)
    one = exchanges(first, quiet)[0]
    assert worth(one, busy, STAY) < worth(one, quiet, STAY)


def test_a_deleted_model_goes_at_once_and_another_takes_its_place() -> None:
    first = began(field())
    left = tuple(model for model in MODELS if model != "a")
    after = changed(first, field(models=left), 1.0, drawn=0)
    assert after.members == ("b", "c")
    assert after.number == first.number + 1
    assert "a" not in (*after.members, *after.reserve)


def test_a_new_model_waits_at_the_end_of_the_reserve_until_its_turn() -> None:
    first = began(field())
    after = changed(first, field(card(models=(*MODELS, "f")), models=(*MODELS, "f")), 1.0)
    assert (after.number, after.reserve) == (first.number, (*first.reserve, "f"))


def test_several_hosts_hold_different_sets() -> None:
    known = field(card(2, "one"), card(2, "two"))
    first = began(known)
    assert sorted((*first.sets["one"], *first.sets["two"])) == list(first.members)
    assert len(first.members) == 4
    after = changed(first, known, first.latest)
    assert sorted((*after.sets["one"], *after.sets["two"])) == list(after.members)
    assert len(after.members) == 4


def test_the_models_of_a_host_that_is_gone_move_to_where_there_is_room() -> None:
    first = began(field(card(3, "one"), card(3, "two")))
    after = changed(first, field(card(3, "one")), 1.0)
    assert set(after.sets) == {"one"}
    assert len(after.members) == 3


def test_two_models_that_never_fit_together_meet_all_the_same() -> None:
    huge = HostField("one", ("a", "b", "c"), Budget(24 * GB, 3), sizes={"a": 20 * GB, "b": 20 * GB, "c": 2 * GB})
    known, seen, chance = field(huge, models=("a", "b", "c")), set(), Random(2)
    now, rotation = 0.0, None
    for _ in range(60):
        rotation = turned(rotation, known, STAY, now=now, drawn=MANY_BATTLES, chance=chance)
        seen |= {frozenset(pair) for pair in combinations(rotation.members, 2)}
        now = rotation.latest
    assert seen == {frozenset("ab"), frozenset("ac"), frozenset("bc")}


def test_a_single_model_that_fits_gets_a_partner() -> None:
    first = began(field(card(1)))
    assert len(first.members) == 2


def test_a_pair_that_fell_behind_comes_back() -> None:
    shown = {frozenset(pair): 100 for pair in combinations(MODELS, 2)} | {frozenset("be"): 0}
    known = replace(field(), shown=shown)
    first = Rotation(1, {"one": ("a", "b")}, ("c", "d", "e"), latest=1.0)
    found = exchanges(first, known)
    each = dict(zip([(one.came, one.went) for one in found], probabilities(found, known, STAY), strict=True))
    assert each["e", ("a",)] == max(each.values()) > 0.8
    assert min(each.values()) >= FLOOR / len(found)


GAINS = st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=10, max_size=10)
SIZES = st.lists(st.integers(2, 11), min_size=5, max_size=5)


@given(GAINS, SIZES, st.integers(1, 4), st.integers(0, 10**6))
def test_whatever_is_known_sets_fit_and_change_one_model_at_a_time(
    gains: list[float], sizes: list[int], most: int, seed: int
) -> None:
    pairs = {frozenset(pair): gain for pair, gain in zip(combinations(MODELS, 2), gains, strict=True)}
    bytes_of = {model: size * GB for model, size in zip(MODELS, sizes, strict=True)}
    place = HostField("one", MODELS, Budget(16 * GB, most), sizes=bytes_of)
    known, chance = field(place, gains=pairs), Random(seed)
    rotation, now = began(known, seed), 0.0
    for _ in range(8):
        now += 400.0
        after = turned(rotation, known, STAY, now=now, drawn=MANY_BATTLES, chance=chance)
        members = set(after.members)
        assert len(members) >= 2
        assert sorted((*after.members, *after.reserve)) == list(MODELS)
        assert place.fits(after.sets["one"]) or len(members) == 2
        if after is not rotation and after.came:
            assert now >= rotation.earliest
            assert members - set(rotation.members) == {after.came}
            assert 0 < after.probability <= 1
            assert after.since == now
        else:
            assert after.number == rotation.number or after.why == "field"
        assert now < after.latest or now == after.since
        rotation = after


@given(GAINS, st.integers(0, 10**6))
def test_every_pair_of_the_field_is_reached(gains: list[float], seed: int) -> None:
    """Each exchange has at least the floor's probability, and the graph of sets is connected."""
    pairs = {frozenset(pair): gain for pair, gain in zip(combinations(MODELS, 2), gains, strict=True)}
    known = field(gains=pairs)
    rotation = began(known, seed)
    seen, left = {rotation.members}, [rotation]
    while left:
        found = exchanges(left[0], known)
        each = probabilities(found, known, STAY)
        assert sum(each) == pytest.approx(1)
        assert min(each) >= FLOOR / len(found) - 1e-12
        left = left[1:]
        for one in found:
            after = Rotation(1, one.sets)
            if after.members not in seen:
                seen.add(after.members)
                left.append(after)
    assert len(seen) == 10


def test_what_pairs_lack_counts_little_before_there_are_votes_and_most_once_there_are() -> None:
    """Both other sets teach as much; only one has a pair that nobody has seen today."""
    found_in = {}
    for votes in (0.0, 100.0, 4000.0):
        known = replace(
            field(gains=dict.fromkeys(map(frozenset, combinations(MODELS, 2)), 1.0)),
            votes=dict.fromkeys(MODELS, 2 * votes / len(MODELS)),
            shown={frozenset(pair): 10 for pair in combinations(MODELS, 2) if "e" not in pair},
        )
        first = Rotation(1, {"one": ("a", "b")})
        each = zip(exchanges(first, known), probabilities(exchanges(first, known), known, STAY), strict=True)
        found_in[votes] = sum(share for exchange, share in each if exchange.came == "e")
    assert 1 / 3 < found_in[0.0] < found_in[100.0] < found_in[4000.0]
    assert found_in[4000.0] > 0.9


def test_over_a_day_of_stays_every_pair_gets_a_fifth_of_its_uniform_share() -> None:
    gains = {frozenset(pair): 0.01 for pair in combinations(MODELS, 2)} | {frozenset("ab"): 1.0}
    for seed in range(5):
        chance, now, rotation, counts, drawn = Random(seed), 0.0, None, Counter[Pair](), Counter[int]()
        while now < 86_400:
            known = replace(field(gains=gains), shown=dict(counts))
            played = 0 if rotation is None else drawn[rotation.number]
            rotation = turned(rotation, known, Stay(), now=now, drawn=played, chance=chance)
            counts[frozenset(rotation.members)] += 10
            drawn[rotation.number] += 10
            now += 60
        even = sum(counts.values()) / 10
        assert min(counts[frozenset(pair)] for pair in combinations(MODELS, 2)) >= even / 5
