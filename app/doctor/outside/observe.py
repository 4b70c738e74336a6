"""Asks a deployment through whatever stands in front of it, see ``app.web.ops.trial``; nothing is changed there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.doctor.outside.seen import OutsideView, Silence, Stream
from app.errors import ConfigurationError, InvalidInput

SILENCES_S = (30, 60, 120, 180)
SILENT_S = 25.0
SENT = {
    "X-Session-ID": "doctor",
    "Last-Event-ID": "doctor-1",
    "Idempotency-Key": "doctor",
    "X-Battle-Token": "doctor",
    "Cookie": "arena_battle_token=doctor",
}
"""What the page and its clients send, and what must arrive."""

CONNECT_S = 10.0
BUSY_S = 5.0
BUSY_TIMES = 6
SPARE_S = 15.0


async def observe_deployment(
    url: str, key: str, longest_s: int = 180, silent_s: float = SILENT_S, *, verify: bool = True
) -> OutsideView:
    """See how ``url`` behaves; at most two slow calls are under way at once.

    Raises:
        InvalidInput: it is no http address.
        ConfigurationError: there is no admin key to ask with.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InvalidInput(f"--url: {url!r} is no address; write https://arena.example.org")
    if not key:
        raise ConfigurationError("ARENA_ADMIN_KEY is not set: the deployment's slow answers are for its operators only")
    async with _client(url, key, verify) as client:
        refused = await _refused(client)
        if refused:
            return OutsideView(refused=refused)
        ids, arrived, headers = await _twice(client)
        stream = await _stream(client, silent_s)
        silences = await _silences(client, [one for one in SILENCES_S if one <= longest_s] or [longest_s])
    return OutsideView("", stream, silences, tuple(SENT), arrived, ids, headers)


@asynccontextmanager
async def _client(url: str, key: str, verify: bool) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{url.rstrip('/')}/api/arena/trial",
        headers={"X-Admin-Key": key, "Accept-Encoding": "gzip"},
        timeout=httpx.Timeout(SPARE_S, connect=CONNECT_S),
        trust_env=False,
        verify=verify,
    ) as client:
        yield client


async def _refused(client: httpx.AsyncClient) -> str:
    """Why nothing can be asked there; empty when it can."""
    try:
        reply = await client.get("/wait")
    except httpx.HTTPError as error:
        return f"nothing can be asked there: {type(error).__name__} {error}".strip()
    if reply.status_code == 403:
        return "the deployment refuses this ARENA_ADMIN_KEY, or the header X-Admin-Key gets lost on the way"
    if reply.status_code != 200 or "id" not in _json(reply):
        return f"there is no arena of this version: status {reply.status_code}"
    return ""


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _twice(client: httpx.AsyncClient) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """The same GET twice: the ids that came back, the headers that arrived there, and those that came back."""
    replies = [await client.get("/wait", headers=SENT) for _ in range(2)]
    bodies = [_json(reply) for reply in replies]
    arrived = tuple(map(str, bodies[-1].get("headers", ())))
    return tuple(str(body.get("id")) for body in bodies), arrived, dict(replies[-1].headers)


async def _stream(client: httpx.AsyncClient, silent_s: float) -> Stream:
    arrived: list[float] = []
    heartbeats, began, headers = 0, monotonic(), dict[str, str]()
    limit = httpx.Timeout(silent_s + SPARE_S, connect=CONNECT_S)
    query = {"events": 20, "silent": silent_s}
    try:
        async with client.stream("GET", "/stream", params=query, timeout=limit) as reply:
            headers = dict(reply.headers)
            async for line in reply.aiter_lines():
                if line == "event: trial":
                    arrived.append(monotonic() - began)
                heartbeats += line.startswith(":")
                if line == "event: end":
                    return Stream(tuple(arrived), headers, silent_s, heartbeats)
    except httpx.HTTPError as error:
        return Stream(tuple(arrived), headers, silent_s, heartbeats, type(error).__name__)
    return Stream(tuple(arrived), headers, silent_s, heartbeats, f"it ended early, after {monotonic() - began:.0f} s")


async def _silences(client: httpx.AsyncClient, seconds: list[int]) -> tuple[Silence, ...]:
    """All silences, two at once, the longest first."""
    turns = asyncio.Semaphore(2)

    async def one(silent: int) -> Silence:
        async with turns:
            return await _silence(client, silent)

    found = await asyncio.gather(*(one(silent) for silent in sorted(seconds, reverse=True)))
    return tuple(reversed(found))


async def _silence(client: httpx.AsyncClient, seconds: int) -> Silence:
    """One silence; asked again where it was refused at once, for no silence was cut then.

    Both slow answers may be taken (429), or a proxy may have taken the arena for dead after it cut a longer one (502).
    """
    for _ in range(BUSY_TIMES):
        seen = await _asked(client, seconds)
        if seen.status == 200 or seen.after_s > min(BUSY_S, seconds / 2):
            return seen
        await asyncio.sleep(BUSY_S)
    return seen


async def _asked(client: httpx.AsyncClient, seconds: int) -> Silence:
    nonce, began = secrets.token_hex(16), monotonic()
    limit = httpx.Timeout(seconds + SPARE_S, connect=CONNECT_S)
    try:
        reply = await client.get("/wait", params={"seconds": seconds, "nonce": nonce}, timeout=limit)
        status = reply.status_code
    except httpx.HTTPError:
        status = 0
    after_s = monotonic() - began
    return Silence(seconds, status, after_s, await _arrivals(client, nonce))


async def _arrivals(client: httpx.AsyncClient, nonce: str) -> int | None:
    for pause_s in (0.0, BUSY_S, BUSY_S):
        await asyncio.sleep(pause_s)
        try:
            count = _json(await client.get("/arrivals", params={"nonce": nonce})).get("arrivals")
        except httpx.HTTPError:
            continue
        if isinstance(count, int):
            return count
    return None
