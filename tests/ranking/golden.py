"""Votes with known ratings, and small helpers to write votes down."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from app.battle.battle import Verdict
from app.ranking.board import BoardRow, Leaderboard
from app.ranking.bradley_terry import Cells
from app.ranking.likelihoods import Floats
from app.ranking.votes import JudgedPair
from tests.helpers import known

DATA = Path(__file__).parents[1] / "data" / "ranking"
WINNERS = {"left": Verdict.A, "right": Verdict.B, "tie": Verdict.TIE}


@dataclass(frozen=True)
class Golden:
    rows: list[JudgedPair]
    scores: dict[str, dict[str, float]]


def golden(name: str) -> Golden:
    with (DATA / f"{name}.csv").open() as file:
        rows = [JudgedPair(row["left"], row["right"], WINNERS[row["winner"]]) for row in csv.DictReader(file)]
    scores: dict[str, dict[str, float]] = {}
    with (DATA / f"{name}-golden.csv").open() as file:
        for row in csv.DictReader(file):
            scores.setdefault(row["algorithm"], {})[row["item"]] = float(row["score"])
    return Golden(rows, scores)


def to_bytes(board: Leaderboard) -> bytes:
    """A board as JSON with sorted keys, to be compared byte by byte."""
    return orjson.dumps(board, option=orjson.OPT_SORT_KEYS)


def width_of(row: BoardRow) -> float:
    """How wide a row's interval is."""
    return known(row.rating_upper) - known(row.rating_lower)


def centred_logs(scores: Iterable[float]) -> Floats:
    logs: Floats = np.log(list(scores))
    centred: Floats = logs - logs.mean()
    return centred


def votes(*lines: str) -> list[JudgedPair]:
    """``"a b 3 2 1"``: a beat b three times, b beat a twice, and they tied once; each vote is a battle."""
    rows: list[JudgedPair] = []
    for line in lines:
        left, right, *counts = line.split()
        for verdict, count in zip((Verdict.A, Verdict.B, Verdict.TIE, Verdict.BOTH_BAD), counts, strict=False):
            rows += [JudgedPair(left, right, verdict)] * int(count)
    return rows


def cells(models: int, *rows: tuple[int, int, float, float, float]) -> Cells:
    left, right, wins, losses, ties = (np.array(column) for column in zip(*rows, strict=True))
    figures = [figure.astype(float) for figure in (wins, losses, ties)]
    return Cells(models, left, right, figures[0], figures[1], figures[2], np.zeros((len(rows), 0)))
