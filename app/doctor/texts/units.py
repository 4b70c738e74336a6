"""How findings write sizes and times."""

from __future__ import annotations

from collections.abc import Sequence

MIB, GIB = 1024**2, 1024**3


def gib(size_bytes: float) -> str:
    """A size in GiB with one decimal."""
    return f"{size_bytes / GIB:.1f} GiB"


def span(seconds: Sequence[float]) -> str:
    """The shortest and the longest of several times."""
    least, most = (f"{one:.0f}" if one >= 2 else f"{one:.1f}" for one in (min(seconds), max(seconds)))
    return f"{least} s" if least == most else f"{least} to {most} s"


def which_takes(loads_s: Sequence[float]) -> str:
    """What a change of models costs on a host, as its loads took; empty when none was seen."""
    return f", which took {span(loads_s)} each time lately" if loads_s else ""
