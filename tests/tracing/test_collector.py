"""Processes that send spans to a real collector by OTLP over HTTP, and what a broken one does to them: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.helpers import HUNG_S, wait_until
from tests.tracing.collector import Collector, Received, running_collector
from tests.whole.client import open_battle, play
from tests.whole.harness import Deployment, Instance, running_deployment

MESSAGE = "Why does tourmaline shine?"
QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with running_deployment(tmp_path) as deployment:
        yield deployment


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running_collector() as collector:
        yield collector


async def test_one_trace_goes_through_redis_from_who_serves_to_who_drives(
    deployment: Deployment, collector: Collector
) -> None:
    # Where people put settings: the SDK itself knows nothing of this file.
    (deployment.folder / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\n")
    web = await asyncio.to_thread(deployment.launch, "--no-scheduler", OTEL_SERVICE_NAME="arena-web", **QUICK)
    drivers = await asyncio.to_thread(deployment.drivers, OTEL_SERVICE_NAME="arena-drivers", **QUICK)
    await asyncio.to_thread(web.wait_for_address)
    battle = await open_battle(web.url, MESSAGE, num_models=2)
    await play(web.url, battle["battle_id"], ["a"])
    await wait_until(lambda: len(collector.named("answer")) == 2 and collector.named("POST /api/arena/battles"))
    (post,) = [span for span in collector.spans if span.name == "POST /api/arena/battles"]
    answers, chats = collector.named("answer"), collector.named("chat")
    assert post.service == "arena-web"
    assert {span.service for span in (*answers, *chats)} == {"arena-drivers"}
    assert {span.trace for span in (*answers, *chats, *collector.named("queue"))} == {post.trace}
    assert {span.parent for span in answers} == {post.id}
    assert {span.parent for span in chats} == {span.id for span in answers}
    assert {span.events for span in chats} == {("first_token",)}
    assert post.began_ns <= min(span.began_ns for span in answers)
    assert all(ends_in_order(answer, chats) for answer in answers)
    assert not [body for body in collector.raw if b"tourmaline" in body]
    (opened,) = web.logged("battle_opened")
    finished = drivers.logged("answer_finished")
    assert {line["trace_id"] for line in (opened, *finished)} == {post.trace}
    drivers.terminate()
    assert await asyncio.to_thread(drivers.process.wait, HUNG_S) == 0


def ends_in_order(answer: Received, chats: list[Received]) -> bool:
    (chat,) = [span for span in chats if span.parent == answer.id]
    return answer.began_ns <= chat.began_ns < chat.ended_ns <= answer.ended_ns


async def test_a_collector_that_refuses_or_hangs_holds_up_no_battle_and_no_end(
    deployment: Deployment, collector: Collector
) -> None:
    collector.status = 400
    tiny = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
    to_it = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **QUICK, **tiny}
    web = await asyncio.to_thread(deployment.start, **to_it)
    await played(web)
    await wait_until(lambda: len(collector.raw) >= 2)
    collector.status = 200
    await wait_until(lambda: web.logged("traces_lost"))
    await played(web)
    await wait_until(lambda: web.logged("traces_back"))
    assert len(web.logged("traces_lost")) == 1
    assert web.logged("traces_back")[0]["lost"] >= 2
    collector.hang = True
    for _ in range(2):
        await played(web)
    web.terminate()
    began = monotonic()
    await asyncio.to_thread(web.process.wait, HUNG_S)
    assert monotonic() - began < 30  # the SDK's own limits are 10 s for a request and 30 s for the end
    (line,) = web.logged("traces_unsent")
    assert line["limit_s"] == 3.0
    assert "opentelemetry" not in web.log.read_text()


async def played(web: Instance) -> None:
    battle = await open_battle(web.url, MESSAGE, num_models=2)
    assert (await play(web.url, battle["battle_id"], ["tie"]))["status"] == "finished"
