"""People vote on pairs of a run's answers, through the calls that the page makes."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.backends.base import GenerationOptions
from app.batch.comparing import Comparing, pairs_of, stage_to_compare
from app.batch.runs import Run
from app.batch.spec import RunSpec
from app.cli.batch_compare import counted
from app.database.database import Database
from app.errors import InvalidInput
from app.records.comparisons import comparisons
from app.records.export.formats import Format, lines
from app.web.shared.ownership import battle_token
from tests.batch.builders import done, stage
from tests.batch.process import stored_run
from tests.whole.client import call, snapshot, vote
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import OKAPI, ZIRCON

SPEC = RunSpec("two", (stage("a", ZIRCON, OKAPI, prompt="Argue for {{ topic }}."),))


def test_a_stage_needs_several_models_to_be_compared() -> None:
    spec = RunSpec("x", (stage("a", "m", "n"), stage("b", "m"), stage("c", "m", "n")))
    assert (stage_to_compare(spec, None), stage_to_compare(spec, "a")) == (2, 0)
    with pytest.raises(InvalidInput, match="'b' is no stage with several models; there is a, c"):
        stage_to_compare(spec, "b")
    with pytest.raises(InvalidInput, match="no stage of this run has several models"):
        stage_to_compare(RunSpec("x", (stage("a"),)), None)


def test_only_answers_of_different_models_meet_and_none_from_the_cache() -> None:
    spec = RunSpec("x", (stage("a", "m", "n", samples=2),))
    calls = {(0, part): done() for part in range(4)}
    met = [(pair.first[1], pair.second[1]) for pair in pairs_of(spec, 0, 0, calls)]
    assert met == [(0, 2), (0, 3), (1, 2), (1, 3)]
    calls[0, 2] = type(done())("done", text="yes", model="n", finish_reason="stop", cached=True)
    assert [(pair.first[1], pair.second[1]) for pair in pairs_of(spec, 0, 0, calls)] == [(0, 3), (1, 3)]


def telling(n: int, model: str) -> str:
    return f"{n}: I am {model.partition(':')[0].title()}. I say yes"


def comparing(database: Database, run: Run, secret: bytes, seed: int = 1) -> Comparing:
    rng, options = random.Random(seed), GenerationOptions()
    return Comparing(database, run, 0, secret, "mask", lambda _: options, datetime.now(UTC), rng)


async def test_a_pair_is_judged_blind_on_the_page_and_counts_only_where_it_is_asked_for(
    deployed: SharedDeployment,
) -> None:
    folder = Path(deployed.deployment.settings["ARENA_DATA_DIR"])
    secret = await asyncio.to_thread((folder / "secret").read_bytes)
    database = Database(f"sqlite:///{folder}/arena.db")
    busy = deployed.deployment.granite.busy, deployed.deployment.basalt.busy
    try:
        run = await stored_run(
            database, SPEC, 3, lambda n, model: f"{n}: I am {model.partition(chr(58))[0].title()}. I say yes"
        )
        opened = await comparing(database, run, secret).open(2)
        rest = await comparing(database, run, secret, 2).open(9)
        assert (len(opened), len(rest)) == (2, 1)
        assert len({*opened, *rest}) == 3
        assert await comparing(database, run, secret).open(9) == []
        seen = await snapshot(deployed.two.url, opened[0])
        assert (seen["status"], seen["can_vote"], seen["round"]) == ("running", True, 1)
        assert seen["message"].startswith("Argue for thing ")
        texts = [seen["sides"][side]["text"] for side in ("a", "b")]
        assert all(" I say yes" in text for text in texts)
        assert not any(name in str(seen).lower() for name in ("zircon", "okapi", run.id))
        token = battle_token(secret, opened[0])
        link = f"{deployed.one.url}/battle/{opened[0]}/claim?token="
        assert (await call("GET", f"{link}{token[::-1]}", follow_redirects=False)).status_code == 403
        assert (await call("GET", f"{link}{token}", follow_redirects=False)).status_code == 303
        seen_as = dict(zip(sorted((ZIRCON, OKAPI)), ("one", "other"), strict=True))
        reply = await vote(deployed.one.url, opened[0], 1, "a", headers={"X-Battle-Token": token})
        assert reply.status_code == 200, reply.text
        voted = reply.json()
        assert voted["status"] == "finished"
        votes = await database.read(lambda connection: counted(connection, run.id))
        winner = seen_as[voted["reveal"]["ranking"][0]["model"]]
        assert votes == {(0, *sorted((ZIRCON, OKAPI)), winner): 1}
        judged = await judged_in(database, opened[0])
        assert judged["battle"]["options"]["batch"]["run"] == run.id
        assert {ZIRCON, OKAPI} == {voted["reveal"]["ranking"][0]["model"], voted["reveal"]["ranking"][1]["model"]}
    finally:
        await database.aclose()
    assert (deployed.deployment.granite.busy, deployed.deployment.basalt.busy) == busy == (0, 0)


async def judged_in(database: Database, battle: str) -> dict[str, Any]:
    async for chunk in comparisons(database, 50):
        for line in lines(Format.ARENA, chunk).splitlines():
            found: dict[str, Any] = orjson.loads(line)
            if found["battle_id"] == battle:
                return found
    raise AssertionError(f"{battle} is not in the export")
