"""Workers come and go: drained, side by side; the battle does not. How they are killed: test_handover."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.helpers import HUNG_S, PATIENCE_S, known, wait_until
from tests.whole.client import BATTLES, Watched, call, folded, open_battle, play, text_of, vote, watch, watching
from tests.whole.harness import MODELS, OKAPI, Deployment, Instance, running_deployment
from tests.whole.older import patient

#: Slow enough to be interrupted in the middle: two seconds or more for an answer.
SLOW: dict[str, Any] = {"tokens_per_s": 30.0}
ROUND_ONE = (("Model A", "a"), ("Model B", "b"))


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with running_deployment(tmp_path, **SLOW) as deployment:
        yield deployment


def check_texts(deployment: Deployment, opened: dict[str, Any], watched: Watched) -> None:
    """Both answers of round one are what the models really say, whole and unmixed."""
    ranking = watched.events[-1].data["reveal"]["ranking"]
    models = {line["alias"]: line["model"] for line in ranking}
    for alias, side in ROUND_ONE:
        server = deployment.basalt if models[alias] == OKAPI else deployment.granite
        assert text_of(watched.events, side, 1) == server.answer_of(models[alias], opened["message"]), side


def both_are_writing(watched: Watched) -> bool:
    return len({event.data["side"] for event in watched.named("delta")}) == 2 and len(watched.named("delta")) > 8


async def test_a_worker_asked_to_end_hands_over_and_ends_by_itself(deployment: Deployment) -> None:
    driver = deployment.driver(ARENA_DRAIN="1")
    other = deployment.start()
    opened = await open_battle(other.url)
    battle = opened["battle_id"]
    async with watching(other.url, battle) as (watched, whole), watching(driver.url, battle) as (cut, reader):
        await wait_until(lambda: both_are_writing(watched))
        waits = await patient(driver, battle)
        not_ready = asyncio.create_task(first_refusal(driver))  # asks all the while: draining takes a second only
        driver.terminate()
        assert (await not_ready).json()["code"] == "not_ready"
        await wait_until(lambda: driver.logged("draining"))
        assert (await call("GET", f"{other.url}/readyz")).status_code == 200
        await asyncio.wait({reader}, timeout=PATIENCE_S)
        assert reader.done(), "its streams are closed"
        assert reader.exception() is None, "with an end, not in the middle of a chunk"
        status = await asyncio.to_thread(driver.process.wait, HUNG_S)
        assert status in (0, -signal.SIGTERM)
        assert not [line for line in driver.logged() if line["level"] == "error"], "an ordinary end is no error"
        assert not cut.named("end")
        assert (await waits)["status"] == "waiting", "who waits is answered, to ask again elsewhere"
        resumed = await watch(other.url, battle, last_event_id=cut.ids[-1], until=lambda event: event.event == "ready")
        end = await play(other.url, battle, ["b", "b"])
        await asyncio.wait_for(whole, PATIENCE_S)
    assert end["status"] == "finished"
    assert cut.events + resumed.events == watched.events[: len(cut.events) + len(resumed.events)]
    assert folded(opened, watched.events) == end
    check_texts(deployment, opened, watched)
    assert driver.rest_of_stdout() == ""


async def first_refusal(worker: Instance) -> httpx.Response:
    """The first answer of ``/readyz`` that is a 503."""

    async def refusal() -> httpx.Response | None:
        reply = await call("GET", f"{worker.url}/readyz")
        return None if reply.status_code == 200 else reply

    reply = known(await wait_until(refusal))
    assert reply.status_code == 503, reply.text
    return reply


async def test_a_second_signal_ends_the_streams_at_once(deployment: Deployment) -> None:
    worker = deployment.driver(ARENA_DRAIN="30")
    battle = (await open_battle(worker.url))["battle_id"]
    async with watching(worker.url, battle) as (watched, reader):
        await wait_until(lambda: both_are_writing(watched))
        worker.terminate()
        await wait_until(lambda: worker.logged("draining"))
        assert not reader.done(), "viewers stay as long as answers are finished for them"
        worker.process.send_signal(signal.SIGINT)
        await asyncio.wait({reader}, timeout=PATIENCE_S)
        assert reader.done()
    assert await asyncio.to_thread(worker.process.wait, HUNG_S) in (0, -signal.SIGINT, -signal.SIGTERM)


async def test_two_workers_behind_one_address_play_one_battle(deployment: Deployment) -> None:
    deployment.granite.clear()
    both = deployment.start("--workers", "2", ARENA_NUM_PREDICT="12")
    opened = await open_battle(both.url)
    battle = opened["battle_id"]
    viewers = [asyncio.create_task(watch(both.url, battle)) for _ in range(6)]
    end = await play(both.url, battle, ["tie", "a"])
    seen = [await viewer for viewer in viewers]
    assert end["status"] == "finished"
    for watched in seen[1:]:
        assert watched.events == seen[0].events
    assert len({watched.raw for watched in seen}) == 1
    assert folded(opened, seen[0].events) == end
    assert len({line["port"] for line in both.logged() if "port" in line}) <= 1
    assert sorted(line["model"] for line in end["reveal"]["ranking"]) == sorted(MODELS)
    both.terminate()
    assert await asyncio.to_thread(both.process.wait, HUNG_S) in (0, -signal.SIGTERM)
    assert both.rest_of_stdout() == ""


CANARY = "xylophone-canary-question"
FIELDS = {"battle", "answer", "host", "model", "class", "attempt", "request_id", "level", "timestamp"}
TIMING = {
    "queue_s",
    "load_s",
    "prompt_s",
    "ttft_s",
    "decode_s",
    "total_s",
    "tokens",
    "tokens_per_s",
    "cold",
    "cached_prompt",
}


async def test_each_answer_is_one_log_line_and_no_line_has_a_prompt_or_an_answer(deployment: Deployment) -> None:
    deployment.basalt.set(mid_stream_error=5)
    worker = deployment.driver(ARENA_NUM_PREDICT="12")
    battle = (await open_battle(worker.url, CANARY, system="canary-system"))["battle_id"]
    watched = asyncio.create_task(watch(worker.url, battle))
    await play(worker.url, battle, ["a"])
    texts = [event.data["text"] for event in (await watched).named("delta")]
    await call("POST", f"{worker.url}{BATTLES}", json={"message": CANARY, "num_models": "x"})
    await vote(worker.url, battle, 9, "a")
    await wait_until(lambda: len(worker.logged("answer_finished")) >= 3)
    lines = worker.logged("answer_finished")
    assert sorted(line["model"] for line in lines) == sorted(MODELS)
    for line in lines:
        assert line.keys() >= (FIELDS | TIMING), (FIELDS | TIMING) - line.keys()
        assert line["battle"] == battle
    (failed,) = [line for line in lines if line["model"] == OKAPI]
    assert failed["error"]
    log = worker.log.read_text()
    assert all(line.startswith("{") and json.loads(line)["event"] for line in log.splitlines())
    assert CANARY not in log
    assert "canary-system" not in log
    assert texts
    for text in texts:
        if len(text) > 15:
            assert text not in log
    assert {line["event"] for line in worker.logged()} >= {"battle_opened", "battle_moved", "vote_cast"}
