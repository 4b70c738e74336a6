"""What a seat is worth beside the model on it: side a over side b, and the champion over its challenger.

Fitted on demand beside the ratings, as style is, and so taken out of them. The *side* effect is that of being shown as
side a. The *champion* effect is that of having stayed from the round before: its answer has been read already.
"""

from __future__ import annotations

import numpy as np

from app.ranking.choices import Effect
from app.ranking.graph import Ints
from app.ranking.likelihoods import Floats


def effect_columns(effects: tuple[Effect, ...], round_: Ints, entry_a: Ints, entry_b: Ints) -> Floats:
    """A column for each of ``effects``: 1 where side a has what it is of, -1 where side b has, 0 where neither.

    The champion entered before its challenger; in a first round, or where entries are unknown (-1), there is none.
    """
    later = (round_ > 1) & (entry_a >= 0) & (entry_b >= 0)
    columns = {Effect.SIDE: np.ones(len(round_)), Effect.CHAMPION: np.where(later, np.sign(entry_b - entry_a), 0.0)}
    chosen = [columns[effect] for effect in effects]
    return np.column_stack(chosen) if chosen else np.zeros((len(round_), 0))
