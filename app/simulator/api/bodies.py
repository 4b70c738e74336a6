"""The bodies of /api/chat and /api/generate, read as Ollama reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.simulator.engine.runner import RunnerOptions
from app.simulator.protocol.errors import ServerError
from app.simulator.protocol.gojson import Fields, GoJsonError, go_loads
from app.simulator.protocol.keepalive import DurationInvalid, keep_alive_seconds
from app.simulator.protocol.tools import Tool, read_tools

_LEVELS: Final = ("high", "medium", "low", "max")
_INTEGERS: Final = frozenset(
    [
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "draft_num_predict",
        "num_predict",
        "num_keep",
        "seed",
        "top_k",
        "repeat_last_n",
    ]
)
_FLOATS: Final = frozenset(
    ["temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty"]
)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message, its role in lower case."""

    role: str
    content: str
    images: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """What /api/chat and /api/generate have in common, and ``messages`` or ``prompt`` of the one or the other."""

    model: str
    stream: bool = True
    messages: tuple[ChatMessage, ...] = ()
    prompt: str = ""
    system: str = ""
    template: str = ""
    suffix: str = ""
    raw: bool = False
    images: int = 0
    json_format: bool = False
    keep_alive_s: float | None = None
    options: Mapping[str, object] | None = None
    think: bool | None = None
    tools: tuple[Tool, ...] = ()
    logprobs: bool = False
    top_logprobs: int = 0
    shift: bool = True
    context: bool = False


def read_body(body: bytes, struct: str) -> Body:
    """Read one; ``struct`` is ChatRequest or GenerateRequest. Raises ServerError(400) in Ollama's words."""
    if not body:
        raise ServerError(400, "missing request body")
    try:
        fields = Fields(go_loads(body), struct)
        made = _read(fields)
    except (GoJsonError, DurationInvalid) as error:
        raise ServerError(400, str(error)) from None
    if not 0 <= made.top_logprobs <= 20:
        raise ServerError(400, "top_logprobs must be between 0 and 20")
    return made


def _read(fields: Fields) -> Body:
    messages = fields.objects("messages", "api.Message")
    return Body(
        model=fields.text("model"),
        stream=fields.flag("stream", True),
        messages=tuple(_message(message) for message in messages),
        prompt=fields.text("prompt"),
        system=fields.text("system"),
        template=fields.text("template"),
        suffix=fields.text("suffix"),
        raw=fields.flag("raw", False),
        images=len(fields.texts("images")),
        json_format=_format(fields.raw("format")),
        keep_alive_s=keep_alive_seconds(fields.raw("keep_alive")),
        options=fields.mapping("options"),
        think=read_think(fields.raw("think")),
        tools=read_tools(fields.objects("tools", "api.Tool")),
        logprobs=fields.flag("logprobs", False),
        top_logprobs=fields.whole("top_logprobs", 0) or 0,
        shift=fields.flag("shift", True),
        context=bool(fields.raw("context")),
    )


def _message(fields: Fields) -> ChatMessage:
    return ChatMessage(fields.text("role").lower(), fields.text("content"), len(fields.texts("images")))


def _format(value: object) -> bool:
    if value is None or value == "":
        return False
    if value == "json" or isinstance(value, dict):
        return True
    raise GoJsonError(f'invalid format: {json.dumps(value)}; expected "json" or a valid JSON Schema object')


def read_think(value: object) -> bool | None:
    """``think``: true, false or a level; None when absent."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _LEVELS:
        return True
    if isinstance(value, str):
        raise GoJsonError(f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)')
    raise GoJsonError('think must be a boolean or string ("high", "medium", "low", "max", true, or false)')


@dataclass(frozen=True, slots=True)
class Options:
    """``options``: those that choose a runner, and those of sampling that change what the simulator does."""

    runner: RunnerOptions
    num_predict: int = -1
    seed: int | None = None
    temperature: float = 0.8
    stop: tuple[str, ...] = ()


def read_options(given: Mapping[str, object], *, shift: bool = True) -> Options:
    """Check their types as the server does (500, not 400); unknown ones are ignored."""
    known = {name: _checked(name, value) for name, value in given.items() if value is not None}

    def whole(name: str) -> int | None:
        value = known.get(name)
        return int(value) if isinstance(value, int | float) else None

    mmap, temperature, stop = known.get("use_mmap"), known.get("temperature"), known.get("stop")
    seed, num_predict = whole("seed"), whole("num_predict")
    return Options(
        RunnerOptions(
            num_ctx=whole("num_ctx") or None,
            num_batch=whole("num_batch"),
            num_gpu=whole("num_gpu"),
            main_gpu=whole("main_gpu"),
            use_mmap=mmap if isinstance(mmap, bool) else None,
            num_thread=whole("num_thread"),
            draft_num_predict=whole("draft_num_predict"),
            shift=shift,
        ),
        num_predict=-1 if num_predict is None else num_predict,
        seed=None if seed is None or seed < 0 else seed,
        temperature=float(temperature) if isinstance(temperature, int | float) else 0.8,
        stop=tuple(stop) if isinstance(stop, list) else (),
    )


def _checked(name: str, value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _INTEGERS and not is_number:
        raise ServerError(500, f'option "{name}" must be of type integer')
    if name in _FLOATS and not is_number:
        raise ServerError(500, f'option "{name}" must be of type float32')
    if name == "use_mmap" and not isinstance(value, bool):
        raise ServerError(500, f'option "{name}" must be of type boolean')
    if name == "stop":
        if not isinstance(value, list):
            raise ServerError(500, f'option "{name}" must be of type array')
        if not all(isinstance(item, str) for item in value):
            raise ServerError(500, f'option "{name}" must be of an array of strings')
    return value
