"""Language and categories of battles: found while they are played, told by the opener, asked for at the board."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import wait_until
from tests.redis.server import RedisServer
from tests.whole.client import BATTLES, call, play
from tests.whole.harness import MODELS, ModelServer, serve

RULES = '[[categories]]\nname = "code"\nwords = ["python", "sql"]\n\n[[categories]]\nname = "planned"\n'


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An arena with a rule for ``code``, and a category that only openers can tell."""
    with ExitStack() as stack:
        server, redis = ModelServer(MODELS), RedisServer()
        stack.callback(server.close)
        stack.callback(redis.close)
        toml = tmp_path / "arena.toml"
        toml.write_text(f'[[hosts]]\nname = "own"\nurl = "{server.url}"\nmemory_gb = 24\n\n{RULES}')
        settings = {
            "ARENA_CONFIG": str(toml),
            "ARENA_DATA_DIR": str(tmp_path / "data"),
            "ARENA_MODELS": ",".join(MODELS),
            "REDIS_URL": redis.url,
        }
        instance = serve(tmp_path, settings)
        stack.callback(instance.close)
        yield instance.wait_for_address().url


async def board(url: str, **query: str) -> dict[str, Any]:
    shown = await call("GET", f"{url}/api/arena/leaderboard", params=query)
    return dict(shown.json())


async def test_language_and_categories_of_live_battles_have_boards(url: str) -> None:
    opened = (
        {"message": "Warum ist der Himmel am Abend so rot?"},
        {"message": "How do I sort a list in Python, please?"},
        {"message": "Hello there, how are you today?", "language": "English", "categories": ["planned"]},
    )
    for body in opened:
        battle = (await call("POST", url + BATTLES, json={**body, "num_models": 2})).json()
        await play(url, battle["battle_id"], ["a"])

    async def all_told() -> bool:
        shown = await board(url)
        return (shown["categories"], shown["languages"]) == (["code", "planned"], ["de", "en"])

    await wait_until(all_told)
    assert (await board(url, category="code"))["counts"]["votes"] == 1
    assert (await board(url, language="de"))["counts"]["votes"] == 1


async def test_a_category_that_is_not_known_is_an_error_that_lists_the_known(url: str) -> None:
    sentence = "known are code, planned"
    refused = await call("POST", url + BATTLES, json={"message": "Why?", "categories": ["poetry"]})
    assert (refused.status_code, refused.json()["field"]) == (400, "categories")
    assert sentence in refused.json()["error"]

    refused = await call("GET", f"{url}/api/arena/leaderboard", params={"category": "poetry"})
    assert (refused.status_code, refused.json()["field"]) == (400, "category")
    assert sentence in refused.json()["error"]

    for body in ({"language": "a tongue"}, {"categories": "code"}, {"categories": [""]}, {"language": 7}):
        refused = await call("POST", url + BATTLES, json={"message": "Why?", **body})
        assert (refused.status_code, refused.json()["field"].split(".")[0]) == (400, next(iter(body)))
