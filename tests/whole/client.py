"""A user of the arena, for tests: the native verbs, and a reader of server-sent events that keeps every byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx

from app.battle.events import Event, Snapshot, fold
from tests.documented import check_answer, check_event
from tests.helpers import PATIENCE_S

BATTLES = "/api/arena/battles"
LIMIT_S = PATIENCE_S


@dataclass(frozen=True)
class Sse:
    """One event as it came."""

    id: str
    event: str
    data: dict[str, Any]


Until = Callable[[Sse], bool]


@dataclass
class Watched:
    """What a viewer got: status, headers, all bytes, and the events and comments in them."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    raw: bytes = b""
    events: list[Sse] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    retries: list[bytes] = field(default_factory=list)
    closed: bool = False

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    def named(self, name: str) -> list[Sse]:
        return [event for event in self.events if event.event == name]

    def take(self, frame: bytes) -> Sse | None:
        """Read one frame; None for a comment or a ``retry``."""
        fields: dict[bytes, bytes] = {}
        for line in frame.split(b"\n"):
            name, _, value = line.partition(b":")
            if name:
                assert name not in fields, frame
                fields[name] = value.removeprefix(b" ")
            else:
                self.comments.append(value)
        if b"retry" in fields:
            self.retries.append(fields[b"retry"])
        if b"data" not in fields:
            return None
        check_event(fields[b"event"].decode(), fields[b"data"])
        event = Sse(fields[b"id"].decode(), fields[b"event"].decode(), json.loads(fields[b"data"]))
        self.events.append(event)
        return event


#: The tokens of the battles that were opened here, as a browser keeps its cookies.
TOKENS: dict[str, str] = {}
#: That of the deployments of ``tests.whole.harness``.
ADMIN_KEY = "the-admins-own-key"


async def keep_token(reply: httpx.Response) -> None:
    """Keep the token of a battle that was opened."""
    if reply.status_code == 201 and reply.request.url.path == BATTLES:
        await reply.aread()
        opened = reply.json()
        TOKENS[opened["battle_id"]] = opened["token"]


async def show_token(request: httpx.Request) -> None:
    """Send the token of the battle that is meant by the address or, in older calls, by the body."""
    path = request.url.path
    battle = path.removeprefix(f"{BATTLES}/").split("/")[0] if path.startswith(f"{BATTLES}/") else None
    if battle is None and request.method == "POST":
        with suppress(ValueError, AttributeError, RecursionError, httpx.RequestNotRead):
            battle = json.loads(request.content).get("battle_id")
    if isinstance(battle, str) and battle in TOKENS:
        request.headers.setdefault("X-Battle-Token", TOKENS[battle])
    elif path.startswith(f"{BATTLES}/") and request.method != "GET":
        request.headers.setdefault("X-Admin-Key", ADMIN_KEY)  # nobody has the token of what an older call opened


def client(**more: Any) -> httpx.AsyncClient:
    """A client that asks nobody but loopback, with a limit on every wait."""
    hooks: dict[str, list[Callable[..., Any]]] = {"request": [show_token], "response": [keep_token]}
    return bare_client(event_hooks=hooks, **more)


def bare_client(**more: Any) -> httpx.AsyncClient:
    """A client of loopback that keeps no tokens; it loads no certificates, which takes 20 ms for each client."""
    return httpx.AsyncClient(timeout=httpx.Timeout(LIMIT_S), trust_env=False, verify=False, **more)


async def call(method: str, url: str, **more: Any) -> httpx.Response:
    async with client() as http:
        reply = await http.request(method, url, **more)
    check_answer(reply)
    return reply


async def post(url: str, body: object = None, **more: Any) -> httpx.Response:
    return await call("POST", url, json=body, **more)


async def watch(
    url: str,
    battle: str,
    *,
    after: str | None = None,
    last_event_id: str | None = None,
    until: Until | None = None,
    limit_s: float = LIMIT_S,
    into: Watched | None = None,
) -> Watched:
    """Read a battle's events until ``until`` is true of one, or to the end of the stream."""
    watched = Watched() if into is None else into
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    query = {} if after is None else {"after": after}
    async with asyncio.timeout(limit_s), client() as http:
        address = f"{url}{BATTLES}/{battle}/events"
        async with http.stream("GET", address, params=query, headers=headers) as response:
            await read_stream(response, watched, until)
    return watched


async def read_stream(response: httpx.Response, watched: Watched, until: Until | None = None) -> None:
    """Read events from an open response into ``watched``."""
    watched.status, watched.headers = response.status_code, response.headers
    left = b""
    async for chunk in response.aiter_raw():
        watched.raw += chunk
        *frames, left = (left + chunk).split(b"\n\n")
        for frame in frames:
            event = watched.take(frame)
            if event is not None and until is not None and until(event):
                return
    assert left == b"", left
    watched.closed = True


@asynccontextmanager
async def watching(url: str, battle: str, **more: Any) -> AsyncIterator[tuple[Watched, asyncio.Task[Watched]]]:
    """Watch in the background; the task is cancelled at the end of the block if it still reads."""
    watched = Watched()
    task = asyncio.create_task(watch(url, battle, into=watched, **more), name="viewer")
    try:
        yield watched, task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def open_battle(url: str, message: str = "Why do rivers bend?", **more: Any) -> dict[str, Any]:
    reply = await post(f"{url}{BATTLES}", {"message": message, **more})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def snapshot(url: str, battle: str) -> dict[str, Any]:
    reply = await call("GET", f"{url}{BATTLES}/{battle}")
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def until_snapshot(
    url: str, battle: str, true: Callable[[dict[str, Any]], bool], limit_s: float = LIMIT_S
) -> dict[str, Any]:
    """Poll the snapshot until ``true`` of it."""
    deadline = monotonic() + limit_s
    while not true(now := await snapshot(url, battle)):
        assert monotonic() < deadline, now
        await asyncio.sleep(0.03)
    return now


async def until_ready(
    url: str, battle: str, round_number: int | None = None, limit_s: float = LIMIT_S
) -> dict[str, Any]:
    """The snapshot in which the round can be judged, or in which the battle has ended."""

    def ready(now: dict[str, Any]) -> bool:
        in_round = round_number in (None, now["round"])
        return now["status"] != "running" or (now["can_vote"] and in_round)

    return await until_snapshot(url, battle, ready, limit_s)


async def vote(url: str, battle: str, round_number: int, verdict: str, **more: Any) -> httpx.Response:
    return await post(f"{url}{BATTLES}/{battle}/votes", {"round": round_number, "verdict": verdict}, **more)


async def play(url: str, battle: str, verdicts: Iterable[str], limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Judge every round until the battle ends; returns the last snapshot."""
    for verdict in verdicts:
        now = await until_ready(url, battle, limit_s=limit_s)
        if now["status"] != "running":
            return dict(now)
        reply = await vote(url, battle, now["round"], verdict)
        assert reply.status_code == 200, reply.text
    return dict(await until_ready(url, battle, limit_s=limit_s))


def folded(start: dict[str, Any], events: Iterable[Sse]) -> dict[str, Any]:
    """The events applied to a snapshot, as JSON."""
    state = Snapshot.from_dict(start)
    for event in events:
        state = fold(state, Event(event.event, event.data), event.id)
    return state.to_dict()


def text_of(events: Iterable[Sse], side: str, round_number: int) -> str:
    """The text of a side as its deltas and resets tell it."""
    text = ""
    for event in events:
        if event.event == "round" and event.data["round"] == round_number:
            text = ""
        if event.data.get("side") == side and event.data.get("round") == round_number:
            if event.event == "reset":
                text = ""
            if event.event == "delta":
                text += event.data["text"]
    return text


def check_refusal(reply: httpx.Response, status: int) -> dict[str, Any]:
    """An error as every error is: a sentence, a code, and never FastAPI's own shape."""
    assert reply.status_code == status, (reply.status_code, reply.text[:300])
    body = reply.json()
    assert {"error", "code"} <= body.keys() <= {"error", "code", "field", "vote"}, body
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["code"] == body["code"].lower().replace(" ", "_")
    assert "Traceback" not in reply.text
    assert reply.headers["content-type"] == "application/json"
    return dict(body)
