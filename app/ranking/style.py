"""The style of an answer, so that a ranking can set it aside: length, headers, lists and bold.

Voters like long and formatted answers. Each feature enters the logit as (a - b) / (a + b), which is 0 when both look
alike, divided by its root mean square over all votes; the mean is not taken off, for that would make one side better
than the other. The features and the ratio are those of the public arenas' style control (2024).
"""

from __future__ import annotations

import numpy as np

from app.ranking.likelihoods import Floats


def contrasts(a: Floats, b: Floats) -> Floats:
    """(a - b) / (a + b) by row and feature, each feature brought to a root mean square of 1; without any it stays 0."""
    total = a + b
    ratio = np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)
    size = np.sqrt(np.square(ratio).mean(axis=0)) if len(ratio) else np.zeros(ratio.shape[1])
    return np.asarray(np.divide(ratio, size, out=np.zeros_like(ratio), where=size > 0))
