"""The grid's records go on where a file ends, and its rows say how sure they are."""

import json
from pathlib import Path

import pytest

from benchmarks.scheduling import grid
from benchmarks.scheduling.grid import Cell, Records, Row

CELL = Cell(2.0, 60.0, 4, 3)
ONE = {"straight": 40.0, "ours": 30.0, "stay 0": 32.0, "first come": 60.0}
TWO = {"straight": 44.0, "ours": 33.0, "stay 0": 29.0, "first come": 70.0}


def test_what_is_in_the_file_is_not_run_again_and_what_was_cut_off_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {1: ONE, 2: TWO}
    ran: list[int] = []

    def figures(cell: Cell, seed: int) -> dict[str, float]:
        assert cell == CELL
        ran.append(seed)
        return found[seed]

    monkeypatch.setattr(grid, "figures", figures)
    path = tmp_path / "grid.jsonl"
    assert Records.of(path).of_cell(CELL, (1, 2)) == [ONE, TWO]
    whole = path.read_text()
    path.write_text(whole[:-20])  # the process was killed while it wrote
    assert Records.of(path).of_cell(CELL, (1, 2)) == [ONE, TWO]
    assert ran == [1, 2, 2]
    assert path.read_text() == whole
    assert [json.loads(line)["seed"] for line in whole.splitlines()] == [1, 2]


def test_another_cell_is_another_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "figures", lambda cell, _seed: {"ours": cell.pause_s})
    records = Records.of(tmp_path / "grid.jsonl")
    others = [Cell(2.0, 5.0, 4, 3), Cell(2.0, 60.0, 1, 3), Cell(2.0, 60.0, 4, 3, users=25)]
    for cell in (CELL, *others):
        records.of_cell(cell, (1,))
    assert len(Records.of(records.path).found) == 4


def test_a_row_compares_the_means_and_pairs_the_seeds() -> None:
    row = Row.of(CELL, [ONE, TWO])
    assert row.means == {"straight": 42.0, "ours": 31.5, "stay 0": 30.5, "first come": 65.0}
    assert row.share == pytest.approx(31.5 / 30.5)
    assert row.behind_s == 1.0  # of -2 and +4 behind stay 0, the best other way
    assert row.error_s == pytest.approx(3.0)


def test_where_ours_is_the_best_it_is_measured_against_the_best_other_way() -> None:
    row = Row.of(CELL, [ONE])
    assert row.share == 1.0
    assert row.behind_s == -2.0
