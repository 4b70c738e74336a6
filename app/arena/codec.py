"""How documents in Redis are written down: JSON with a ``format`` number, refused when another version wrote it."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.errors import Unavailable


class Versioned(Protocol):
    """A document that says in which format it is."""

    @property
    def format(self) -> int:
        """The number of its format."""
        ...


V = TypeVar("V", bound=Versioned)


class Codec(Generic[V]):
    """Writes and reads documents of ``kind``; one of another ``format`` is refused with ``foreign``, not guessed at."""

    def __init__(self, kind: type[V], *, format: int, foreign: str) -> None:
        self._adapter: TypeAdapter[V] = TypeAdapter(kind)
        self._format = format
        self._foreign = foreign

    def encode(self, document: V) -> bytes:
        """The document as JSON."""
        return self._adapter.dump_json(document)

    def decode(self, data: bytes) -> V:
        """Read a document back.

        Raises:
            Unavailable: another version of the arena wrote it.
        """
        try:
            document = self._adapter.validate_json(data)
        except ValidationError:
            raise Unavailable(self._foreign, code="foreign_document") from None
        if document.format != self._format:
            raise Unavailable(self._foreign, code="foreign_document")
        return document
