"""Lines of a file in whatever Unicode it is written: Windows' tools write UTF-16 with a byte order mark."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from io import BufferedReader, TextIOWrapper

from app.errors import InvalidInput

_MARKS = {
    # UTF-32's mark begins with that of UTF-16, so it is looked for first.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LONGEST = 4


def lines_of(source: BufferedReader) -> Iterable[bytes]:
    """The lines in UTF-8. Another encoding is known by its byte order mark.

    Raises:
        InvalidInput: it has zero bytes and no such mark, as UTF-16 without one does; or its text is cut or broken.
    """
    head = source.peek(_LONGEST)[:_LONGEST]
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if encoding is not None:
        return _encoded_anew(source, encoding)
    if b"\0" in head:
        raise InvalidInput(
            "this is no UTF-8 but most likely UTF-16 without a byte order mark; write it anew: "
            "iconv -f UTF-16LE -t UTF-8 FILE > NEW (or UTF-16BE)"
        )
    return source


def _encoded_anew(source: BufferedReader, encoding: str) -> Iterator[bytes]:
    with TextIOWrapper(source, encoding=encoding, newline="\n") as text:
        try:
            for line in text:
                yield line.encode()
        except UnicodeError as error:
            raise InvalidInput(
                f"this is no {encoding.upper()} though its byte order mark says so ({error}); write it as UTF-8"
            ) from None
