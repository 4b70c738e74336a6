"""Server-sent events as model servers write them: frames of ``data:`` lines, comments, and what should not be there.

The format is that of the HTML standard, section 9.2, with two remarks. A line that is none of the format's is reported,
not ignored: llama-server's router writes ``proxy error: …`` into a stream whose model died, and a proxy may write its
page there. And a line ends with LF or CRLF; a lone CR, which the standard allows and no server writes, is a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_FRAME = 1024 * 1024
"""Bytes of one line, and of the lines of one frame."""

_OTHER_FIELDS = (b"event", b"id", b"retry")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Frame:
    """The ``data`` of one event; ``foreign`` is a line that is none of the format's."""

    data: bytes
    foreign: bool = False


class FrameReader:
    """Splits bytes into frames, wherever the reads cut them."""

    def __init__(self) -> None:
        self.overlong = False
        """Whether a line or frame was longer than ``MAX_FRAME``; nothing is read any more."""
        self._tail = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield what ``data`` completes."""
        lines = (self._tail + data).split(b"\n")
        self._tail = lines.pop()
        for line in lines:
            yield from self._line(line.removesuffix(b"\r"))
        if len(self._tail) > MAX_FRAME or self._size > MAX_FRAME:
            self.overlong, self._tail, self._lines = True, b"", []

    def end(self) -> Iterator[Frame]:
        """Yield what the connection's end completes: a last frame may lack its empty line, or its line's end."""
        tail, self._tail = self._tail.removesuffix(b"\r"), b""
        if tail:
            yield from self._line(tail)
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[Frame]:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if not line:
            if self._lines:
                lines, self._lines, self._size = self._lines, [], 0
                yield Frame(b"\n".join(lines))
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._lines.append(value.removeprefix(b" "))
            self._size += len(value)
        elif name and name not in _OTHER_FIELDS and not line.isspace():
            yield Frame(line, foreign=True)
