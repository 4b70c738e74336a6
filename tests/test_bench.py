"""What ``make bench`` makes of its figures: ratios, tables, where a figure bends, and the document they go into."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bench.figures import BEGIN, END, Figure, into, read, tables, write
from benchmarks.bench.knees import knee, knees, table
from benchmarks.bench.plots import plot


def rates(contestant: str, **by_setting: tuple[float, ...]) -> list[Figure]:
    return [
        Figure("viewers", "deliveries", contestant, f"{at[1:]} viewers", "/s", values, more=True)
        for at, values in by_setting.items()
    ]


ARENA = rates("arena", _100=(1900.0, 2000.0, 2100.0), _500=(9000.0, 9500.0, 9800.0), _1000=(9900.0, 10000.0, 10100.0))
BARE = rates("bare Starlette", _100=(2000.0, 2000.0, 2000.0), _500=(9900.0, 9900.0, 9900.0), _1000=(19000.0,) * 3)


@pytest.mark.parametrize(
    ("points", "more", "at"),
    [
        pytest.param([(1, 100.0), (4, 390.0), (16, 1500.0)], True, None, id="a rate that grows along"),
        pytest.param([(1, 100.0), (4, 390.0), (16, 420.0)], True, 4, id="a rate that stops growing"),
        pytest.param([(16, 300.0), (1, 100.0), (4, 390.0)], True, 4, id="a rate that falls, in any order"),
        pytest.param([(1, 3.0), (4, 3.1), (16, 2.9)], False, None, id="a cost that stays"),
        pytest.param([(1, 3.0), (4, 3.1), (16, 12.0)], False, 4, id="a wait that begins to grow"),
        pytest.param([(1, -0.2), (4, 3.1), (16, 3.2)], False, None, id="what is below nothing has no ratio"),
        pytest.param([], True, None, id="nothing"),
    ],
)
def test_the_knee_is_the_last_setting_before_more_brings_little(
    points: list[tuple[int, float]], more: bool, at: int | None
) -> None:
    assert knee(points, more=more) == at


def test_the_table_of_knees_says_what_to_add() -> None:
    found = knees([*ARENA, *BARE])
    assert [(one.contestant, one.at) for one in found] == [("arena", 500), ("bare Starlette", None)]
    shown = table(found)
    assert "| viewers: deliveries | arena | 500 viewers | a worker: each sends" in shown
    assert "| bare Starlette |" not in shown
    assert "Of 2 lines 1 do not bend within what was run; the arena's: -." in shown
    assert "viewers: deliveries by viewers" in table(knees(rates("arena", _1=(1.0,), _2=(2.0,), _4=(4.0,))))


def test_two_settings_have_no_knee() -> None:
    assert knees(ARENA[:2]) == []


def test_others_have_their_ratio_to_the_arena_by_rounds() -> None:
    shown = tables([*BARE, *ARENA])
    assert "| | | 100 viewers | 500 viewers | 1000 viewers |" in shown
    assert "| deliveries, /s | arena | 2,000 (1,900-2,100) | 9,500 (9,000-9,800) | 10,000 (9,900-10,100) |" in shown
    assert "2,000 (2,000-2,000); 1 (0.95-1.1) x |" in shown


def test_what_counts_something_else_is_a_table_of_its_own() -> None:
    other = [Figure("viewers", "deliveries", "arena", f"{n} workers", "/s", (1.0,), more=True) for n in (1, 2)]
    shown = tables([*ARENA, *other])
    assert "**viewers, by viewers**" in shown
    assert "**viewers, by workers**" in shown


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(ARENA, "left out: Olla.", tmp_path / "bench.json")
    assert read(tmp_path / "bench.json") == ("left out: Olla.", ARENA)


def test_tables_go_between_the_marks_of_a_document(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    into(document, "new")
    into(document, "newer")
    assert document.read_text() == f"before\n{BEGIN}\nnewer\n\n{END}\nafter\n"


def test_a_document_without_marks_stays_as_it_is(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"{END}\n{BEGIN}\n")
    with pytest.raises(ValueError, match="has no lines"):
        into(document, "new")
    assert document.read_text() == f"{END}\n{BEGIN}\n"


def test_the_document_of_the_project_has_both_marks() -> None:
    text = (Path(__file__).parents[1] / "docs/performance.md").read_text()
    assert text.index(BEGIN) < text.index(END)


def test_there_is_a_plot_for_each_thing_that_a_part_grows_with(tmp_path: Path) -> None:
    written = plot([*ARENA, *BARE], tmp_path)
    assert [file.name for file in written] == ["viewers-by-viewers.png"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
