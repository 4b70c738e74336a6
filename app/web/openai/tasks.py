"""What chat UIs ask in the background: titles, tags, follow-up questions. They disturb no battle and load no model.

Open WebUI sends each as one user message that begins with ``### Task:``, never as a stream, to the model of the chat,
and reads the outermost ``{…}`` of the answer; an empty one makes it do without.
"""

from __future__ import annotations

import orjson

from app.web.openai.bodies import ChatRequest, Turn

_BEGINNING = "### Task:"
_EMPTY: tuple[tuple[str, object], ...] = (
    ("follow_ups", []),
    ("tags", []),
    ("title", ""),
    ("queries", []),
    ("text", ""),
)


def is_task(body: ChatRequest) -> bool:
    """Whether nobody waits for the answer in a chat."""
    return not body.stream and len(body.messages) == 1 and _text(body.messages[0]).startswith(_BEGINNING)


def empty_answer(body: ChatRequest) -> str:
    """The shortest answer that such a call can do without: its own field of JSON, empty."""
    asked = _text(body.messages[0])
    found = next(((name, nothing) for name, nothing in _EMPTY if f'"{name}"' in asked), None)
    return "" if found is None else orjson.dumps({found[0]: found[1]}).decode()


def _text(turn: Turn) -> str:
    if isinstance(turn.content, str):
        return turn.content.lstrip()
    return "".join(part.text or "" for part in turn.content or ()).lstrip()
