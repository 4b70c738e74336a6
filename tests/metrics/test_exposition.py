"""How sums become families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from app.metrics.exposition import rendered, summed
from app.metrics.families import FAMILIES, Counted, Measured

WHO = ("gpu-1", "zircon:8b")


def family(sums: Mapping[Any, float], name: str, **more: Any) -> dict[tuple[str, ...], float]:
    options = {"everything": True} | more
    (found,) = [one for one in summed(sums, **options) if one.name == name.removesuffix("_total")]
    return {(sample.name, *sample.labels.values()): sample.value for sample in found.samples}


def test_a_series_of_another_version_is_left_out() -> None:
    sums = {("arena_unheard_of_total", "x"): 3.0, ("arena_answers_total", "gpu-1"): 4.0}
    assert not family(sums, "arena_answers_total")


def test_a_bucket_of_an_older_version_counts_in_the_next_larger() -> None:
    sums = {("arena_ttft_seconds", *WHO, "0.25"): 3.0, ("arena_ttft_seconds", *WHO, "sum"): 0.6}
    seen = family(sums, "arena_ttft_seconds")
    assert seen[("arena_ttft_seconds_bucket", *WHO, "0.2")] == 0
    assert seen[("arena_ttft_seconds_bucket", *WHO, "0.3")] == 3
    assert seen[("arena_ttft_seconds_count", *WHO)] == 3


def test_sums_are_added_over_what_is_not_public() -> None:
    sums = {("arena_load_seconds", host, "m", "yes", "+Inf"): 2.0 for host in ("one", "two")}
    seen = family(sums, "arena_load_seconds", everything=False)
    assert seen[("arena_load_seconds_count", "yes")] == 4


def test_a_nought_does_not_hide_a_sum() -> None:
    series = ("arena_takeovers_total", "gpu-1")
    assert family({series: 2.0}, series[0], zeros=[series]) == {series: 2.0}


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.name)
def test_names_follow_the_conventions(one: Counted | Measured) -> None:
    units = ("_seconds", "_per_second")
    assert one.name.startswith("arena_")
    assert one.name.endswith(units if isinstance(one, Measured) else "_total")
    assert set(one.public) <= set(one.labels)
    assert one.meaning.endswith(".")
    if isinstance(one, Measured):
        assert list(one.buckets) == sorted(set(one.buckets))


def test_the_bucket_of_a_figure_includes_its_bound() -> None:
    measured = Measured("arena_x_seconds", "X.", buckets=(1.0, 2.0))
    assert [measured.bound_of(value) for value in (0.0, 1.0, 1.5, 2.1)] == ["1.0", "1.0", "2.0", "+Inf"]


def test_names_of_models_may_have_any_character() -> None:
    text, _ = rendered(summed({("arena_takeovers_total", 'a"b\\c\nd'): 1.0}, everything=True))
    assert b'host="a\\"b\\\\c\\nd"' in text
