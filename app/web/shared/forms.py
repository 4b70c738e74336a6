"""Forms with files (``multipart/form-data``, RFC 7578), read as they come: nothing of them is in memory whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import InvalidInput, MessageTooLarge

LONGEST_FIELD = 1_000_000
MEDIA = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class FormPart:
    """The head of a part: its name, and the name of its file if it is one."""

    name: str
    filename: str = ""


def media_of(request: Request) -> str:
    """The media type of a request's body."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def announced_length(request: Request) -> int:
    """The length of a body as its head says it; 0 where it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdigit() else 0


async def form_pieces(request: Request) -> AsyncGenerator[FormPart | bytes]:
    """Yield each part's head, then its content in pieces.

    Raises:
        InvalidInput: it is no form, or it is cut off.
        starlette.requests.ClientDisconnect: who sends it has left.
    """
    reader = _FormReader(_boundary_of(request))
    async for data in request.stream():
        for piece in reader.read(data):
            yield piece
    if not reader.ended:
        raise InvalidInput("the form ends in the middle; send all of it", code="invalid_form")


class FieldTexts:
    """The fields of a form that are no files."""

    def __init__(self) -> None:
        self._texts: dict[str, bytearray] = {}

    def add(self, part: FormPart, piece: bytes) -> None:
        """Add a piece of a field.

        Raises:
            MessageTooLarge: it is too long.
        """
        text = self._texts.setdefault(part.name, bytearray())
        text += piece
        if sum(map(len, self._texts.values())) > LONGEST_FIELD:
            raise MessageTooLarge(f"{part.name} is over {LONGEST_FIELD:,} bytes", field=part.name)

    def get(self, name: str) -> str | None:
        """A field's text; None where there is no such field.

        Raises:
            InvalidInput: it is not UTF-8.
        """
        if name not in self._texts:
            return None
        try:
            return self._texts[name].decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidInput(f"{name} is not UTF-8", field=name) from None


def _boundary_of(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidInput("the Content-Type of a form has a boundary; let your client set it", code="invalid_form")
    return boundary


class _FormReader:
    def __init__(self, boundary: bytes) -> None:
        self.ended = False
        self._pieces: list[FormPart | bytes] = []
        self._header = [b"", b""]
        self._disposition = b""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._field,
                    "on_header_value": self._value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _wrong(error) from None

    def read(self, data: bytes) -> list[FormPart | bytes]:
        self._pieces = []
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _wrong(error) from None
        return self._pieces

    def _begin_header(self) -> None:
        self._header = [b"", b""]

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        name, filename = options.get(b"name", b""), options.get(b"filename", b"")
        self._disposition = b""
        self._pieces.append(FormPart(name.decode(errors="replace"), filename.decode(errors="replace")))

    def _end(self) -> None:
        self.ended = True


def _wrong(error: Exception) -> InvalidInput:
    return InvalidInput(f"that is no form: {error}", code="invalid_form")
