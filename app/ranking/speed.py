"""The speed board: how fast each model writes on each host, apart from how well.

Figures come from answers that were written to their end; quantiles interpolate between neighbours. An answer whose
model had to be loaded first is *cold*: its first token is late for another reason, so cold and warm are told apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from app.ranking.board import SpeedRow
from app.ranking.votes import AnswerTiming


def speed_board(timings: Iterable[AnswerTiming]) -> tuple[SpeedRow, ...]:
    """Sum up ``timings`` by model and host; the fastest writer first, those without a figure last."""
    grouped: dict[tuple[str, str], list[AnswerTiming]] = defaultdict(list)
    for timing in timings:
        grouped[timing.model, timing.host].append(timing)
    rows = [_row(model, host, group) for (model, host), group in grouped.items()]
    return tuple(sorted(rows, key=lambda row: (-(row.tokens_per_s_p50 or 0.0), row.model, row.host)))


def _row(model: str, host: str, group: list[AnswerTiming]) -> SpeedRow:
    ttft = [one.ttft_s for one in group if one.ttft_s is not None]
    warm = [one.ttft_s for one in group if one.ttft_s is not None and not one.cold]
    pace = [one.tokens_per_s for one in group if one.tokens_per_s is not None]
    return SpeedRow(
        model=model,
        host=host,
        answers=len(group),
        cold_answers=sum(one.cold for one in group),
        ttft_s_p50=_quantile(ttft, 0.5),
        ttft_s_p95=_quantile(ttft, 0.95),
        warm_ttft_s_p50=_quantile(warm, 0.5),
        warm_ttft_s_p95=_quantile(warm, 0.95),
        tokens_per_s_p50=_quantile(pace, 0.5),
        tokens_per_s_p95=_quantile(pace, 0.95),
        tokens_per_s_p5=_quantile(pace, 0.05),
    )


def _quantile(figures: list[float], share: float) -> float | None:
    return round(float(np.quantile(np.sort(figures), share)), 6) if figures else None
