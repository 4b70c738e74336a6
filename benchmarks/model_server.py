"""A model server that costs next to nothing: Ollama's wire, tokens on a clock, for measuring what is in front of it.

Every chat answers its first token after ``--ttft`` seconds and then one token each ``1 / --rate`` seconds, one line
and one TCP write per token, as Ollama does. It is no simulator: all models are loaded and nothing ever waits.
``/written`` counts the tokens of all chats so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any

MODELS = ("llama3.1:8b", "mistral:7b")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"

_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _row(model: str) -> dict[str, object]:
    size = {"size": 5_000_000_000, "size_vram": 5_000_000_000, "context_length": 4096}
    return {"name": model, "model": model, "digest": model, "details": {"family": "llama"}, **size}


def _line(model: str, text: str, **more: object) -> bytes:
    message = {"role": "assistant", "content": text}
    chunk = {"model": model, "created_at": "2026-11-21T02:39:00.123456789Z", "message": message, "done": False, **more}
    data = json.dumps(chunk, separators=(",", ":")).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


class Connection(asyncio.Protocol):
    """One client; requests come one after the other."""

    written = 0
    """Tokens that all connections have sent."""

    def __init__(self, ttft_s: float, rate: float, tokens: int, models: Sequence[str] = MODELS) -> None:
        self._ttft_s, self._gap_s, self._tokens, self._models = ttft_s, 1 / rate, tokens, models
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """Stop writing."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        rows = head.lower().split(b"\r\n")
        length = next((int(row.split(b":")[1]) for row in rows if row.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._answer(head.split(b" ")[1], json.loads(rest[:length]) if length else {})

    def _answer(self, path: bytes, body: dict[str, Any]) -> None:
        if path == b"/api/chat" and body.get("messages"):
            self._stream(body["model"])
            return
        rows = [_row(model) for model in self._models]
        plain: dict[bytes, dict[str, object]]
        plain = {b"/api/tags": {"models": rows}, b"/api/ps": {"models": rows}, b"/api/version": {"version": "0.33.3"}}
        plain[b"/written"] = {"tokens": Connection.written}
        loaded = {"model": body.get("model", ""), "message": {"role": "assistant", "content": ""}, "done": True}
        data = json.dumps(plain.get(path, loaded | {"done_reason": "load"})).encode()
        self._transport.write(_JSON_HEAD % len(data) + data)

    def _stream(self, model: str) -> None:
        loop = asyncio.get_running_loop()
        token = _line(model, " token")
        start = loop.time() + self._ttft_s
        left = self._tokens

        def write() -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                Connection.written += 1
                first = _HEAD if left == self._tokens - 1 else b""
                self._transport.write(first + token)
                self._timer = loop.call_at(start + (self._tokens - left) * self._gap_s, write)
            else:
                end = _line(model, "", done=True, done_reason="stop", total_duration=1, eval_count=self._tokens,
                            eval_duration=int(self._tokens * self._gap_s * 1e9))  # fmt: skip
                self._transport.write(end + b"0\r\n\r\n")

        self._timer = loop.call_at(start, write)


async def serve(port: int, ttft_s: float, rate: float, tokens: int, models: Sequence[str]) -> None:
    """Serve on loopback; print the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(ttft_s, rate, tokens, models), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft", type=float, default=0.1)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--tokens", type=int, default=500)
    parser.add_argument("--models", nargs="+", default=MODELS)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.ttft, given.rate, given.tokens, given.models))
