"""The votes on each pair of models, out of a board that is served: what the draw learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.draw.planning.pairs import PairVotes


def pair_votes(body: bytes, is_current: Callable[[str, str | None], bool]) -> list[PairVotes]:
    """The pairs of a board by model name. ``is_current`` says of a name and a digest whether they can be drawn now.

    Votes on weights that a name had before are left out: they teach nothing of what would be drawn.
    """
    board: Mapping[str, Any] = orjson.loads(body)
    names = {
        label: one["name"]
        for label, one in board["contestants"].items()
        if is_current(one["name"], one.get("digest"))
    }  # fmt: skip
    return [
        PairVotes(names[row["model"]], names[row["opponent"]], row["wins"], row["losses"], row["ties"])
        for row in board["head_to_head"]
        if row["model"] in names and row["opponent"] in names
    ]
