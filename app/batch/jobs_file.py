"""The jobs of a run: JSON lines, read one at a time.

A line is ``{"custom_id": "…", …fields…}``, or a line of OpenAI's Batch API,
``{"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}``, which is a run by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from app.errors import InvalidInput
from app.records.column_types import storable

LONGEST_LINE = 1_000_000
"""Bytes of one line."""
LONGEST_ID = 512
CHAT_URL = "/v1/chat/completions"
_OF_OPENAI = {"custom_id", "method", "url", "body"}


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job: its place in the file (from 0), the line it stands on (from 1), its id and its fields."""

    n: int
    line: int
    custom_id: str
    fields: Mapping[str, Any]


class JobLines:
    """Reads lines into jobs; ``digest`` is the hash of all that were read, in order."""

    def __init__(self, *, chat: bool, reserved: Iterable[str] = ()) -> None:
        self._chat = chat
        self._reserved = frozenset(reserved)
        self._seen: dict[bytes, int] = {}
        self._hash = blake2b(digest_size=16)
        self._line = 0

    @property
    def digest(self) -> bytes:
        """The hash of all jobs that were read."""
        return self._hash.digest()

    @property
    def count(self) -> int:
        """How many jobs were read."""
        return len(self._seen)

    def read(self, lines: Iterable[bytes]) -> Iterator[JobLine]:
        """The jobs of ``lines``; blank lines are skipped.

        Raises:
            InvalidInput: a line is no job; the sentence has its number and the remedy.
        """
        for raw in lines:
            self._line += 1
            if raw.strip():
                yield self._job(raw)

    def _job(self, raw: bytes) -> JobLine:
        if len(raw) > LONGEST_LINE:
            raise self._wrong(f"it is over {LONGEST_LINE:,} bytes; split the job")
        value = self._object(raw)
        custom_id = value.pop("custom_id", None)
        if not isinstance(custom_id, str) or not custom_id or len(custom_id) > LONGEST_ID:
            raise self._wrong(f"custom_id must be a text of 1 to {LONGEST_ID} characters", "custom_id")
        fields = self._chat_body(value) if self._chat else self._fields(value)
        self._once(custom_id)
        self._hash.update(orjson.dumps([custom_id, fields], option=orjson.OPT_SORT_KEYS))
        return JobLine(len(self._seen) - 1, self._line, custom_id, fields)

    def _object(self, raw: bytes) -> dict[str, Any]:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise self._wrong(f"that is no JSON ({error.msg}); write one object on each line") from None
        if not isinstance(value, dict):
            raise self._wrong('write one object on each line: {"custom_id": "…", …}')
        return value

    def _chat_body(self, value: dict[str, Any]) -> dict[str, Any]:
        body = value.get("body")
        if not is_chat_line({"custom_id": "", **value}) or not isinstance(body, dict):
            raise self._wrong("a line of OpenAI's Batch API has custom_id, method, url and body")
        if value["method"] != "POST":
            raise self._wrong("method must be POST", "method")
        if value["url"] != CHAT_URL:
            raise self._wrong(f"url must be {CHAT_URL}", "url")
        return body

    def _fields(self, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name in self._reserved:
                raise self._wrong(f"the field {name!r} has the name of a stage; rename one of them", name)
        return value

    def _once(self, custom_id: str) -> None:
        key = blake2b(storable(custom_id).encode(), digest_size=12).digest()  # as the database will know it
        first = self._seen.setdefault(key, self._line)
        if first != self._line:
            raise self._wrong(f"custom_id {custom_id!r} was on line {first} already; ids are unique", "custom_id")

    def _wrong(self, why: str, field: str | None = None) -> InvalidInput:
        return InvalidInput(f"line {self._line}: {why}", field=field, code="invalid_line")


def is_chat_line(value: object) -> bool:
    """Whether a line is one of OpenAI's Batch API."""
    return isinstance(value, dict) and value.keys() >= _OF_OPENAI


def begins_with_chat(first_line: bytes) -> bool:
    """Whether a file is one of OpenAI's Batch API, by its first line."""
    try:
        return is_chat_line(orjson.loads(first_line))
    except orjson.JSONDecodeError:
        return False


def too_many(failures: str, failed: int, jobs: int) -> bool:
    """Whether so many ``failed`` jobs of all ``jobs`` end the run; ``failures`` as ``failures_form`` gives it."""
    if not failures:
        return False
    if failures.endswith("%"):
        return failed > math.floor(jobs * float(failures[:-1]) / 100)
    return failed > int(failures)
