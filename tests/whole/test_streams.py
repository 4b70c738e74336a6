"""A battle is one log: any worker, any cut, any number of viewers."""

from __future__ import annotations

import asyncio

import pytest

from tests.whole.client import (
    BATTLES,
    Sse,
    call,
    folded,
    open_battle,
    play,
    snapshot,
    text_of,
    until_ready,
    vote,
    watch,
    watching,
)
from tests.whole.conftest import SharedDeployment


async def test_a_reader_cut_off_on_one_worker_resumes_on_another_with_exactly_the_missing_events(
    deployed: SharedDeployment,
) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    whole = asyncio.create_task(watch(deployed.one.url, battle))
    texts = 0

    def third_text(event: Sse) -> bool:
        nonlocal texts
        texts += event.event == "delta"
        return texts == 3

    before = await watch(deployed.two.url, battle, until=third_text)
    cut = before.ids[-1]
    await play(deployed.two.url, battle, ["a", "b"])
    everything = await whole
    by_header = await watch(deployed.one.url, battle, last_event_id=cut)
    by_query = await watch(deployed.two.url, battle, after=cut)
    assert before.ids + by_header.ids == everything.ids
    assert by_header.raw == by_query.raw
    assert (before.events + by_query.events) == everything.events
    assert everything.events[-1].event == "end"
    assert everything.closed
    numbers = [int(event.id.split("-")[1]) for event in everything.events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert everything.ids[-1].endswith("-end")
    assert len({event.id.split("-")[0] for event in everything.events}) == 1


async def test_two_tabs_on_two_workers_see_the_same_bytes(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.two.url))["battle_id"]
    one = asyncio.create_task(watch(deployed.one.url, battle))
    two = asyncio.create_task(watch(deployed.two.url, battle))
    await play(deployed.one.url, battle, ["tie", "both_bad"])
    first, second = await one, await two
    assert first.raw == second.raw
    assert b"event: end" in first.raw


async def test_folding_the_events_gives_the_snapshot_at_every_cut(deployed: SharedDeployment) -> None:
    cuts = 0
    while cuts <= 5:  # a busy machine asks so slowly that a battle has few
        cuts += await folded_at_every_cut(deployed)


async def folded_at_every_cut(deployed: SharedDeployment) -> int:
    """Play a battle and fold its events up to each snapshot that was seen on the way; how many there were."""
    opened = await open_battle(deployed.one.url)
    del opened["token"]  # which no snapshot has
    battle, cuts = opened["battle_id"], []
    async with watching(deployed.two.url, battle) as (watched, whole):
        for verdict in ("b", "b"):
            while not (now := await snapshot(deployed.two.url, battle))["can_vote"]:
                cuts.append(now)
                await asyncio.sleep(0.05)
            cuts.append(now)
            assert (await vote(deployed.one.url, battle, now["round"], verdict)).status_code == 200
        await whole
    cuts.append(await snapshot(deployed.one.url, battle))
    for cut in (opened, *cuts):
        events = watched.events[: watched.ids.index(cut["cursor"]) + 1]
        assert folded(opened, events) == cut
    from_the_body = await watch(deployed.one.url, battle, after=opened["cursor"])
    assert folded(opened, from_the_body.events) == cuts[-1]
    return len({cut["cursor"] for cut in cuts})


async def test_the_header_of_a_reconnecting_browser_wins_over_its_old_url(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await play(deployed.one.url, battle, ["a", "a"])
    whole = await watch(deployed.one.url, battle)
    both = await watch(deployed.one.url, battle, after=whole.ids[1], last_event_id=whole.ids[-3])
    assert both.ids == whole.ids[-2:]


@pytest.mark.parametrize("cursor", ["other-3", "{name}-99999"], ids=["another log's name", "beyond the newest"])
async def test_a_cursor_that_cannot_be_continued_gets_a_snapshot_first(deployed: SharedDeployment, cursor: str) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    now = await until_ready(deployed.one.url, battle)
    name = now["cursor"].split("-")[0]
    watched = asyncio.create_task(watch(deployed.two.url, battle, after=cursor.format(name=name)))
    await play(deployed.one.url, battle, ["a", "a"])
    first, *rest = (await watched).events
    assert first.event == "snapshot"
    assert first.id == first.data["cursor"]
    assert folded(first.data, rest) == await snapshot(deployed.one.url, battle)
    assert rest[-1].event == "end"


async def test_a_cursor_of_another_log_on_an_ended_battle_gets_the_snapshot_and_the_end(
    deployed: SharedDeployment,
) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")
    watched = await watch(deployed.two.url, battle, after="other-3")
    assert watched.events[0].event == "snapshot"
    assert watched.events[0].data == await snapshot(deployed.one.url, battle)
    assert [event.event for event in watched.events[1:]] in ([], ["end"])
    assert watched.closed


@pytest.mark.parametrize("cursor", ["nonsense", "a-b", "a-1-stop", "-1", "a--1", "é-1", "a-1-end-end", "a" * 80 + "-1"])
async def test_a_malformed_cursor_is_refused(deployed: SharedDeployment, ended: str, cursor: str) -> None:
    for field, more in (
        ("after", {"params": {"after": cursor}}),
        ("Last-Event-ID", {"headers": {"Last-Event-ID": cursor.encode()}}),
    ):
        reply = await call("GET", f"{deployed.one.url}{BATTLES}/{ended}/events", **more)
        assert reply.status_code == 400, reply.text
        assert reply.json()["field"] == field


async def test_the_end_cursor_gets_nothing_more(deployed: SharedDeployment, ended: str) -> None:
    end = (await watch(deployed.one.url, ended)).ids[-1]
    assert end == (await snapshot(deployed.one.url, ended))["cursor"]
    for more in ({"params": {"after": end}}, {"headers": {"Last-Event-ID": end}}):
        reply = await call("GET", f"{deployed.two.url}{BATTLES}/{ended}/events", **more)
        assert (reply.status_code, reply.content) == (204, b"")


async def test_an_unknown_battle_has_no_events(deployed: SharedDeployment) -> None:
    reply = await call("GET", f"{deployed.one.url}{BATTLES}/{'0' * 32}/events")
    assert reply.status_code == 404
    assert set(reply.json()) == {"error", "code"}


async def test_a_stream_tells_proxies_to_leave_it_alone(deployed: SharedDeployment, ended: str) -> None:
    watched = await watch(deployed.one.url, ended)
    assert watched.status == 200
    assert watched.headers["content-type"].startswith("text/event-stream")
    assert watched.headers["cache-control"] == "no-store, no-transform"
    assert watched.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in watched.headers


async def test_the_events_come_in_the_order_that_always_holds(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    await play(deployed.one.url, battle, ["b", "a"])
    events = (await watch(deployed.one.url, battle)).events
    milestones = [event.event for event in events if event.event not in ("status", "delta", "answer")]
    assert milestones == ["round", "ready", "vote", "round", "ready", "vote", "end"]
    second = events[[event.data.get("round") == 2 for event in events].index(True) :]
    champion = next(event for event in second if event.event == "delta" and event.data["side"] == "b")
    assert champion.data["text"] == text_of(events, "b", 1), "the champion's text comes again, as one piece"
    assert second[0].data["sides"] == {"a": {"alias": "Model C"}, "b": {"alias": "Model B"}}


async def test_every_answer_arrives_as_the_model_wrote_it(deployed: SharedDeployment) -> None:
    message = "Why do leaves turn red?"
    battle = (await open_battle(deployed.one.url, message))["battle_id"]
    await play(deployed.one.url, battle, ["a", "a"])
    events = (await watch(deployed.two.url, battle)).events
    models = {line["alias"]: line["model"] for line in events[-1].data["reveal"]["ranking"]}
    for alias, side, number in (("Model A", "a", 1), ("Model B", "b", 1), ("Model C", "b", 2)):
        model = models[alias]
        server = deployed.deployment.basalt if model == "okapi:8b" else deployed.deployment.granite
        assert text_of(events, side, number) == server.answer_of(model, message)


async def test_a_battle_can_be_watched_while_it_is_written(deployed: SharedDeployment) -> None:
    deployed.deployment.granite.set(stall_s=1.0, stall_after=10)
    deployed.deployment.basalt.set(stall_s=1.0, stall_after=10)
    battle = (await open_battle(deployed.one.url))["battle_id"]
    seen = await watch(deployed.two.url, battle, until=lambda event: event.event == "delta")
    assert not seen.named("answer")
    side = seen.events[-1].data["side"]
    now = await snapshot(deployed.two.url, battle)
    assert now["sides"][side]["state"] == "writing"
    assert now["sides"][side]["text"]
    assert not now["can_vote"]
    await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")


async def test_viewers_who_come_at_the_same_moment_are_no_surprise_to_each_other(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url))["battle_id"]
    crowd = [asyncio.create_task(watch(worker.url, battle)) for worker in (deployed.one, deployed.two) * 6]
    seen = await watch(deployed.one.url, battle, until=lambda event: event.event == "delta")
    late = [
        asyncio.create_task(watch(worker.url, battle, after=seen.ids[-1]))
        for worker in (deployed.two, deployed.one) * 6
    ]
    await play(deployed.one.url, battle, ["a", "a"])
    whole, *others = [await viewer for viewer in crowd]
    assert not whole.named("snapshot")
    assert {other.raw for other in others} == {whole.raw}
    missing = whole.ids[whole.ids.index(seen.ids[-1]) + 1 :]
    assert [viewer.ids for viewer in [await viewer for viewer in late]] == [missing] * len(late)
