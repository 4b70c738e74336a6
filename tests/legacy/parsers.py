"""The parsers of the front-ends, in our own words: what each of them would show after a piece of a stream.

All of them split at line ends and read only lines that start with ``data: ``, each as one JSON object.
"""

from __future__ import annotations

import json
from typing import Any


class Page:
    """Reads lines; a subclass takes the objects in them."""

    def __init__(self) -> None:
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        self.battle = ""
        self.names: list[str] = []
        self.texts: dict[str, str] = {"a": "", "b": ""}
        self.done = False

    def read(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                self.events.append(event)
                self.take(event)
            else:
                assert line in (b"", b"\r") or line.startswith(b":"), f"{line!r} would be an event's name or id"

    def take(self, event: dict[str, Any]) -> None:
        raise AssertionError("a page takes events")


class ChatPage(Page):
    """The chat of the middle and the newest front-end (FB, FC): init starts the battle, deltas are appended."""

    def take(self, event: dict[str, Any]) -> None:
        if event.get("battle_id") and not self.battle:
            if not (event.get("model_a") and event.get("model_b")):
                return
            self.battle = event["battle_id"]
            self.names = [event["model_a"], event["model_b"]]
            self.texts = {"a": event.get("response_a") or "", "b": event.get("response_b") or ""}
            self._typed = {"a": "", "b": ""}
        if event.get("stream") and event.get("battle_id") and event.get("side") and event.get("delta"):
            self._typed[event["side"]] += event["delta"]
            self.texts[event["side"]] = self._typed[event["side"]]
        if event.get("done") or event.get("arena_complete"):
            self.done = True


class OldChatPage(Page):
    """The chat of the compiled front-end (FA): only an event with everything in it starts a battle."""

    starts = 0

    def take(self, event: dict[str, Any]) -> None:
        needed: list[Any] = [event.get(key) for key in ("battle_id", "model_a", "model_b", "response_a", "response_b")]
        if event.get("arena_mode") and all(needed):
            self.starts += 1
            self.battle, *self.names = needed[:3]
            self.texts = {"a": needed[3], "b": needed[4]}
        self.done = self.done or bool(event.get("done"))


class RoundPage(Page):
    """The page of a later round (FB): an event with both names replaces both texts, deltas are appended to them.

    Two empty texts are no news to it: what it shows stays until the first delta of that side.
    """

    buttons = False

    def __init__(self) -> None:
        super().__init__()
        self._typed = {"a": "", "b": ""}

    def take(self, event: dict[str, Any]) -> None:
        if event.get("arena_mode") and event.get("model_a") and event.get("model_b"):
            self.battle = event["battle_id"]
            self.names = [event["model_a"], event["model_b"]]
            self._typed = {"a": event["response_a"], "b": event["response_b"]}
            if any(self._typed.values()):
                self.texts = dict(self._typed)
            self.buttons = True
        elif event.get("delta"):
            self._typed[event["side"]] += event["delta"]
            self.texts[event["side"]] = self._typed[event["side"]]
        self.done = self.done or bool(event.get("done"))
