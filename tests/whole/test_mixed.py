"""A battle of an Ollama model against one of a server that speaks OpenAI's chat completions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.backends import llama_server
from tests.helpers import wait_until
from tests.redis.server import RedisServer
from tests.whole.client import call, client, open_battle, play
from tests.whole.harness import OKAPI, ZIRCON, ModelServer, serve

TINY = "tiny-random"

TOML = """
[[hosts]]
name = "own"
url = "{ollama}"
memory_gb = 24

[[hosts]]
name = "rented"
url = "{openai}/v1"
kind = "openai"
models = ["{model}"]
api_key_env = "RENTED_KEY"
num_parallel = 2

[[hosts]]
name = "lab"
url = "{llama}/v1"

[[models]]
name = "{model}"
options = {{ top_p = 0.9, top_k = 40 }}
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An arena over two hosts of different kinds, and its folder."""
    with ExitStack() as stack:
        ollama, openai = ModelServer((ZIRCON,)), ModelServer((OKAPI,))
        for server in (ollama, openai):
            stack.callback(server.close)
        redis = RedisServer()
        stack.callback(redis.close)
        toml = tmp_path / "arena.toml"
        (tmp_path / "llama").mkdir()
        llama = stack.enter_context(llama_server.single(tmp_path / "llama", TINY))
        toml.write_text(TOML.format(ollama=ollama.url, openai=openai.url, llama=llama, model=OKAPI))
        settings = {"ARENA_CONFIG": str(toml), "ARENA_DATA_DIR": str(tmp_path / "data"), "REDIS_URL": redis.url}
        instance = serve(tmp_path, settings | {"RENTED_KEY": "sk-secret", "ARENA_SEED": "7"})
        stack.callback(instance.close)
        yield instance.wait_for_address().url, tmp_path


async def driven(url: str) -> bool:
    hosts = (await call("GET", f"{url}/api/arena/hosts")).json()["hosts"]
    return all(host["driven"] and host["health"] == "up" for host in hosts)


def stored(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "data" / "arena.db")) as database:
        return database.execute(query).fetchall()


async def test_servers_of_three_kinds_play_one_battle_and_are_told_apart_in_the_records(
    mixed: tuple[str, Path],
) -> None:
    url, folder = mixed
    await wait_until(lambda: driven(url))
    hosts = {host["name"]: host for host in (await call("GET", f"{url}/api/arena/hosts")).json()["hosts"]}
    assert {name: (host["kind"], host["num_parallel"]) for name, host in hosts.items()} == {
        "own": ("ollama", 1),
        "rented": ("openai", 2),
        "lab": ("llama-server", 2),  # a real one: nobody said its kind, and it tells its slots
    }
    battle = (await open_battle(url, num_models=3))["battle_id"]
    end = await play(url, battle, ["a", "b"])
    assert end["status"] == "finished"
    lines = {line["model"]: line for line in end["reveal"]["ranking"]}
    assert {model: line["host"] for model, line in lines.items()} == {ZIRCON: "own", OKAPI: "rented", TINY: "lab"}
    timings = {model: line["timing"] for model, line in lines.items()}
    # Ollama and llama-server time their answers themselves; of the other the arena's clock is what there is.
    assert [timings[model]["own_clock"] for model in (ZIRCON, OKAPI, TINY)] == [False, True, False]
    assert all(timing["tokens"] > 0 and timing["decode_s"] > 0 and timing["ttft_s"] > 0 for timing in timings.values())
    who = dict(stored(folder, "select model, server from contestants"))
    assert who == {ZIRCON: None, OKAPI: "openai", TINY: "llama-server"}
    ((options,),) = stored(folder, f"select options from answers where model = '{OKAPI}'")
    assert '"max_tokens"' in options
    assert '"top_p": 0.9' in options
    assert "top_k" not in options
    assert "num_ctx" not in options
    assert dict(stored(folder, "select model, prompt_tokens > 0 from answers")) == {ZIRCON: 1, OKAPI: 1, TINY: 1}
    # Nobody said that the rented model can't call tools, so it is asked; its server's refusal is the client's fault.
    tool = {"type": "function", "function": {"name": "now"}}
    asked = {"model": OKAPI, "messages": [{"role": "user", "content": "What time is it?"}], "tools": [tool]}
    async with client() as http:
        refused = await http.post(f"{url}/v1/chat/completions", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    # The real server's slots hold 512 tokens, whatever num_ctx is: what does not fit is told before it is asked.
    prose = "The sky is blue because light scatters in the air above us. " * 60
    async with client() as http:
        refused = await http.post(
            f"{url}/v1/chat/completions", json={"model": TINY, "messages": [{"role": "user", "content": prose}]}
        )
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "prompt_too_long")
    log = "".join(path.read_text() for path in folder.glob("*.log"))
    assert '"option": "top_k"' in log
    assert "sk-secret" not in log
