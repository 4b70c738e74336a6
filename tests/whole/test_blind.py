"""Before its end nothing that leaves the server tells who plays, where, or how fast."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
import redis as sync_redis

from tests.helpers import PATIENCE_S, wait_until
from tests.whole.client import BATTLES, Sse, Watched, call, client, open_battle, post, vote, watch, watching
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import BASALT, GRANITE, MODELS, OKAPI, QUOKKA, ZIRCON
from tests.whole.older import arena

TIMING = re.compile(rb"_s\"|ttft|tokens|duration|timing|decode|prefill|cold")
FAULT_WORDS = re.compile(rb"llama|errno|httpx|aiohttp|traceback|exception|terminated|CUDA", re.IGNORECASE)


def secrets(deployed: SharedDeployment) -> list[bytes]:
    """What must not leave: models and their families, hosts and their addresses."""
    servers = (deployed.deployment.granite, deployed.deployment.basalt)
    addresses = [server.url.removeprefix("http://") for server in servers]
    families = [model.split(":")[0] for model in MODELS]
    return [text.encode() for text in (*families, GRANITE, BASALT, *addresses)]


def check_blind(deployed: SharedDeployment, sent: bytes) -> None:
    for secret in secrets(deployed):
        assert secret.lower() not in sent.lower(), (secret, sent)
    without_estimates = sent.replace(b'"eta_s"', b"")
    assert not TIMING.search(without_estimates), sent
    assert not FAULT_WORDS.search(sent), sent


class Tap:
    """Calls the arena and keeps every byte that comes back, headers included."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.sent = b""

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        async with client() as http:
            reply = await http.request(method, self._url + path, json=body, **more)
        self.sent += _bytes_of(reply.headers) + reply.content
        return reply

    def heard(self, watched: Watched, until_end: bool = True) -> None:
        """The stream's bytes up to its end event."""
        self.sent += _bytes_of(watched.headers) + re.split(rb"id: \S+-end\n", watched.raw)[0]


def _bytes_of(headers: httpx.Headers) -> bytes:
    return b"\n".join(name + b": " + value for name, value in headers.raw)


async def play_to_the_last_verdict(tap: Tap, battle: str) -> dict[str, Any]:
    """Both ways of asking and wrong guesses, in every round; ends before the last verdict is given."""
    opened = await tap.call("POST", "/api/arena/get_progressive_responses", {"battle_id": battle})
    assert opened.json()["status"] == "ready"
    for guess in MODELS:
        refused = await tap.call("POST", "/api/arena/submit_progressive_choice", {"battle_id": battle, "winner": guess})
        assert refused.status_code == 400
    now = (await tap.call("GET", f"{BATTLES}/{battle}")).json()
    early = await tap.call("POST", f"{BATTLES}/{battle}/votes", {"round": now["round"] + 1, "verdict": "a"})
    assert early.status_code == 409
    return dict(now)


async def test_a_battle_is_blind_until_its_end_and_then_tells_everything(deployed: SharedDeployment) -> None:
    tap = Tap(deployed.one.url)
    body = {"message": "Why do rivers bend?", "models": list(MODELS)}
    battle = (await tap.call("POST", BATTLES, body)).json()["battle_id"]
    async with watching(deployed.two.url, battle) as (watched, whole):
        now = await play_to_the_last_verdict(tap, battle)
        await tap.call("POST", f"{BATTLES}/{battle}/votes", {"round": 1, "verdict": "b"})
        await tap.call("POST", f"{BATTLES}/{battle}/votes", {"round": 1, "verdict": "a"})
        now = await play_to_the_last_verdict(tap, battle)
        assert now["reveal"] is None
        check_blind(deployed, tap.sent)
        end = (await vote(deployed.one.url, battle, 2, "b")).json()
        await whole
    tap.heard(watched)
    check_blind(deployed, tap.sent)
    check_reveal(end["reveal"], failed=set())
    assert watched.events[-1].data == {"status": "finished", "reveal": end["reveal"]}


def check_reveal(reveal: dict[str, Any], failed: set[str]) -> None:
    ranking = reveal["ranking"]
    assert sorted(line["model"] for line in ranking) == sorted(MODELS)
    assert {line["model"] for line in ranking if line["failed"]} == failed
    places = [line["place"] for line in ranking]
    assert places == [*range(1, len(MODELS) - len(failed) + 1), *[None] * len(failed)]
    assert reveal["champion"] == ranking[0]["model"]
    for line in ranking:
        assert line["fallback"] is False
        if line["failed"]:
            continue
        assert line["host"] == (BASALT if line["model"] == OKAPI else GRANITE)
        assert line["timing"]["tokens"] > 0
        for name in ("queue_s", "load_s", "prompt_s", "ttft_s", "decode_s", "total_s", "tokens_per_s"):
            assert isinstance(line["timing"][name], float | int), name
        assert isinstance(line["timing"]["cold"], bool)
        assert "cached_prompt" in line["timing"]


FAULTS: dict[str, dict[str, object]] = {
    "an error line in mid-stream": {"mid_stream_error": 8},
    "an end without done": {"eof_without_done": 8},
    "a reset in mid-stream": {"tcp_reset": "stream"},
    "a load that fails": {"load_fail": "CUDA error: out of memory"},
    "a busy server": {"always_503": True},
    "half a line": {"half_line": True},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_model_leaves_without_a_name_and_never_costs_the_battle(
    deployed: SharedDeployment, fault: str
) -> None:
    if fault == "a load that fails":
        await unload_okapi(deployed)
    deployed.deployment.basalt.set(**FAULTS[fault])
    await check_that_okapi_leaves(deployed)


async def unload_okapi(deployed: SharedDeployment) -> None:
    async with client() as http:  # no call of the arena, so its document says nothing of the answer
        reply = await http.post(
            f"{deployed.deployment.basalt.url}/api/generate", json={"model": OKAPI, "keep_alive": 0}
        )
    assert reply.json()["done_reason"] == "unload"


async def test_a_server_that_refuses_connections_never_costs_the_battle(deployed: SharedDeployment) -> None:
    deployed.deployment.basalt.set(connection_refused=True)
    await check_that_okapi_leaves(deployed)


async def test_a_model_that_was_removed_never_costs_the_battle(deployed: SharedDeployment) -> None:
    with deployed.deployment.basalt.without(OKAPI), sync_redis.Redis.from_url(deployed.deployment.redis.url) as redis:
        await check_that_okapi_leaves(deployed)
        await wait_until(lambda: bool(redis.exists("arena:draw:gone")))  # no worker draws it for a minute
        redis.delete("arena:draw:gone")


async def check_that_okapi_leaves(deployed: SharedDeployment) -> None:
    tap = Tap(deployed.one.url)
    body = {"message": "Why do rivers bend?", "models": list(MODELS)}
    reply = await tap.call("POST", BATTLES, body)
    assert reply.status_code == 201, reply.text
    opened = reply.json()
    battle = opened["battle_id"]
    async with watching(deployed.two.url, battle) as (watched, whole):
        pair = (await tap.call("POST", "/api/arena/get_progressive_responses", {"battle_id": battle})).json()
        assert (pair["status"], pair["current_round"]) == ("ready", 0)
        check_blind(deployed, tap.sent)
        end = await judge_until_it_ends(tap, battle)
        await asyncio.wait_for(whole, PATIENCE_S)
    tap.heard(watched)
    check_blind(deployed, tap.sent)
    assert end["status"] == "finished"
    check_reveal(end["reveal"], failed={OKAPI})
    assert [line["verdict"] for line in end["votes"]] == ["a"], "one round less"
    check_replacement(watched.events)


async def judge_until_it_ends(tap: Tap, battle: str) -> dict[str, Any]:
    for _ in range(400):
        now = (await tap.call("GET", f"{BATTLES}/{battle}")).json()
        if now["status"] != "running":
            tap.sent = tap.sent[: tap.sent.rindex(b'{"battle_id"')]
            return dict(now)
        if now["can_vote"]:
            body = {"round": now["round"], "verdict": "a"}
            async with client() as http:
                reply = await http.post(f"{tap._url}{BATTLES}/{battle}/votes", json=body)
            assert reply.status_code == 200, reply.text
        await asyncio.sleep(0.05)
    raise AssertionError("the battle does not end")


def check_replacement(events: list[Sse]) -> None:
    """Whoever failed on stage was replaced: the round came again with the same number and one round less."""
    answers = [event for event in events if event.event == "answer" and event.data["finish_reason"] == "error"]
    rounds = [event for event in events if event.event == "round"]
    first_ready = next(n for n, event in enumerate(events) if event.event == "ready")
    before = [event for event in events[:first_ready] if event in answers]
    if not before:
        return
    (failed,) = before
    side = failed.data["side"]
    assert failed.data["error"].keys() == {"code", "message"}
    assert failed.data["error"]["code"] in {"unavailable", "timeout", "overloaded", "cut_off", "empty", "interrupted"}
    first, second = rounds[:2]
    assert (first.data["rounds_total"], second.data["rounds_total"]) == (2, 1)
    assert first.data["round"] == second.data["round"] == 1
    assert second.data["sides"][side] == {"alias": "Model C"}


async def test_with_two_models_one_that_fails_ends_the_battle_as_failed(deployed: SharedDeployment) -> None:
    deployed.deployment.basalt.set(mid_stream_error=5)
    battle = (await open_battle(deployed.one.url, models=[ZIRCON, OKAPI]))["battle_id"]
    watched = await watch(deployed.two.url, battle)
    end = watched.events[-1]
    assert (end.event, end.data["status"]) == ("end", "failed")
    assert end.data["reveal"]["champion"] is None
    assert {line["model"]: line["failed"] for line in end.data["reveal"]["ranking"]} == {ZIRCON: False, OKAPI: True}
    pair = (await post(arena(deployed.one, "get_progressive_responses"), {"battle_id": battle})).json()
    assert pair["status"] == "failed"
    assert isinstance(pair["error"], str)
    refused = await vote(deployed.one.url, battle, 1, "a")
    assert refused.status_code == 409


async def test_an_answer_that_failed_cannot_be_voted_on(deployed: SharedDeployment) -> None:
    deployed.deployment.basalt.set(stall_s=1.0, stall_after=5, mid_stream_error=8)
    battle = (await open_battle(deployed.one.url, models=[QUOKKA, OKAPI]))["battle_id"]
    await watch(deployed.one.url, battle, until=lambda event: event.event == "delta")
    early = await vote(deployed.one.url, battle, 1, "a")
    assert (early.status_code, early.json()["code"]) == (409, "not_ready")
    await watch(deployed.one.url, battle)
    late = await call("POST", f"{deployed.one.url}{BATTLES}/{battle}/votes", json={"round": 1, "verdict": "a"})
    assert late.status_code == 409


async def test_stopping_frees_the_model_server_within_a_second_and_ends_the_stream(deployed: SharedDeployment) -> None:
    for server in (deployed.deployment.granite, deployed.deployment.basalt):
        server.set(stall_s=20.0, stall_after=5)
    battle = (await open_battle(deployed.one.url, models=list(MODELS)))["battle_id"]
    async with watching(deployed.two.url, battle) as (watched, whole):
        await wait_until(lambda: len({event.data["side"] for event in watched.named("delta")}) == 2)
        assert deployed.deployment.granite.busy + deployed.deployment.basalt.busy >= 2
        stopped = await post(f"{deployed.two.url}{BATTLES}/{battle}/stop")
        assert stopped.json()["status"] == "stopped"
        await wait_until(lambda: deployed.deployment.granite.busy + deployed.deployment.basalt.busy == 0)
        await asyncio.wait_for(whole, PATIENCE_S)
    assert [event.event for event in watched.events[-3:]] == ["answer", "answer", "end"]
    assert {event.data["finish_reason"] for event in watched.named("answer")} == {"cancelled"}
    assert watched.events[-1].data["status"] == "stopped"
    assert watched.events[-1].data["reveal"]["champion"] is None
    assert watched.closed
    again = await post(f"{deployed.one.url}{BATTLES}/{battle}/stop")
    assert (again.status_code, again.json()) == (200, stopped.json())
