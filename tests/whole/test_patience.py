"""Models that keep everybody waiting: nothing stays silent, and nobody waits longer than they can.

Everything waits at the same time, once, for all tests of this file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.helpers import MachineTime
from tests.whole.client import BATTLES, LIMIT_S, Watched, call, client, open_battle, snapshot, until_snapshot, watch
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import QUOKKA, ZIRCON
from tests.whole.older import CHOICE, PAIR, arena, check_types, submit

SILENT_S = 11.0


@dataclass
class Timed:
    """A response and when each piece of it came."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    took_s: float = 0.0
    machine_s: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Evening:
    """What came of all the waiting."""

    viewer: Watched
    patient: Timed
    early_vote: Timed
    fast_vote: Timed
    pair: dict[str, Any]


async def timed(url: str, body: dict[str, str]) -> Timed:
    seen, began = Timed(), monotonic()
    with MachineTime() as machine:
        async with client() as http, http.stream("POST", url, json=body) as response:
            seen.status, seen.headers = response.status_code, response.headers
            async for piece in response.aiter_raw():
                seen.pieces.append((monotonic() - began, piece))
    seen.took_s, seen.machine_s = monotonic() - began, machine.seconds
    return seen


async def battle_whose_challenger_is_on_basalt(deployed: SharedDeployment) -> str:
    """Only okapi lives there; whoever draws it into the first pair is stopped."""
    for _ in range(40):
        battle = (await open_battle(deployed.one.url))["battle_id"]
        if (await until_snapshot(deployed.one.url, battle, _is_decided))["can_vote"]:
            return str(battle)
        await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")
    raise AssertionError("the draw is not random")


def _is_decided(now: dict[str, Any]) -> bool:
    sides = now["sides"].values()
    someone_is_silent = any(side["state"] == "done" for side in sides) and any(not side["text"] for side in sides)
    return now["can_vote"] or someone_is_silent


async def spend(deployed: SharedDeployment) -> Evening:
    deployed.deployment.basalt.set(slow_headers_s=30.0)
    fast = await battle_whose_challenger_is_on_basalt(deployed)
    deployed.deployment.granite.set(slow_headers_s=SILENT_S)
    slow = (await open_battle(deployed.one.url, models=[ZIRCON, QUOKKA]))["battle_id"]
    viewer, patient, early_vote, fast_vote = await asyncio.gather(
        watch(deployed.two.url, slow, until=lambda event: event.event == "ready"),
        timed(arena(deployed.one, "get_progressive_responses"), {"battle_id": slow}),
        timed(arena(deployed.one, "submit_progressive_choice"), {"battle_id": slow, "choice": "left"}),
        timed(arena(deployed.one, "submit_progressive_choice"), {"battle_id": fast, "choice": "left"}),
    )
    pair = await snapshot(deployed.one.url, slow)
    for battle in (fast, slow):
        await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")
    return Evening(viewer, patient, early_vote, fast_vote, pair)


@pytest.fixture(scope="module")
def _evening(_shared_deployment: SharedDeployment) -> Iterator[Evening]:
    yield asyncio.run(asyncio.wait_for(spend(_shared_deployment), 2 * LIMIT_S))
    _shared_deployment.deployment.granite.clear()
    _shared_deployment.deployment.basalt.clear()


@pytest.fixture
def evening(_evening: Evening) -> Evening:
    return _evening


async def test_a_silent_stream_has_a_heartbeat_every_ten_seconds(evening: Evening) -> None:
    assert b": ping" in evening.viewer.raw.split(b"event: delta")[0]
    assert [comment.strip() for comment in evening.viewer.comments] == [b"ping"] * len(evening.viewer.comments)


async def test_whitespace_comes_from_the_ninth_second_on_and_the_body_is_still_json(evening: Evening) -> None:
    came_s, first = evening.patient.pieces[0]
    assert 8.5 < came_s < 10.5
    assert first == b" "
    assert evening.patient.status == 200
    assert evening.patient.headers["content-type"] == "application/json"
    assert evening.patient.headers["cache-control"] == "no-store, no-transform"
    body = evening.patient.json()
    check_types(body, PAIR)
    assert body["status"] == "ready"
    assert body["response_a"] == evening.pair["sides"]["a"]["text"]
    assert body["response_b"] == evening.pair["sides"]["b"]["text"]


async def test_a_vote_for_answers_that_are_not_there_waits_and_is_then_refused(evening: Evening) -> None:
    assert evening.early_vote.took_s > 5
    assert evening.early_vote.machine_s < 9.9, "existing clients give up after 10 s"
    assert evening.early_vote.status == 400
    error = "Both answers must be complete before you vote; try again in a moment."
    assert evening.early_vote.json() == {"error": error, "code": "not_ready"}


async def test_a_next_text_that_is_not_ready_is_told_within_the_clients_patience(evening: Evening) -> None:
    assert evening.fast_vote.machine_s < 9.9
    assert evening.fast_vote.status == 200
    body = evening.fast_vote.json()
    check_types(body, CHOICE)
    assert (body["status"], body["responses_ready"]) == ("continue", False)
    assert body["response_a"], "the champion's text is there at once"
    assert not body["response_a"].startswith("[")
    assert body["response_b"].startswith("[This answer is not there yet"), "and nobody judges a blank panel"
    assert body["current_models"] == ["Model A", "Model C"]
    assert (body["current_round"], body["remaining_comparisons"]) == (1, 1)
    assert (body["eliminated_model"], body["eliminated_side"]) == ("Model B", "right")


async def test_a_vote_over_the_native_calls_never_waits(deployed: SharedDeployment, evening: Evening) -> None:
    deployed.deployment.granite.set(slow_headers_s=5.0)
    battle = (await open_battle(deployed.one.url, models=[ZIRCON, QUOKKA]))["battle_id"]
    with MachineTime() as took:
        reply = await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/votes", json={"round": 1, "verdict": "a"})
    assert took.seconds < 2
    assert (reply.status_code, reply.json()["code"]) == (409, "not_ready")
    older = await submit(deployed.one, "nobody", "left")
    assert older.status_code == 404
    await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/stop")
