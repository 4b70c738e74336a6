"""One side of a battle as the frames of a chat completion. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.battle.battle import Side
from app.battle.events import EventName
from app.completions.completions import Waiting
from app.completions.events import LoggedEvent
from app.web.openai.frames import ChatReply, waiting_words

FAILED = "*This answer failed. Ask again for another pair of models.*"
LOST = "*This battle could not be played to its end. Ask again for another pair of models.*"
ANEW = "\n\n*This answer had to be begun anew:*\n\n"
"""What was sent can't be taken back: the reader sees where the answer begins."""


class SideFrames:
    """Turns a battle's events into the frames of one ``side``; ``ended`` once its answer is complete or lost."""

    def __init__(self, reply: ChatReply, side: Side) -> None:
        self.ended = False
        self._reply = reply
        self._side = side
        self._written = False
        self._waited = False

    def frames(self, event: LoggedEvent) -> Iterator[bytes]:
        """The frames of one event."""
        if event.name == EventName.END:
            self.ended = True
            yield self._reply.text(LOST)
        elif event.name == EventName.SNAPSHOT:
            yield from self._whole(event.data["sides"][self._side.value])
        elif event.data.get("side") == self._side.value:
            yield from self._of_side(event)

    def _of_side(self, event: LoggedEvent) -> Iterator[bytes]:
        match event.name:
            case EventName.DELTA:
                self._written = True
                yield self._reply.text(event.data["text"])
            case EventName.RESET if self._written:
                yield self._reply.text(ANEW)
            case EventName.STATUS:
                yield from self._status(event.data)
            case EventName.ANSWER:
                yield from self._end(event.data["finish_reason"])

    def _status(self, data: dict[str, Any]) -> Iterator[bytes]:
        if data["state"] != "writing":
            self._waited = True
            waiting = Waiting(data["state"], data.get("place"), data.get("eta_s"))
            yield self._reply.status(waiting_words(waiting), done=False)
        elif self._waited:
            yield self._reply.status("Writing", done=True)

    def _whole(self, side: dict[str, Any]) -> Iterator[bytes]:
        """The log was lost and written anew: its text comes whole."""
        if side["text"]:
            yield self._reply.text((ANEW if self._written else "") + side["text"])
            self._written = True
        if side["finish_reason"]:
            yield from self._end(side["finish_reason"])

    def _end(self, finish_reason: str) -> Iterator[bytes]:
        self.ended = True
        if finish_reason not in ("stop", "length"):
            yield self._reply.text(("\n\n" if self._written else "") + FAILED)
