"""What Prometheus reads: the same from every worker, and nothing that tells who writes to everybody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from app.arena.sweeper import OPEN_KEY
from app.metrics.counters import Counters
from app.metrics.held import LEAST_ANSWERS, TURN_KEY
from app.timing.stopwatch import Timing
from app.web.ops.gauges import NOT_KNOWN, Foundations
from app.web.shared.fleet import Fleet
from tests.services import app_with, services_with, settings_with
from tests.web.fleets import KEY, NOW, QUOKKA, REPORT, ZIRCON, client, fleet_of

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

QUICK = Timing(queue_s=0.02, ttft_s=0.25, total_s=4.2, tokens=200, tokens_per_s=55.0)


async def scrape(
    fleet: Fleet, *, operator: bool = True, ground: Foundations = NOT_KNOWN, **headers: Any
) -> httpx.Response:
    async with client(fleet, operator=operator, ground=ground, **headers) as http:
        reply = await http.get("/metrics")
    assert reply.status_code == 200, reply.text
    return reply


def samples(text: str) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def counted(redis: Redis) -> tuple[Counters, Counters]:
    """Two workers that both counted."""
    tallies = Counters(redis), Counters(redis)
    for tally in tallies:
        tally.answered("gpu-1", ZIRCON, "stop", "", QUICK)
        tally.loaded("gpu-1", ZIRCON, 8.0, prewarm=True)
        tally.opened()
    tallies[0].answered("gpu-2", QUOKKA, "error", "unavailable", Timing(queue_s=1.0), fallback=True)
    tallies[1].moved("gpu-1", "gpu-2")
    await asyncio.gather(*(tally.flush() for tally in tallies))
    return tallies


async def test_two_workers_show_the_same_figures(redis: Redis) -> None:
    one, two = await fleet_of(redis, REPORT), await fleet_of(redis)
    await counted(redis)
    texts = [(await scrape(fleet)).text for fleet in (one, two)]
    assert texts[0] == texts[1]
    seen = samples(texts[0])
    zircon = (("host", "gpu-1"), ("model", ZIRCON))
    assert seen[("arena_answers_total", ("cause", ""), *zircon, ("reason", "stop"))] == 2
    assert seen[("arena_ttft_seconds_count", *zircon)] == 2
    assert seen[("arena_ttft_seconds_sum", *zircon)] == pytest.approx(0.5)
    assert seen[("arena_ttft_seconds_bucket", zircon[0], ("le", "0.2"), zircon[1])] == 0
    assert seen[("arena_ttft_seconds_bucket", zircon[0], ("le", "0.3"), zircon[1])] == 2
    assert seen[("arena_ttft_seconds_bucket", zircon[0], ("le", "+Inf"), zircon[1])] == 2
    assert seen[("arena_load_seconds_count", *zircon, ("wished", "yes"))] == 2
    assert seen[("arena_fallback_answers_total", ("host", "gpu-2"))] == 1
    assert seen[("arena_failovers_total", ("origin", "gpu-1"), ("target", "gpu-2"))] == 1
    assert seen[("arena_battles_opened_total",)] == 2


async def test_what_everything_stands_on_and_who_waits_longest_are_for_operators(redis: Redis) -> None:
    fleet = await fleet_of(redis, replace(REPORT, waiting_since=NOW - 75), now=lambda: NOW)
    ground = Foundations({"redis": True, "database": False}, 7, 100)
    seen = samples((await scrape(fleet, ground=ground)).text)
    assert seen[("arena_store_usable", ("store", "redis"))] == 1
    assert seen[("arena_store_usable", ("store", "database"))] == 0
    assert (seen[("arena_data_free_bytes",)], seen[("arena_data_size_bytes",)]) == (7, 100)
    assert seen[("arena_host_oldest_wait_seconds", ("host", "gpu-1"))] == 75
    public = (await scrape(fleet, operator=False, ground=ground)).text
    assert not [name for name in ("arena_store", "arena_data", "oldest_wait") if name in public]


async def test_refused_calls_are_counted_by_route_status_and_code_and_votes_begin_at_zero(redis: Redis) -> None:
    counters, fleet = Counters(redis), await fleet_of(redis)
    votes = (("code", "database_away"), ("route", "/api/arena/battles/{battle_id}/votes"), ("status", "503"))
    assert samples((await scrape(fleet)).text)[("arena_refused_total", *votes)] == 0
    app = app_with(services_with(settings_with(arena_admin_key=KEY), fleet=fleet, refused=counters.refused))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://arena", headers={"X-Admin-Key": KEY}) as http:
        for body in ({"round": 1, "verdict": "a"}, {"round": 1, "verdict": "nobody"}):
            await http.post("/api/arena/battles/secret-id/votes", json=body)
        await http.get("/api/arena/nothing/secret-id")
        await http.get("/healthz")
    await counters.flush()
    text = (await scrape(fleet)).text
    rows = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {
        (row.labels["route"], row.labels["status"], row.labels["code"]): row.value
        for row in rows
        if row.name == "arena_refused_total" and row.value
    }
    assert found == {
        ("/api/arena/battles/{battle_id}/votes", "500", "internal"): 1,  # this test has no manager
        ("/api/arena/battles/{battle_id}/votes", "400", "invalid_field"): 1,
        ("", "404", ""): 1,
    }
    assert "secret-id" not in text


async def test_hosts_and_what_they_hold_are_gauges(redis: Redis) -> None:
    await redis.sadd(OPEN_KEY, "b1", "b2")
    await redis.expire(OPEN_KEY, 60)
    seen = samples((await scrape(await fleet_of(redis, REPORT))).text)
    assert seen[("arena_host_driven", ("host", "gpu-1"))] == 1
    assert seen[("arena_host_driven", ("host", "gpu-2"))] == 0
    assert seen[("arena_host_up", ("host", "gpu-1"))] == 1
    assert ("arena_host_up", ("host", "gpu-2")) not in seen
    assert seen[("arena_host_state", ("host", "gpu-1"), ("state", "down"))] == 0
    assert seen[("arena_resident_vram_bytes", ("host", "gpu-1"), ("model", ZIRCON))] == 4 * 1024**3
    assert seen[("arena_resident_flagged", ("flag", "offloaded"), ("host", "gpu-1"), ("model", ZIRCON))] == 1
    assert seen[("arena_host_max_models", ("host", "gpu-1"))] == 3
    assert seen[("arena_host_answers_waiting", ("host", "gpu-1"), ("model", QUOKKA))] == 2
    assert (seen[("arena_answers_waiting",)], seen[("arena_answers_running",)]) == (2, 1)
    assert seen[("arena_battles_open",)] == 2


async def test_counters_that_alerts_look_at_begin_at_nought(redis: Redis) -> None:
    seen = samples((await scrape(await fleet_of(redis))).text)
    assert seen[("arena_fallback_answers_total", ("host", "gpu-2"))] == 0
    assert seen[("arena_host_events_total", ("host", "gpu-1"), ("kind", "unloaded_by_others"))] == 0
    assert seen[("arena_takeovers_total", ("host", "gpu-3"))] == 0
    assert seen[("arena_battles_opened_total",)] == 0


async def test_everybody_sees_totals_only(redis: Redis) -> None:
    fleet = await fleet_of(redis, REPORT)
    one, _ = await counted(redis)
    for _ in range(LEAST_ANSWERS):
        one.answered("gpu-1", ZIRCON, "stop", "", QUICK)
    await one.flush()
    seen = samples((await scrape(fleet, operator=False)).text)
    assert seen[("arena_answers_total", ("cause", ""), ("reason", "stop"))] == LEAST_ANSWERS + 2
    assert seen[("arena_ttft_seconds_count",)] == LEAST_ANSWERS + 2
    assert (seen[("arena_answers_waiting",)], seen[("arena_answers_running",)]) == (2, 1)
    assert not [key for key in seen if "model" in dict(key[1:])]
    assert not [name for name, *_ in seen if "resident" in name or "loading" in name]


async def test_a_single_answer_can_not_be_seen_in_what_everybody_sees(redis: Redis) -> None:
    fleet = await fleet_of(redis, REPORT)
    one, _ = await counted(redis)
    for _ in range(LEAST_ANSWERS):
        one.answered("gpu-1", ZIRCON, "stop", "", QUICK)
    await one.flush()
    before = (await scrape(fleet, operator=False)).text
    for _ in range(LEAST_ANSWERS - 1):
        one.answered("gpu-2", QUOKKA, "stop", "", QUICK)
        one.loaded("gpu-2", QUOKKA, 3.0, prewarm=False)
        await one.flush()
    await fleet_of(redis, replace(REPORT, residents=(), waiting=0, running=0, loading=None))
    assert (await scrape(fleet, operator=False)).text == before, "within the time"
    await redis.delete(TURN_KEY)
    assert (await scrape(fleet, operator=False)).text == before, "too few answers"
    one.answered("gpu-2", QUOKKA, "stop", "", QUICK)
    await one.flush()
    assert (await scrape(fleet, operator=False)).text == before, "within the time"
    await redis.delete(TURN_KEY)
    assert (await scrape(fleet, operator=False)).text != before
    assert samples((await scrape(fleet, operator=False)).text)[("arena_answers_running",)] == 0
    operators = samples((await scrape(fleet)).text)
    assert operators[("arena_answers_running",)] == 0


async def test_a_scraper_with_the_key_sees_everything_from_anywhere(redis: Redis) -> None:
    await counted(redis)
    reply = await scrape(await fleet_of(redis), operator=False, authorization=f"Bearer {KEY}")
    assert f'model="{ZIRCON}"' in reply.text


async def test_it_is_prometheus_text_or_open_metrics_as_the_scraper_likes(redis: Redis) -> None:
    fleet = await fleet_of(redis, REPORT)
    assert (await scrape(fleet)).headers["content-type"].startswith("text/plain; version=0.0.4")
    reply = await scrape(fleet, accept="application/openmetrics-text;version=1.0.0")
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")
