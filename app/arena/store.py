"""A battle in Redis: its document, its answers and its one log, written by four scripts only.

Keys of battle ``b`` (the braces are literal: one hash tag, one slot), all with one time to live that every
script renews: ``ARENA_BATTLE_TTL`` while the battle runs, ``ARENA_LOG_TTL`` after its end.

| key                | holds                                                          | written by     |
|--------------------|----------------------------------------------------------------|----------------|
| arena:{b}          | hash: name, version, change, n, ended, answers, document, pace; on | advance (all: n) |
|                    | stage: a, b, what both wait for, how much of both is shown     | advance, write |
| arena:{b}:answer:i | hash: token, seq, state, attempts, stage, finish, error, timing, leak… | all but leave |
|                    | and what viewers were told: told, shown (bytes), shown_chars,  | all but leave  |
|                    | whole (the place where it is shown as it comes)                | write          |
|                    | left: the last attempt whose worker said that it has ended it  | leave          |
|                    | silent: the attempts that were followed by another without that | begin, leave  |
|                    | its story, for ops only (``app.timing.story``)                 | begin, note    |
| arena:{b}:text:i   | string: the text so far                                        | begin, write   |
| arena:{b}:log      | stream ``1-0, 2-0 …`` of viewers' events, never trimmed        | all but leave  |
| channel arena:news | msgpack list of [battle, name, number, event, data] per call   | all but leave  |

Every script is atomic and safe to send twice: ``advance`` by its change id, ``begin`` and ``leave`` by their token,
``write`` by its sequence number. That is why the client may retry a command whose reply was lost. A script that finds
another name, or a key of the battle missing, answers ``gone``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import Any, Generic, Literal, NamedTuple, cast

import msgpack
from redis.asyncio import Redis

from app.arena.codec import Codec
from app.arena.document import CODEC, Document
from app.arena.replies import Replies
from app.arena.states import D, State, answer_state
from app.arena.steps import Step, error_json, packed
from app.battle.battle import Side
from app.scheduling.ports import MOST_SILENT
from app.timing.story import Step as StoryStep
from app.timing.story import to_json

Pace = Literal["even", "live"]
"""How text is shown: both sides of a round together, or each as it comes."""

RATE = 40
"""Characters that each side is shown in a second at most while one is being written: about twice as fast as people
read, and slower than nearly every model writes, so that the pace is the same for all."""

STEP = 8
"""Characters that each side is shown at once at least."""

WriteReply = Literal["ok", "stale", "ended", "finished", "gone"]
AdvanceReply = Literal["applied", "conflict", "ended", "gone", "exists"]


def new_name() -> str:
    """A fresh random name of a log: 10 characters without a dash."""
    return secrets.token_hex(5)


@dataclass(frozen=True, slots=True)
class Begun(Generic[D]):
    """``begin``'s answer; ``document`` is there only when ``status`` is started."""

    status: Literal["started", "finished", "ended", "stale", "interrupted", "gone"]
    name: str = ""
    document: D | None = None
    attempt: int = 0


class AnswerUpdate(NamedTuple):
    """What one answer adds in one ``write``.

    Empty strings mean nothing to add; ``restart``: drop the answer's text first.
    """

    battle: str
    name: str
    answer: int
    token: int
    seq: int
    text: str = ""
    state: str = ""
    extra: str = ""
    finish: str = ""
    error: str = ""
    timing: str = ""
    leak: str = ""
    restart: bool = False
    ending: str = ""
    story: str = ""

    def by_name(self) -> dict[str, object]:
        """Its fields as ``write.lua`` takes them: those that are empty are left out."""
        fields = zip(self._fields, self, strict=True)
        return {name: value for name, value in fields if value != "" and value is not False}


class Entry(NamedTuple):
    """An entry of a battle's log: its number, its event's name and the event's data as JSON."""

    n: int
    event: bytes
    data: bytes


# KEYS: battle, log. ARGV: from where. The name and the entries of one moment.
_LOG = "return {redis.call('HGET', KEYS[1], 'name'), redis.call('XRANGE', KEYS[2], ARGV[1], '+')}"


def _script(*names: str) -> str:
    """A script with what all share before it."""
    folder = resources.files("app.arena") / "scripts"
    return "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", *names))


def _packed(**call: object) -> list[bytes]:
    """What a script is called with, by name."""
    return [msgpack.packb(call, use_bin_type=False)]


class LogStore(Generic[D]):
    """The only way to the keys of a battle, or of what else has a log; ``codec`` is its document's.

    Raises ``redis.RedisError`` while Redis is unavailable.
    """

    def __init__(
        self,
        redis: Redis,
        codec: Codec[D],
        *,
        running_ttl: timedelta = timedelta(hours=24),
        ended_ttl: timedelta = timedelta(hours=1),
        change_id: Callable[[], str] = lambda: secrets.token_hex(8),
        pace: Pace = "live",
    ) -> None:
        self._redis = redis
        self._pace = pace
        self._codec = codec
        self._running_ms = int(running_ttl.total_seconds() * 1000)
        self._ended_ms = int(ended_ttl.total_seconds() * 1000)
        self._change_id = change_id
        self._advance = redis.register_script(_script("reading", "advance"))
        self._begin = redis.register_script(_script("begin"))
        self._leave = redis.register_script(_script("leave"))
        self._write = redis.register_script(_script("write"))
        self._read = redis.register_script(_script("reading", "read"))
        self._note = redis.register_script(_script("note"))
        self._log = redis.register_script(_LOG)

    async def advance(
        self, name: str, version: int, document: D, steps: Sequence[Step], change: str | None = None
    ) -> AdvanceReply:
        """Replace the document at ``version`` and log ``steps`` in order; version 0 creates the battle."""
        reply = await self._advance(args=self._advancing(name, version, document, steps, change))
        return cast(AdvanceReply, reply.decode())

    async def advance_and_read(self, name: str, version: int, document: D, steps: Sequence[Step]) -> State[D] | None:
        """The same, and the battle as it is then, whole; None when it was not applied, or is gone."""
        reply = await self._advance(args=self._advancing(name, version, document, steps, read=True))
        found = _unpacked(reply[1]) if isinstance(reply, list) else None
        return None if found is None else _state(found, document)

    def _advancing(
        self, name: str, version: int, document: D, steps: Sequence[Step], change: str | None = None, **more: object
    ) -> list[bytes]:
        return _packed(
            battle=document.id,
            name=name,
            version=version,
            change=change or self._change_id(),
            document=self._codec.encode(document),
            steps=[packed(step) for step in steps],
            running_ms=self._running_ms,
            ended_ms=self._ended_ms,
            answers=document.answer_count,
            cancelled=error_json("cancelled"),
            pace=self._pace,
            **more,
        )

    async def begin(self, battle: str, answer: int, token: int, host: str) -> Begun[D]:
        """Open an attempt at an answer, fenced by ``token``."""
        args = _packed(
            battle=battle,
            answer=answer,
            token=token,
            host=host,
            ttl_ms=self._running_ms,
            interrupted=error_json("interrupted"),
            most_silent=MOST_SILENT,
        )
        reply = _unpacked(await self._begin(args=args))
        status = reply["status"].decode()
        if "attempt" not in reply:
            return Begun(status)
        return Begun(status, reply["name"].decode(), self._codec.decode(reply["document"]), reply["attempt"])

    async def leave(self, battle: str, answer: int, token: int) -> None:
        """Say that an attempt has ended without an end of its answer, and not because its worker died."""
        await self._leave(args=_packed(battle=battle, answer=answer, token=token))

    async def note(self, battle: str, answer: int, steps: Iterable[StoryStep]) -> None:
        """Append to the story of an answer; one that is gone stays gone."""
        await self._note(args=_packed(battle=battle, answer=answer, steps=to_json(steps)))

    async def write(self, updates: Sequence[AnswerUpdate]) -> list[WriteReply]:
        """Add to answers, in one call for all of them; one reply per update, in order."""
        args = _packed(updates=[update.by_name() for update in updates], ttl_ms=self._running_ms, rate=RATE, step=STEP)
        return [reply.decode() for reply in await self._write(args=args)]

    async def show_whole(self, battle: str, name: str, answer: int, round_number: int, side: Side) -> WriteReply:
        """Show an answer on stage as it comes from now on, whatever the pace; ``stale``: it is not on stage there."""
        return (await self.write([AnswerUpdate(battle, name, answer, 0, 0, "", "whole", f"{round_number}:{side}")]))[0]

    async def state(self, battle: str, texts: Literal["all", "stage"] = "stage") -> State[D] | None:
        """The battle as it is now, in one piece; None when Redis has no such battle."""
        packed = await self._read(args=_packed(battle=battle, texts=texts))
        if packed is None:
            return None
        found = _unpacked(packed)
        return _state(found, self._codec.decode(found["document"]))

    async def entries(self, battle: str, after: int) -> list[Entry]:
        """The log's entries with a number above ``after``, in order."""
        return (await self.log(battle, after))[1]

    async def log(self, battle: str, after: int) -> tuple[str | None, list[Entry]]:
        """The log's present name (None: there is no such battle) and its entries above ``after``, of one moment."""
        keys = [f"arena:{{{battle}}}", f"arena:{{{battle}}}:log"]
        reply = await self._log(keys=keys, args=[f"({after}-0" if after else "-"])
        name, rows = cast("tuple[bytes | None, list[tuple[bytes, list[bytes]]]]", reply)
        entries = [Entry(int(key.partition(b"-")[0]), event, data) for key, (_, event, _, data) in rows]
        return (None if name is None else name.decode()), entries

    async def drop(self, battle: str) -> None:
        """Delete all keys of a battle; only SQL has it from now on."""
        count = cast("bytes | None", await self._redis.hget(f"arena:{{{battle}}}", "answers"))
        parts = [f"arena:{{{battle}}}:{kind}:{n}" for n in range(int(count or 0)) for kind in ("answer", "text")]
        await self._redis.delete(f"arena:{{{battle}}}", f"arena:{{{battle}}}:log", *parts)

    async def name_of(self, battle: str) -> str | None:
        """The log's present name; None when Redis has no such battle."""
        name = cast("bytes | None", await self._redis.hget(f"arena:{{{battle}}}", "name"))
        return None if name is None else name.decode()


class Store(LogStore[Document]):
    """The store of battles."""

    def __init__(
        self,
        redis: Redis,
        *,
        running_ttl: timedelta = timedelta(hours=24),
        ended_ttl: timedelta = timedelta(hours=1),
        change_id: Callable[[], str] = lambda: secrets.token_hex(8),
        pace: Pace = "live",
    ) -> None:
        ttls = {"running_ttl": running_ttl, "ended_ttl": ended_ttl}
        super().__init__(redis, CODEC, change_id=change_id, pace=pace, **ttls)
        self.replies = Replies(redis)


def _state(found: Mapping[str, Any], document: D) -> State[D]:
    """What the scripts read of a battle, with its document."""
    return State(
        name=found["name"].decode(),
        version=int(found["version"]),
        n=int(found["n"]),
        ended=found["ended"] == b"1",
        document=document,
        answers=tuple(map(answer_state, found["answers"])),
    )


def _unpacked(packed: bytes) -> dict[str, Any]:
    """What a script answers, by name; its values are bytes or numbers, and an answer is such a mapping again."""
    return cast("dict[str, Any]", msgpack.unpackb(packed, raw=True, object_pairs_hook=_named))


def _named(pairs: Iterable[tuple[bytes, Any]]) -> dict[str, Any]:
    return {name.decode(): value for name, value in pairs}
