"""How findings write sizes."""

from __future__ import annotations

MIB, GIB = 1024**2, 1024**3


def gib(size_bytes: float) -> str:
    """A size in GiB with one decimal."""
    return f"{size_bytes / GIB:.1f} GiB"
