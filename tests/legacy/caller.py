"""How old clients call: JSON in, JSON or lines of a stream out, with limits on every wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, TypeVar

import httpx

from tests.documented import check_answer
from tests.legacy.parsers import Page
from tests.whole.client import keep_token, show_token

LIMIT_S = 30.0
AnyPage = TypeVar("AnyPage", bound=Page)


class Caller:
    """A client; with several ``urls`` its calls go to them by turns, as behind a load balancer."""

    def __init__(self, urls: list[str], headers: dict[str, str] | None = None, limit_s: float = LIMIT_S) -> None:
        self._urls = cycle(urls)
        self._headers = headers or {}
        self._limit_s = limit_s

    def _http(self) -> httpx.AsyncClient:
        limit = httpx.Timeout(self._limit_s)
        more: dict[str, Any] = {
            "timeout": limit,
            "trust_env": False,
            "event_hooks": {"request": [show_token], "response": [keep_token]},
            "verify": False,
        }  # loading certificates takes 20 ms
        return httpx.AsyncClient(base_url=next(self._urls), headers=self._headers, **more)

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One call, whatever comes of it."""
        async with self._http() as http:
            reply = await http.request(method, path, **more)
        check_answer(reply)
        return reply

    async def reply(self, path: str, **body: Any) -> httpx.Response:
        """A POST, whatever comes of it."""
        return await self.send("POST", path, json=body)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """A POST that succeeds; nothing in the answer is null, and it has no ``error``."""
        reply = await self.reply(path, **body)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        answer = reply.json()
        assert "error" not in answer, answer
        assert None not in answer.values(), answer
        return dict(answer)

    async def get(self, path: str) -> dict[str, Any]:
        """A GET that succeeds."""
        reply = await self.send("GET", path)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return dict(reply.json())

    async def refused(self, path: str, status: int, **body: Any) -> dict[str, Any]:
        """A POST that is refused in the contract's form."""
        reply = await self.reply(path, **body)
        assert reply.status_code == status, (reply.status_code, reply.text)
        answer = reply.json()
        assert isinstance(answer["error"], str)
        assert answer["error"]
        assert "detail" not in answer
        return dict(answer)

    @asynccontextmanager
    async def stream(self, path: str, **body: Any) -> AsyncIterator[httpx.Response]:
        """A POST whose answer is read as it comes."""
        http = self._http()
        async with asyncio.timeout(self._limit_s), http, http.stream("POST", path, json=body) as response:
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield response

    async def read(self, page: AnyPage, path: str, **body: Any) -> AnyPage:
        """A stream that is read by ``page`` to its end."""
        async with self.stream(path, **body) as response:
            async for chunk in response.aiter_raw():
                page.read(chunk)
        return page
