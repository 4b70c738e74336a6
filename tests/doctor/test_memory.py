"""What fits on a card, against the table of a 24 GB card (23.5 GiB free) that the formula was read with."""

from __future__ import annotations

import pytest

from app.doctor.checks.fit_table import Sized, fits, spread, table
from app.doctor.probing.observation import Shape
from app.doctor.texts.units import GIB, MIB

CARD = int(23.5 * GIB)
SMALL = ("llama3.2:3b", 2_020_000_000, Shape("llama", 28, 8, 128))
MIDDLE = ("llama3.1:8b", 4_920_000_000, Shape("llama", 32, 8, 128))
LARGE = ("qwen2.5:14b", 8_990_000_000, Shape("qwen2", 48, 8, 128))


def trio(num_ctx: int, parallel: int = 1) -> list[Sized]:
    return [Sized(name, size, num_ctx, parallel, shape) for name, size, shape in (SMALL, MIDDLE, LARGE)]


@pytest.mark.parametrize(
    ("num_ctx", "gib"),
    [(4096, (2.3, 5.1, 9.1)), (8192, (3.5, 6.3, 10.6)), (32768, (6.1, 9.3, 15.1))],
)
def test_predictions_are_those_of_the_table(num_ctx: int, gib: tuple[float, ...]) -> None:
    assert [round(one.predicted_bytes / GIB, 1) for one in trio(num_ctx)] == list(gib)


@pytest.mark.parametrize(("num_ctx", "fit"), [(4096, True), (8192, True), (32768, False)])
def test_three_models_fit_at_8192_and_not_at_ollamas_default_context(num_ctx: int, fit: bool) -> None:
    assert table("gpu", CARD, trio(num_ctx)).fits is fit


def test_the_table_names_what_to_drop_and_which_context_fits() -> None:
    weighed = table("gpu", CARD, trio(32768))
    assert weighed.drop == ("llama3.1:8b",)
    assert weighed.num_ctx == 12288
    assert table("gpu", CARD, [one.at(12288) for one in trio(32768)]).fits


def test_the_cache_grows_with_the_slots() -> None:
    assert trio(4096, parallel=4)[1].cache_bytes == 4 * trio(4096)[1].cache_bytes == 2 * GIB


def test_the_automatic_batch_costs_extra_unless_it_is_set() -> None:
    name, size, shape = MIDDLE
    assert Sized(name, size, 8192, 1, shape).surcharge_bytes == 768 * MIB
    assert Sized(name, size, 65536, 1, shape).surcharge_bytes == 2 * GIB
    assert Sized(name, size, 8192, 1, shape, batch_is_set=True).surcharge_bytes == 0


def of_size(size: int) -> Sized:
    """A model without a cache that is worth counting."""
    return Sized("m", size, 1, 1, Shape("llama", 1, 1, 1), batch_is_set=True)


def test_one_model_may_take_the_whole_card_but_a_second_only_80_percent_of_the_rest() -> None:
    cache = of_size(0).cache_bytes
    assert fits([of_size(CARD - cache)], CARD)
    assert not fits([of_size(CARD + 1 - cache)], CARD)
    assert fits([of_size(10 * GIB - cache), of_size(8 * GIB - cache)], 20 * GIB)
    assert not fits([of_size(10 * GIB - cache), of_size(8 * GIB + 1 - cache)], 20 * GIB)


def test_the_surcharge_for_the_batch_goes_by_the_context_of_all_slots() -> None:
    name, size, shape = MIDDLE
    assert Sized(name, size, 4096, 1, shape).surcharge_bytes == 0
    assert Sized(name, size, 4096, 4, shape).surcharge_bytes == 768 * MIB, "as recorded: num_batch 1024 at 16384"
    assert Sized(name, size, 16384, 4, shape).surcharge_bytes == 2 * GIB


def test_a_model_that_fits_only_without_the_surcharge_fits() -> None:
    name, size, shape = MIDDLE
    one = Sized(name, size, 16384, 1, shape)
    other = of_size(2 * GIB)
    room = other.least_bytes + int(one.least_bytes / 0.8) + MIB
    assert one.predicted_bytes > 0.8 * (room - other.least_bytes)
    assert fits([one, other], room)
    assert not fits([one, other], one.least_bytes + other.least_bytes)
    assert fits([one], one.least_bytes), "the card is empty"
    assert not fits([one], one.least_bytes - 1)


def test_many_models_are_weighed_quickly() -> None:
    many = [Sized(f"m{number}", 3 * GIB, 4096, 1, MIDDLE[2]) for number in range(40)]
    weighed = table("gpu", CARD, many)
    assert not weighed.fits
    assert table("gpu", CARD, [one for one in many if one.model not in weighed.drop]).fits


def test_a_model_of_unknown_shape_is_guessed_from_its_file() -> None:
    assert Sized("odd", 4 * GIB, 4096).predicted_bytes == int(4 * GIB * 1.1) + 768 * MIB


def test_models_are_spread_over_the_hosts_that_have_them() -> None:
    size = of_size(8 * GIB - of_size(0).cache_bytes)
    both = {"a": {"x": size, "y": size}, "b": {"y": size, "z": size}}
    cards: dict[str, int | None] = {"a": 12 * GIB, "b": 20 * GIB}
    assert spread(both, cards, {"a": 3, "b": 3})
    assert not spread(both, cards, {"a": 3, "b": 1})
    assert not spread({"a": both["a"]}, cards, {"a": 3, "b": 3})
    assert spread({"a": both["a"]}, {"a": None}, {"a": 2})
