"""JSON on standard output: in UTF-8 whatever the terminal's encoding is, for a program reads it."""

from __future__ import annotations

import sys


def write_json(body: bytes) -> None:
    """Write one JSON value and a line break."""
    sys.stdout.flush()
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()
