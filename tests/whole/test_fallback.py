"""Two hosts with the same models: one that dies delays nobody, and one that is a fallback is never used in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import wait_until
from tests.redis.server import RedisServer
from tests.whole.client import call, open_battle, play
from tests.whole.harness import MODELS, ModelServer, serve


@pytest.fixture
def start(tmp_path: Path) -> Iterator[tuple[Callable[..., Any], ModelServer, ModelServer]]:
    """Give a function that starts an arena over two hosts, ``own`` and ``spare``; it returns its address."""
    with ExitStack() as stack:
        own, spare = ModelServer(MODELS), ModelServer(MODELS)
        stack.callback(own.close)
        stack.callback(spare.close)
        redis = RedisServer()
        stack.callback(redis.close)

        def started(spare_is: str) -> str:
            toml = tmp_path / "arena.toml"
            hosts = (("own", own.url, ""), ("spare", spare.url, spare_is))
            rows = (f'[[hosts]]\nname = "{name}"\nurl = "{url}"\nmemory_gb = 24\n{more}\n' for name, url, more in hosts)
            toml.write_text("".join(rows))
            settings = {
                "ARENA_CONFIG": str(toml),
                "ARENA_DATA_DIR": str(tmp_path / "data"),
                "ARENA_MODELS": ",".join(MODELS),
                "REDIS_URL": redis.url,
            }
            instance = serve(tmp_path, settings)
            stack.callback(instance.close)
            return instance.wait_for_address().url

        yield started, own, spare


async def hosts_of(url: str) -> dict[str, dict[str, Any]]:
    shown = (await call("GET", f"{url}/api/arena/hosts")).json()["hosts"]
    return {host["name"]: host for host in shown}


async def none_down(url: str) -> bool:
    return all(host["health"] in ("up", "trying") and host["driven"] for host in (await hosts_of(url)).values())


async def played(url: str) -> list[dict[str, Any]]:
    """Play a battle to its end; return the lines of its ranking."""
    battle = (await open_battle(url))["battle_id"]
    end = await play(url, battle, ["a", "b"])
    assert end["status"] == "finished"
    return list(end["reveal"]["ranking"])


async def test_a_battle_goes_on_when_one_of_two_hosts_dies(
    start: tuple[Callable[..., Any], ModelServer, ModelServer],
) -> None:
    started, own, spare = start
    url = started("")
    await wait_until(lambda: none_down(url))
    await played(url)
    for dead, alive in ((own, "spare"), (spare, "own")):
        dead.set(connection_refused=True)
        for _ in range(2):
            lines = await played(url)
            assert not [line for line in lines if line["failed"]]
            assert {line["host"] for line in lines} == {alive}
            assert not any(line["fallback"] for line in lines)
        dead.clear()
        await wait_until(lambda: none_down(url))


async def test_a_fallback_is_asked_only_in_need_and_its_answers_are_marked_everywhere(
    start: tuple[Callable[..., Any], ModelServer, ModelServer],
) -> None:
    started, own, _ = start
    url = started("fallback = true")
    await wait_until(lambda: none_down(url))
    assert {(line["host"], line["fallback"]) for line in await played(url)} == {("own", False)}
    assert (await hosts_of(url))["spare"]["residents"] == [], "nothing is kept warm where nobody is to be sent"
    own.set(connection_refused=True)
    assert {(line["host"], line["fallback"]) for line in await played(url)} == {("spare", True)}

    async def boards() -> tuple[dict[str, Any], dict[str, Any]]:
        plain = (await call("GET", f"{url}/api/arena/leaderboard")).json()
        every = (await call("GET", f"{url}/api/arena/leaderboard?include=fallback")).json()
        return plain, every

    async def counted() -> list[int]:
        plain, every = await boards()
        votes = [sum(row["battles_fought"] for row in board["leaderboard"]) for board in (plain, every)]
        return votes[0] and votes[1] > votes[0] and votes

    votes = await wait_until(counted, interval=0.5)
    assert votes[1] == 2 * votes[0], "one battle counts by default, the other only if it is asked for"

    async def metric() -> bool:
        text = (await call("GET", f"{url}/metrics")).text
        lines = (line.split() for line in text.splitlines() if line.startswith("arena_fallback_answers_total{"))
        return sum(float(value) for _, value in lines) == len(MODELS)

    await wait_until(metric)
