"""A server of chat completions for tests: it answers as the kind that it is told to be, with that kind's faults.

What it says is written from exchanges with a real llama-server, alone and as a router (tests/data/openai-recordings;
test_openai_recordings.py compares them), and where there are none (vLLM, llama-swap, SGLang, LM Studio) from notes of
runs, their sources or documentation; docs/backends.md says which. What a vLLM answers is compared as well
(test_vllm_recording.py).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.backends.chat_frames import DONE, OVERLOADED, ROUTER_DIED, finish, frame, piece, usage
from tests.backends.wire_server import Connection, playing

_OWNERS = {
    "vllm": "vllm",
    "vllm-sleep": "vllm",
    "sglang": "sglang",
    "llama-server": "llamacpp",
    "llama-router": "llamacpp",
    "llama-swap": "llama-swap",
    "lm-studio": "organization_owner",
    "lm-studio-rest": "organization_owner",
    "openai": "system",
}
_NOT_FOUND = ("404 Not Found", {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})


@dataclass
class ChatDouble:
    """One server of ``kind``. ``fault`` is what its answers do wrong, ``load_polls`` a load's length in questions.

    ``sleeping`` is a vLLM that was put to sleep, ``sleep_level`` how; ``instances`` are LM Studio's, with their models.
    ``key`` is demanded as a bearer token. ``asked`` are the paths so far.
    """

    kind: str
    models: tuple[str, ...] = ("m",)
    slots: int = 2
    loaded: set[str] = field(default_factory=set)
    most: int = 1
    load_polls: int = 0
    fails_to_load: frozenset[str] = frozenset()
    failed: set[str] = field(default_factory=set)
    loading: dict[str, int] = field(default_factory=dict)
    sleeping: bool | None = None
    sleep_level: int = 0
    instances: dict[str, str] = field(default_factory=dict)
    key: str = ""
    fault: str = ""
    text: tuple[str, ...] = ("Hel", "lo", " wörld")
    running: int = 0
    most_running: int = 0
    hold: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        if self.kind == "vllm-sleep" and self.sleeping is None:
            self.sleeping = False

    @property
    def managed(self) -> bool:
        """Whether it loads and unloads."""
        return self.kind in ("llama-router", "llama-swap", "vllm-sleep", "lm-studio-rest")

    async def __call__(self, connection: Connection) -> None:
        method, path = connection.head.split(" ")[:2]
        self.asked.append(f"{method} {path}")
        if self.key and f"authorization: bearer {self.key}" not in connection.head.lower():
            await _reply(connection, "401 Unauthorized", {"error": "Unauthorized"})
        elif path.endswith("/chat/completions"):
            await self._chat(connection)
        else:
            whole = urlsplit(path)
            await _reply(connection, *self._answer(method, whole.path, whole.query, connection.body))

    def _answer(self, method: str, path: str, query: str, body: dict[str, object]) -> tuple[str, object]:
        answers: dict[str, object] = {"/v1/models": self._models()}
        if self.kind in ("vllm", "vllm-sleep"):
            answers |= {
                "/health": "",
                "/version": {"version": "0.33.0"},
                "/metrics": self._metrics(),
            }
            answers |= {} if self.sleeping is None else {"/is_sleeping": {"is_sleeping": self.sleeping}}
        elif self.kind in ("llama-server", "llama-router"):
            answers |= {"/health": {"status": "ok"}, "/props": self._props(query)}
        elif self.kind == "sglang":
            answers |= {"/ready": "", "/server_info": {"version": "0.5.23"}}
        elif self.kind in ("lm-studio", "lm-studio-rest"):
            answers["/api/v0/models"] = {"data": [_of_lm_studio(name) for name in self.models]}
            if self.kind == "lm-studio-rest":
                answers["/api/v1/models"] = {"models": [self._of_the_rest_api(name) for name in self.models]}
        elif self.kind == "llama-swap":
            running = [{"model": name, "state": "ready"} for name in sorted(self.loaded)]
            answers |= {"/health": "OK", "/running": {"running": running}, "/api/version": {"version": "v1"}}
        if path in answers:
            return "200 OK", answers[path]
        if self.kind == "vllm-sleep":
            return self._put_to_sleep(method, path, query)
        if self.kind == "lm-studio-rest":
            return self._instance(path, body)
        return self._order(method, path, body) if self.managed else _NOT_FOUND

    def _put_to_sleep(self, method: str, path: str, query: str) -> tuple[str, object]:
        if method != "POST" or path not in ("/sleep", "/wake_up"):
            return _NOT_FOUND
        self.sleeping, self.sleep_level = path == "/sleep", 2 if "level=2" in query else 1
        woken = {"status": "awake", "tags": None}
        return "200 OK", {"status": "sleeping", "level": self.sleep_level} if self.sleeping else woken

    def _of_the_rest_api(self, name: str) -> dict[str, object]:
        there = [{"id": one, "config": {"context_length": 4096}} for one, of in self.instances.items() if of == name]
        return {
            "type": "embedding" if "embed" in name else "llm",
            "key": name,
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "size_bytes": 1_000_000,
            "max_context_length": 8192,
            "capabilities": {"vision": False, "trained_for_tool_use": True},
            "loaded_instances": there,
        }

    def _instance(self, path: str, body: dict[str, object]) -> tuple[str, object]:
        name, instance = str(body.get("model", "")), str(body.get("instance_id", ""))
        if path == "/api/v1/models/load" and name in self.models:
            if name in self.fails_to_load:
                error = {"type": "model_load_failed", "message": "not enough memory"}
                return "500 Internal Server Error", {"error": error}
            made = name if name not in self.instances else f"{name}:{len(self.instances) + 1}"
            self.bodies.append(body)
            self.instances[made] = name
            done = {"type": "llm", "instance_id": made, "load_time_seconds": 0.1, "status": "loaded"}
            return "200 OK", done
        if path == "/api/v1/models/unload" and instance in self.instances:
            del self.instances[instance]
            return "200 OK", {"instance_id": instance}
        return _NOT_FOUND

    def _order(self, method: str, path: str, body: dict[str, object]) -> tuple[str, object]:
        name = str(body.get("model", ""))
        if path == "/models/load":
            return self._begin_load(name)
        if path == "/models/unload":
            if name not in self.loaded:
                return "400 Bad Request", {"error": {"message": "model is not running", "code": 400}}
            self.loaded.discard(name)
            return "200 OK", {"success": True}
        if path.startswith("/upstream/"):
            return self._started(unquote(path.split("/")[2]))
        if path.startswith("/api/models/unload/") and method == "POST":
            self.loaded.discard(unquote(path.rpartition("/")[2]))
            return "200 OK", "OK"
        return _NOT_FOUND

    def _begin_load(self, name: str) -> tuple[str, object]:
        if name not in self.models:
            return "404 Not Found", {"error": {"message": f"model '{name}' not found", "type": "not_found_error"}}
        if name in self.loaded:
            return "400 Bad Request", {"error": {"message": "model is already running", "code": 400}}
        self.failed.discard(name)
        self.loading[name] = self.load_polls
        return "200 OK", {"success": True}

    def _started(self, name: str) -> tuple[str, object]:
        if name not in self.models:
            return "404 Not Found", {"src": "llama-swap", "error": "could not find suitable handler"}
        if name in self.fails_to_load:
            return "500 Server Error", {"src": "llama-swap", "error": "upstream command exited prematurely"}
        self._hold_in_memory(name)
        return "200 OK", {"data": []}

    def _hold_in_memory(self, name: str) -> None:
        while len(self.loaded) >= self.most and name not in self.loaded:
            self.loaded.pop()
        self.loaded.add(name)

    def _models(self) -> dict[str, object]:
        for name in list(self.loading):
            self.loading[name] -= 1
            if self.loading[name] < 0:
                del self.loading[name]
                if name in self.fails_to_load:
                    self.failed.add(name)
                else:
                    self._hold_in_memory(name)
        return {"object": "list", "data": [self._row(name) for name in self.models]}

    def _row(self, name: str) -> dict[str, object]:
        row: dict[str, object] = {"id": name, "object": "model", "owned_by": _OWNERS[self.kind]}
        if self.kind == "llama-router":
            value = "loaded" if name in self.loaded else "loading" if name in self.loading else "unloaded"
            failed = {"failed": True, "exit_code": 1} if name in self.failed else {}
            row["status"] = {"value": value, "args": [], **failed}
        if self.kind in ("vllm", "vllm-sleep"):
            row |= {"root": f"org/{name}", "max_model_len": 4096}
        return row

    def _props(self, query: str) -> dict[str, object]:
        if self.kind == "llama-router" and "model=" not in query:
            settings = {"params": None, "n_ctx": 0}
            return {
                "role": "router",
                "max_instances": self.most,
                "default_generation_settings": settings,
                "build_info": "b1-x",
            }
        return {"total_slots": self.slots, "default_generation_settings": {"n_ctx": 512}, "build_info": "b1-x"}

    def _metrics(self) -> str:
        name, gone = "vllm:num_requests", float(bool(self.sleeping) and self.sleep_level == 2)
        return (
            f'# TYPE x gauge\n{name}_running{{engine="0"}} {self.running}.0\n{name}_waiting{{engine="0"}} 0.0\n'
            f'vllm:engine_sleep_state{{engine="0",sleep_state="discard_all"}} {gone}\n'
        )

    async def _chat(self, connection: Connection) -> None:
        self.bodies.append(connection.body)
        if self.sleeping:  # nothing comes until somebody wakes it
            await connection.left.wait()
            return
        if not connection.body.get("stream"):
            whole = {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(self.text)},
                "finish_reason": "stop",
            }
            await _reply(connection, "200 OK", {"object": "chat.completion", "choices": [whole]})
            return
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self._stream(connection)
        finally:
            self.running -= 1

    async def _stream(self, connection: Connection) -> None:
        if self.kind == "lm-studio-rest" and connection.body.get("model") not in self.instances.values():
            self.instances[str(connection.body.get("model"))] = str(connection.body.get("model"))
        if self.kind in ("llama-router", "llama-swap"):
            self._hold_in_memory(str(connection.body.get("model", "")))
        await connection.ok("Content-Type: text/event-stream\r\n")
        if self.hold is not None:
            await self.hold.wait()
        for part in self._parts(counted="stream_options" in connection.body):
            await connection.chunk(part)
        await connection.raw(b"0\r\n\r\n")

    def _parts(self, *, counted: bool) -> list[bytes]:
        role, pieces = piece(None, role="assistant"), [piece(text) for text in self.text]
        if self.kind == "llama-swap":
            role = frame({"choices": [{"delta": {"reasoning_content": "loading model..."}}]}) + role
        counts = [usage(9, len(self.text))] if counted else []
        whole = [role, *pieces, finish(), *counts, DONE]
        faults = {
            "error first": [role, OVERLOADED, DONE],
            "bare line": [role, pieces[0], ROUTER_DIED],
            "comments": [part for one in whole for part in (b": ping\n\n", one)],
            "no usage": [role, *pieces, finish(), DONE],
            "no done": whole[:-1],
            "no reason": [role, *pieces, DONE],
        }
        return faults.get(self.fault, whole)


def _of_lm_studio(name: str) -> dict[str, object]:
    kind = "embeddings" if "embed" in name else "llm"
    return {"id": name, "type": kind, "state": "not-loaded", "quantization": "Q4_K_M", "max_context_length": 8192}


async def _reply(connection: Connection, status: str, body: object) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    await connection.plain(status, data, "Connection: close\r\n")


@asynccontextmanager
async def chat_double(kind: str, **given: object) -> AsyncIterator[ChatDouble]:
    """A running double."""
    double = ChatDouble(kind, **given)  # type: ignore[arg-type]
    async with playing(double) as wire:
        double.url = wire.url
        yield double
