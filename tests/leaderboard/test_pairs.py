"""The votes on each pair, out of a board that is served."""

from __future__ import annotations

import orjson

from app.draw.planning.pairs import PairVotes
from app.leaderboard.pairs import pair_votes


def test_votes_on_weights_that_a_name_had_before_are_left_out() -> None:
    met = {"wins": 5, "losses": 3, "ties": 1, "both_bad": 9, "share": None, "expected": None, "surprise": None}
    body = {
        "contestants": {
            "x@old": {"name": "x", "contestant": "1", "digest": "sha256:old"},
            "x@new": {"name": "x", "contestant": "2", "digest": "sha256:new"},
            "y": {"name": "y", "contestant": "3", "digest": None},
        },
        "head_to_head": [
            {"model": "x@new", "opponent": "y", **met},
            {"model": "y", "opponent": "x@old", **met},
        ],
    }
    found = pair_votes(orjson.dumps(body), lambda name, digest: digest != "sha256:old")
    assert found == [PairVotes("x", "y", 5, 3, 1)]
