"""A whole arena in this process, with the SDK's exporter in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.process.app import opened
from app.tracing.sdk import SdkTracer
from app.web import application
from tests.helpers import known, wait_until
from tests.services import settings_with
from tests.whole.harness import MODELS, ModelServer

MARK = "tourmaline"
"""A word of the prompt; simulated models repeat none of it, and the answers' own words are looked for, too."""


@pytest.fixture
def server() -> Any:
    running = ModelServer(MODELS, answer_tokens=20, tokens_per_s=400.0)
    yield running
    running.close()


class Arena:
    """A client of the arena, and the spans that it has ended."""

    def __init__(self, http: httpx.AsyncClient, exporter: InMemorySpanExporter, arena: Any) -> None:
        self.http = http
        self.arena = arena
        self._exporter = exporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return tuple(self._exporter.get_finished_spans())

    def named(self, prefix: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(prefix)]

    async def play(self, **more: Any) -> dict[str, Any]:
        opened = (await self.http.post("/api/arena/battles", json={"message": f"What is {MARK}?", **more})).json()
        path, token = f"/api/arena/battles/{opened['battle_id']}", {"X-Battle-Token": opened["token"]}

        async def ready() -> dict[str, Any] | None:
            now = (await self.http.get(path)).json()
            return now if now["can_vote"] or now["status"] != "running" else None

        while (now := known(await wait_until(ready)))["status"] == "running":
            body = {"round": now["round"], "verdict": "a"}
            (await self.http.post(f"{path}/votes", json=body, headers=token)).raise_for_status()
        return dict(now)


@asynccontextmanager
async def arena_at(server: ModelServer, folder: Path, redis: str) -> AsyncIterator[Arena]:
    exporter = InMemorySpanExporter()
    settings = settings_with(
        ollama_host=server.url,
        redis_url=redis,
        arena_data_dir=folder,
        arena_models=MODELS,
        arena_prewarm=False,
        arena_admin_key="k" * 20,
    )
    app = application.create(lambda: opened(settings))
    async with opened(settings, SdkTracer(SimpleSpanProcessor(exporter))) as services:
        app.state.services = services
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://arena", timeout=60) as http:
            yield Arena(http, exporter, services)


def of(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def trace(span: ReadableSpan) -> int:
    return int(known(span.context).trace_id)


def within(span: ReadableSpan, spans: tuple[ReadableSpan, ...]) -> list[ReadableSpan]:
    return [one for one in spans if one.parent is not None and one.parent.span_id == known(span.context).span_id]


async def test_a_battle_is_traced_from_the_post_to_the_end_in_the_log_and_says_nothing_of_its_texts(
    server: ModelServer, tmp_path: Path, redis_url: str
) -> None:
    async with arena_at(server, tmp_path, redis_url) as arena:
        end = await arena.play(num_models=2)
        await wait_until(lambda: len(arena.named("answer")) == 2)
        spans = arena.spans
        (post,) = arena.named("POST /api/arena/battles")[:1]
        assert post.name == "POST /api/arena/battles"
        assert post.parent is None
        assert of(post)["http.response.status_code"] == 201
        answers = [span for span in within(post, spans) if span.name == "answer"]
        assert len(answers) == 2
        assert {of(span)["arena.outcome"] for span in answers} == {"stop"}
        assert {of(span)["arena.battle"] for span in answers} == {end["battle_id"]}
        for answer in answers:
            parts = {span.name.split()[0]: span for span in within(answer, spans)}
            assert parts.keys() == {"queue", "chat", "store"}
            (load,) = within(parts["queue"], spans)
            assert load.name.startswith("load ")
            chat = of(parts["chat"])
            assert chat["gen_ai.operation.name"] == "chat"
            assert chat["gen_ai.provider.name"] == "ollama"
            assert chat["gen_ai.usage.output_tokens"] > 0
            assert chat["gen_ai.response.finish_reasons"] == ("stop",)
            assert chat["server.port"] == int(server.url.rsplit(":", 1)[1])
            assert load.name == f"load {chat['gen_ai.request.model']}"
            assert [event.name for event in parts["chat"].events] == ["first_token"]
            order = [answer.start_time, load.start_time, load.end_time, parts["chat"].start_time]
            order += [parts["chat"].end_time, parts["store"].end_time]
            assert order == sorted(order, key=lambda at: at or 0)
            assert parts["store"].end_time == answer.end_time
        (vote,) = arena.named("POST /api/arena/battles/{")
        assert vote.name == "POST /api/arena/battles/{battle_id}/votes"
        assert trace(vote) != trace(post)
        text = " ".join(span.to_json() for span in spans)
    written = [word for side in "ab" for word in end["sides"][side]["text"].split() if len(word) > 7]
    assert written
    assert MARK not in text
    assert not [word for word in written if word in text]


async def test_reading_is_not_traced_and_a_callers_trace_is_a_link(
    server: ModelServer, tmp_path: Path, redis_url: str
) -> None:
    theirs = "0af7651916cd43dd8448eb211c80319c"
    async with arena_at(server, tmp_path, redis_url) as arena:
        for path in ("/healthz", "/readyz", "/api/arena/leaderboard", "/api/arena/battles/none/events", "/metrics"):
            await arena.http.get(path, headers={"traceparent": f"00-{theirs}-b7ad6b7169203331-01"})
        assert len(arena.spans) == 0
        reply = await arena.http.post(
            "/api/arena/battles", json={"message": ""}, headers={"traceparent": f"00-{theirs}-b7ad6b7169203331-00"}
        )
        assert reply.status_code == 400
        assert len(arena.spans) == 1
        span = arena.spans[0]
        assert trace(span) != int(theirs, 16)
        assert [f"{link.context.trace_id:032x}" for link in span.links] == [theirs]
        own = f"{trace(span):032x}"
        assert own not in reply.text
        assert own not in str(reply.headers)


async def test_a_chat_of_v1_is_one_trace_and_a_stream_ends_its_span_where_it_begins(
    server: ModelServer, tmp_path: Path, redis_url: str
) -> None:
    async with arena_at(server, tmp_path, redis_url) as arena:
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": MARK}], "stream": True}
        reply = await arena.http.post(
            "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {'k' * 20}"}
        )
        assert reply.status_code == 200, reply.text
        await wait_until(lambda: arena.named("answer"))
        (post,), (answer,), (chat,) = arena.named("POST"), arena.named("answer"), arena.named("chat")
        assert trace(post) == trace(answer) == trace(chat)
        assert post.name == "POST /v1/chat/completions"
        assert of(answer)["arena.priority"] == "direct"
        assert known(post.end_time) <= known(chat.end_time)
        assert MARK not in " ".join(span.to_json() for span in arena.spans)
