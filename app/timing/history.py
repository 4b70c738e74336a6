"""How long loads and answers took lately, so that those who wait can be shown how long it may take.

A moving mean per model: each new figure counts ``NEWEST``, what came before the rest, so that a dozen answers
are enough to follow a host that became slower. A model without a figure of its own is taken to be like the others.
"""

from __future__ import annotations

from collections import deque
from statistics import median

NEWEST = 0.3
"""The weight of the newest figure in a mean."""

FIRST_LOAD_S = 10.0
"""What a load is taken to last before one was seen: a model of 8 GB from an NVMe disk and the start of its process.

It counts until a host's first load only, which its driver begins as soon as the host is there: nobody knows a host's
disk, its cache and its card's link before, and both a faster and a slower guess are wrong somewhere. From then on a
model that was not seen yet is taken to load as fast, for its size, as those that were."""

FIRST_ANSWER_S = 10.0
"""What an answer is taken to last before one was seen: some 300 tokens at 30 a second."""


class _Means:
    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self._means: dict[str, float] = {}

    def add(self, model: str, seconds: float) -> None:
        old = self._means.get(model)
        self._means[model] = seconds if old is None else old + NEWEST * (seconds - old)

    def of(self, model: str) -> float:
        if model in self._means:
            return self._means[model]
        if self._means:
            return sum(self._means.values()) / len(self._means)
        return self._first_s

    def known(self) -> dict[str, float]:
        return dict(self._means)


SLOW_SHARE = 0.5
"""An answer is slow when it was written at less than this share of its model's usual rate."""

SLOW_IN_A_ROW = 3
USUAL_OF = 50
USUAL_FROM = 8
"""What is usual is the median of the last 50 rates of answers that were written alone, as soon as there are 8."""


class Rates:
    """The usual rate of each model on one host, and whether it keeps to it."""

    def __init__(self) -> None:
        self._all: dict[str, deque[float]] = {}
        self._usual: dict[str, deque[float]] = {}
        self._slow: dict[str, int] = {}

    def written(self, model: str, tokens_per_s: float, *, alone: bool = True) -> bool:
        """Note an answer's rate; True when this one makes it the third in a row that is slow.

        One that was not written ``alone`` shared the card with others: it says what is usual, but not what is slow.
        """
        self._all.setdefault(model, deque(maxlen=USUAL_OF)).append(tokens_per_s)
        if not alone:
            return False
        known = self._usual.setdefault(model, deque(maxlen=USUAL_OF))
        if len(known) >= USUAL_FROM and tokens_per_s < SLOW_SHARE * median(known):
            self._slow[model] = self._slow.get(model, 0) + 1
            return self._slow[model] == SLOW_IN_A_ROW
        self._slow[model] = 0
        known.append(tokens_per_s)
        return False

    def usual(self) -> dict[str, float]:
        """The median rate of each model, in tokens per second."""
        return {model: median(rates) for model, rates in self._all.items()}


class History:
    """The means of one host, in seconds; bounded by the number of its models."""

    def __init__(self, first_load_s: float = FIRST_LOAD_S, first_answer_s: float = FIRST_ANSWER_S) -> None:
        self._loads = _Means(first_load_s)
        self._per_byte = _Means(0.0)
        self._answers = _Means(first_answer_s)
        self.rates = Rates()

    def loaded(self, model: str, seconds: float, size_bytes: int = 0) -> None:
        """Note a load that succeeded, of so many bytes in memory; 0: not known."""
        self._loads.add(model, seconds)
        if size_bytes > 0:
            self._per_byte.add(model, seconds / size_bytes)

    def answered(self, model: str, seconds: float) -> None:
        """Note an answer that was written to its end, from dispatch to the end."""
        self._answers.add(model, seconds)

    def loads(self) -> dict[str, float]:
        """What loads took lately, by model; those that were not seen are left out."""
        return self._loads.known()

    def answers(self) -> dict[str, float]:
        """What answers took lately, by model; those that were not seen are left out."""
        return self._answers.known()

    def load_s(self, model: str, size_bytes: int = 0) -> float:
        """Return what a load of ``model`` may take; one that was not seen takes as long for each byte as the others."""
        if size_bytes > 0 and model not in self._loads.known() and self._per_byte.known():
            return self._per_byte.of(model) * size_bytes
        return self._loads.of(model)

    def answer_s(self, model: str) -> float:
        """Return what an answer of ``model`` may take."""
        return self._answers.of(model)
