"""Every recorded exchange with a real server, sent to the simulated one: the same statuses, headers, texts, shapes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.simulator.raw import Reply, call

RECORDED = json.loads((Path(__file__).parents[1] / "data/ollama-recordings/wire.json").read_text())
MODELS = ("llama3.1:8b=4.9", "mistral:7b=4.4", "qwen3:8b=5.2", "gemma2:9b=5.4")
SHORTENED = re.compile(r"^(\w+ ).*… \((\d+) characters\)$")

OPEN_KEYS = {"model_info", "tensors"}
"""Objects whose members are those of a model's file; what they must have has a test of its own."""
FREE_TEXTS = {
    "content", "response", "modelfile", "parameters", "template", "parameter_size", "quantization_level", "family",
    "families", "token", "id",
}  # fmt: skip
"""Texts that may differ, but not whether they are empty."""
FREE_NUMBERS = {"context", "bytes"}
"""Lists that may differ in their length."""
UNORDERED = {"models", "data"}
TIMES = {"created_at", "modified_at", "expires_at"}


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    config = SimulatorConfig(card="cpu", models=MODELS, speed=20, tokens_per_s=500, load_s=0.25, version="0.0.0")
    async with running_simulator(config) as running:
        await call(running.port, "POST", "/api/chat", {"model": "llama3.1:8b", "options": {"num_ctx": 2048}})
        yield running


def body_of(request: dict[str, Any]) -> object:
    """The recorded body; texts that were shortened in the recording are made long again."""
    if "raw_body" in request:
        return request["raw_body"].encode()
    body = request.get("body")
    for message in (body or {}).get("messages", []):
        if found := SHORTENED.match(str(message.get("content"))):
            word, length = found.group(1), int(found.group(2))
            message["content"] = (word * length)[:length]
    return body


def shape(value: object, key: str = "") -> object:
    """A value without what may differ: texts of models, times, sizes, counts, durations, digests."""
    if key in OPEN_KEYS:
        return f"<{key}>"
    if isinstance(value, dict):
        return {name: shape(item, name) for name, item in value.items() if name != "license"}
    if isinstance(value, list):
        items = [shape(item, key) for item in value]
        if key in FREE_NUMBERS:
            return distinct(items)
        return sorted(items, key=json.dumps) if key in UNORDERED else items
    if isinstance(value, str):
        return text_shape(value, key)
    if value is None or isinstance(value, bool) or value == 0:
        return value
    return f"<{type(value).__name__}>"


def text_shape(text: str, key: str) -> str:
    if key in TIMES:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z", text), text
        return "<time>"
    if key in FREE_TEXTS and text:
        return "chatcmpl-#" if re.fullmatch(r"chatcmpl-\d{1,3}", text) else f"<{key}>"
    text = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", text)
    return re.sub(r'(request \(|"n_prompt_tokens":)\d+', r"\1#", text) if key == "error" else text


def texts_of(pieces: list[str]) -> list[str]:
    """Pieces of NDJSON, SSE or JSON as shapes with their members in order; what is none of these stays as it is."""
    found: list[str] = []
    for text in "".join(pieces).splitlines():
        payload = text.removeprefix("data: ")
        try:
            found.append(text[: len(text) - len(payload)] + json.dumps(shape(json.loads(payload))))
        except ValueError:
            found.append(text)
    return [item for item in found if item]


def distinct(shapes: list[Any]) -> list[Any]:
    return [item for place, item in enumerate(shapes) if item not in shapes[:place]]


def check_headers(reply: Reply, recorded: dict[str, Any]) -> None:
    wanted = dict(recorded["headers"])
    got = {name: value for name, value in reply.headers.items() if name not in ("Date", "X-Simulated")}
    assert reply.headers["X-Simulated"]
    text = "".join(text for _, text in recorded["chunks"])
    varies = bool(text) and reply.status == 200 and reply.body.decode() != text
    edited = bool(text) and wanted.get("Content-Length") not in (None, str(len(text.encode())))
    whole = wanted["Content-Type"].startswith("application/json") if "Content-Type" in wanted else False
    if whole and (varies or edited):
        # another text has another length, maybe on the other side of the 2048 bytes that are buffered
        for headers in (wanted, got):
            framing = {name: headers.pop(name) for name in ("Content-Length", "Transfer-Encoding") if name in headers}
        length = len(reply.body)
        assert framing == ({"Transfer-Encoding": "chunked"} if length > 2048 else {"Content-Length": str(length)})
    assert got == wanted


def check_body(reply: Reply, recorded: dict[str, Any]) -> None:
    texts = [text for _, text in recorded["chunks"]]
    cut = any("more chunks …" in text for text in texts)
    texts = [text for text in texts if "more chunks …" not in text]
    if texts and texts[-1].endswith("…"):
        check_beginning(reply.body.decode(), texts[0])
        return
    wanted, got = texts_of(texts), texts_of([chunk.decode() for chunk in reply.chunks])
    assert got[-1:] == wanted[-1:]
    assert reply.body.endswith(b"\n") is "".join(texts).endswith("\n")
    if len(texts) > 1:
        assert distinct(got) == distinct(wanted)
    if not cut and len(texts) > 1 and ("length" in texts[-1] or "[DONE]" in texts[-1]):
        assert [chunk.count(b"\n") for chunk in reply.chunks] == [text.count("\n") for text in texts]
    if recorded["headers"].get("Content-Type") == "application/x-ndjson":
        assert all(chunk.endswith(b"\n") and chunk.count(b"\n") == 1 for chunk in reply.chunks)


def check_beginning(body: str, recorded: str) -> None:
    """Of a recording that was cut: the members that it still shows, in their order."""
    members = re.findall(r'[{,]"(\w+)":', recorded)
    assert re.findall(r'[{,]"(\w+)":', body)[: len(members)] == members


async def test_every_recorded_exchange_gives_the_same_status_headers_texts_and_shapes(sim: RunningSimulator) -> None:
    wrong = []
    for exchange in RECORDED:
        request, recorded = exchange["request"], exchange["response"]
        reply = await call(sim.port, request["method"], request["path"], body_of(request), request.get("headers"))
        try:
            assert reply.status == recorded["status"]
            check_headers(reply, recorded)
            check_body(reply, recorded)
        except AssertionError as error:
            wrong.append(f"{exchange['name']}: {error}\n  got {reply.body[:300]!r}")
    assert not wrong, "\n".join(wrong)


async def test_ps_lists_what_the_real_server_listed_in_its_order(sim: RunningSimulator) -> None:
    for exchange in RECORDED:
        request, recorded = exchange["request"], exchange["response"]
        reply = await call(sim.port, request["method"], request["path"], body_of(request), request.get("headers"))
        if request["path"] == "/api/ps":
            listed = [(e["name"], e["context_length"], e["size_vram"]) for e in json.loads(reply.body)["models"]]
            wanted = json.loads(recorded["chunks"][0][1])["models"]
            assert listed == [(e["name"], e["context_length"], e["size_vram"]) for e in wanted], exchange["name"]


def same_type(one: object, other: object) -> bool:
    return type(one) is type(other) or one is None or other is None


async def test_show_tells_of_a_model_whatever_the_real_server_told(sim: RunningSimulator) -> None:
    (recorded,) = (json.loads(e["response"]["chunks"][0][1]) for e in RECORDED if e["name"] == "show")
    shown = json.loads((await call(sim.port, "POST", "/api/show", {"model": "llama3.1:8b"})).body)
    info = shown["model_info"]
    assert set(recorded["model_info"]) <= set(info)
    assert all(same_type(value, info[name]) for name, value in recorded["model_info"].items())
    assert list(info) == sorted(info)
    assert {tensor["name"] for tensor in recorded["tensors"]} <= {tensor["name"] for tensor in shown["tensors"]}
    assert all(list(tensor) == ["name", "type", "shape"] for tensor in shown["tensors"])
