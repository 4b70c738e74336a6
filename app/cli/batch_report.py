"""A run's report as files: ``report.md``, ``report.json`` and, where matplotlib is installed, ``progress.png``."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from app.batch.report import RunFigures, report_json, report_markdown
from app.errors import ConfigurationError
from app.files import written

MARKED = 400
"""More loads than this would only be a grey area."""


def write_report(figures: RunFigures, folder: Path) -> list[Path]:
    """Write the report into ``folder``, which is made if it is not there; the files.

    Raises:
        ConfigurationError: a file can't be written.
    """
    pieces = _pieces(figures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in pieces.items():
            with written(folder / name) as sink:
                sink.write(body)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the report can't be written: {error.strerror}") from None
    return [folder / name for name in pieces]


def _pieces(figures: RunFigures) -> dict[str, bytes]:
    """The report's files by name; the picture only where it can be drawn."""
    picture = plot(figures)
    return {
        "report.md": report_markdown(figures).encode("utf-8", "replace"),
        "report.json": orjson.dumps(report_json(figures), option=orjson.OPT_INDENT_2),
        **({} if picture is None else {"progress.png": picture}),
    }


def plot(figures: RunFigures) -> bytes | None:
    """The jobs that had ended over time, with a line for each load; None without matplotlib or without any end."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    if not figures.ends or figures.run.started_at is None:
        return None
    began = figures.run.started_at.timestamp()
    picture = Figure(figsize=(9, 4), layout="constrained")
    axes = picture.add_subplot()
    for load in figures.loads[:MARKED]:
        axes.axvline((load.since - began) / 60, color="0.8", linewidth=0.8, zorder=0)
    minutes = [(end.timestamp() - began) / 60 for end in figures.ends]
    axes.step([0.0, *minutes], range(len(minutes) + 1), where="post")
    axes.set_xlabel("minutes since the start; grey: loads")
    axes.set_ylabel("jobs ended")
    axes.set_title(f"run {figures.run.id}")
    target = BytesIO()
    canvas: Any = FigureCanvasAgg(picture)
    canvas.print_png(target)
    return target.getvalue()
