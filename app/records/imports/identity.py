"""What a vote of another arena is known by, so that it counts once however often it comes.

=========================== ============================================================================================
the line has                it is known by
=========================== ============================================================================================
``battle_id``               that and its round, as one of ours; ``import-`` and 32 hex digits name a key of this module
an id of its own            that, the models, the judge and the turn; a short id (under 16 characters) within its source
neither                     its content, and the how-manieth line of that content it is within its source
=========================== ============================================================================================

Content is the line's JSON with its names sorted: blanks and the order of lines and fields make no other vote. Contents
of many lines are summed up by adding their hashes, so a file can be known again in another order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

import orjson

OWN_IDS = ("question_id", "conversation_id", "id")
"""Fields in which data sets name a vote, the most specific first."""
LONG_ID = 16
"""Characters from which on an id is taken to be the only one of the world."""

_PREFIX = "import-"
_NAMED = re.compile(rf"{_PREFIX}([0-9a-f]{{32}})\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """``key`` is 16 bytes; ``content`` is the hash of the line, as a number."""

    key: bytes
    content: int

    @property
    def battle_id(self) -> str:
        """The battle of this vote, if it gets one."""
        return battle_id_of(self.key)


def battle_id_of(key: bytes) -> str:
    """What a vote's battle is called that has no other name."""
    return f"{_PREFIX}{key.hex()}"


def key_in(battle_id: str) -> bytes | None:
    """The key that a battle's id names, if it is one of ``battle_id_of``."""
    named = _NAMED.match(battle_id)
    return bytes.fromhex(named[1]) if named else None


def key_before(line: bytes, number: int) -> str:
    """The id that versions before 0.2 gave a line: by its place and its bytes."""
    return f"{_PREFIX}{sha256(b'%d:%b' % (number, line.strip())).hexdigest()[:24]}"


class Identities:
    """Gives each line of one source its identity; equal lines are counted."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: Counter[int] = Counter()

    def of(self, raw: Mapping[str, Any]) -> Identity:
        """The identity of the next line, which has no ``battle_id``."""
        content = int.from_bytes(_hash(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)))
        own = next((str(raw[name]) for name in OWN_IDS if raw.get(name) is not None), None)
        if own is not None:
            scope = None if len(own) >= LONG_ID else self._source
            parts = [raw.get(name) for name in ("model_a", "model_b", "judge", "turn")]
            return Identity(_hash(orjson.dumps(["own", scope, own, *parts])), content)
        self._seen[content] += 1
        parts = ["content", self._source, f"{content:032x}", self._seen[content]]
        return Identity(_hash(orjson.dumps(parts)), content)


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def total(contents: Sequence[int], before: str = "0") -> str:
    """The sum of contents, as 32 hex digits, added to ``before``."""
    return f"{(int(before, 16) + sum(contents)) % 2**128:032x}"
