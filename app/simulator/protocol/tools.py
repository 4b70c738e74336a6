"""Tool calls: a model that knows tools answers a user who offers some by calling the first, with made-up arguments."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.simulator.protocol.gojson import Fields


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that is offered; ``properties`` are the JSON schemas of its arguments."""

    name: str
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """A function that is called."""

    id: str
    name: str
    arguments: Mapping[str, object]

    def native(self) -> dict[str, object]:
        """As /api/chat writes it: arguments are an object."""
        return {"id": self.id, "function": {"index": 0, "name": self.name, "arguments": dict(self.arguments)}}


def read_tools(offered: Sequence[Fields]) -> tuple[Tool, ...]:
    """The tools of a request; what is no schema is taken as one without arguments."""
    return tuple(_tool(item.mapping("function")) for item in offered)


def _tool(function: Mapping[str, object]) -> Tool:
    name, parameters = function.get("name"), function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    return Tool(name if isinstance(name, str) else "", properties if isinstance(properties, dict) else {})


def call(tools: Sequence[Tool], question: str) -> SimulatedCall:
    """A call of the first one; the same question gives the same call."""
    number = zlib.crc32(question.encode())
    topic = next((word for word in question.split() if len(word) > 3), "this").strip(".,?!")
    arguments = {name: _argument(schema, topic, number) for name, schema in tools[0].properties.items()}
    return SimulatedCall(f"call_{number:08x}", tools[0].name, arguments)


def _argument(schema: object, topic: str, number: int) -> object:
    if not isinstance(schema, dict):
        return topic
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[number % len(choices)]
    made: dict[str, object] = {
        "integer": number % 10,
        "number": number % 100 / 10,
        "boolean": bool(number % 2),
        "array": [topic],
        "object": {},
    }
    return made.get(str(schema.get("type")), topic)
