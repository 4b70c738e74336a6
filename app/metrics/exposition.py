"""The sums of all workers as Prometheus reads them.

Every worker shows the same figures, because it reads them where all workers put them and keeps none of its own. A
restart of a worker is therefore no reset; only a Redis that lost its data is one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from app.metrics.families import FAMILIES, SUM, Counted, Family, Measured, Series

Labels = tuple[str, ...]
Histogram = list[float]
"""How many there are in each bucket, the one without a bound last, and then their sum."""


class Exposition:
    """A collector, as the encoders want one, of what was gathered for one answer."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        """All families."""
        return self._metrics


def rendered(metrics: Iterable[Metric], accept: str = "") -> tuple[bytes, str]:
    """The families as text, and its content type: Prometheus' own, or OpenMetrics when ``accept`` asks for it."""
    encode, content_type = choose_encoder(accept)
    return encode(Exposition(metrics)), content_type


def summed(sums: Mapping[Series, float], *, everything: bool, zeros: Iterable[Series] = ()) -> list[Metric]:
    """The families of ``sums``; without ``everything`` added up over the labels that are not public.

    ``zeros`` are counters to show before their first event: Prometheus sees no increase in a series that begins at 1.
    Series that no present family knows (a newer or older version wrote them) are left out.
    """
    found: dict[str, dict[Series, float]] = defaultdict(dict)
    for series, value in (*dict.fromkeys(zeros, 0.0).items(), *sums.items()):
        found[series[0]][series] = value
    return [_metric(family, found[family.name], everything) for family in FAMILIES]


def _metric(family: Family, sums: Mapping[Series, float], everything: bool) -> Metric:
    shown = family.labels if everything else family.public
    if isinstance(family, Measured):
        return _histogram(family, sums, shown)
    counter = CounterMetricFamily(family.name, family.meaning, labels=shown)
    for labels, value in sorted(_added(family, sums, shown).items()):
        counter.add_metric(labels, value)
    return counter


def _added(family: Counted, sums: Mapping[Series, float], shown: Labels) -> dict[Labels, float]:
    added: dict[Labels, float] = defaultdict(float)
    if not shown:
        added[()] = 0.0
    for (_, *labels), value in sums.items():
        if len(labels) == len(family.labels):
            added[_kept(family, labels, shown)] += value
    return added


def _histogram(family: Measured, sums: Mapping[Series, float], shown: Labels) -> Metric:
    histogram = HistogramMetricFamily(family.name, family.meaning, labels=shown)
    for labels, (*counts, total) in sorted(_measured(family, sums, shown).items()):
        histogram.add_metric(labels, list(zip(family.bounds, accumulate(counts), strict=True)), total)
    return histogram


def _measured(family: Measured, sums: Mapping[Series, float], shown: Labels) -> dict[Labels, Histogram]:
    measured: dict[Labels, Histogram] = defaultdict(lambda: [0.0] * (len(family.bounds) + 1))
    for (_, *labels, part), value in sums.items():
        if len(labels) == len(family.labels):
            place = -1 if part == SUM else _bucket(family, part)
            measured[_kept(family, labels, shown)][place] += value
    return measured


def _bucket(family: Measured, bound: str) -> int:
    """The place of a bucket; one that an older version had goes into the next larger."""
    return bisect_left(family.buckets, float(bound))


def _kept(family: Family, labels: Iterable[str], shown: Labels) -> Labels:
    return tuple(value for name, value in zip(family.labels, labels, strict=True) if name in shown)
