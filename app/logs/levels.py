"""What of the log is written, and in which form; without what writes it, for settings only name these."""

from __future__ import annotations

from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "text"]
"""``auto``: colours on a terminal, JSON everywhere else; ``text``: the same words without colours, where it is none."""
