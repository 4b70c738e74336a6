"""HEAD where load balancers and scripts send it: the status and the headers of GET, and nothing else."""

from __future__ import annotations

import gzip

import pytest

from tests.whole.client import BATTLES, call, check_refusal, open_battle, post
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import OKAPI, ZIRCON

PATHS = ["/healthz", "/readyz", "/metrics", "/api/arena/hosts", "/api/arena/models", "/api/arena/leaderboard"]


@pytest.mark.parametrize("path", [*PATHS, f"{BATTLES}/{{battle}}"])
async def test_head_answers_like_get_without_a_body(deployed: SharedDeployment, ended: str, path: str) -> None:
    url = deployed.one.url + path.replace("{battle}", ended)
    head, get = await call("HEAD", url), await call("GET", url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_head_never_begins_a_stream(deployed: SharedDeployment, ended: str) -> None:
    reply = await call("HEAD", f"{deployed.one.url}{BATTLES}/{ended}/events")
    assert reply.status_code == 405


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, deflate"])
@pytest.mark.parametrize("path", [BATTLES, "/api/arena/start_progressive"])
async def test_a_compressed_body_is_refused_by_the_name_of_its_header(
    deployed: SharedDeployment, coding: str, path: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    reply = await call("POST", deployed.one.url + path, content=gzip.compress(b'{"message": "Hi"}'), headers=headers)
    assert f"Content-Encoding: {coding.lower()}" in check_refusal(reply, 415)["error"]


async def test_a_body_that_says_it_is_not_compressed_is_taken(deployed: SharedDeployment) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    reply = await call("POST", deployed.one.url + BATTLES, content=b'{"message": "Hi"}', headers=headers)
    assert reply.status_code == 201


async def test_models_are_known_by_the_names_that_ollama_takes(deployed: SharedDeployment) -> None:
    names = [ZIRCON.upper(), f"library/{OKAPI}"]
    battle = await open_battle(deployed.one.url, models=names)
    assert battle["rounds_total"] == 1
    twice = await post(deployed.one.url + BATTLES, {"message": "Hi", "models": [ZIRCON, ZIRCON.upper()]})
    assert "twice" in check_refusal(twice, 400)["error"]
    near = await post(deployed.one.url + BATTLES, {"message": "Hi", "models": [OKAPI, "zircon:8b"]})
    assert f"did you mean {ZIRCON}?" in check_refusal(near, 400)["error"]
