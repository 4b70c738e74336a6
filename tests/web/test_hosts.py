"""What is told of hosts and models, and to whom."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import httpx
import pytest
from redis.asyncio import Redis

from app.backends.base import InstalledModel
from app.doctor.diagnose import Diagnosis
from app.doctor.finding import Finding
from app.draw.planning.rotation import Rotation
from app.draw.shown import shown
from app.draw.store import DrawnSets, DrawStore
from app.hosts.catalog import Contender
from app.hosts.roster import Roster
from app.redis.client import commands_client
from app.scheduling.report import HostReport
from app.web.api import host_examples
from app.web.api.host_views import model_view, rfc3339
from app.web.shared.fleet import Fleet, troubles
from tests.documented import document
from tests.redis.server import RedisServer
from tests.web.fleets import GONE, KEY, NOW, OKAPI, ONE, QUOKKA, REPORT, TWO, ZIRCON, client, fleet_of, roster_of

HOSTS, MODELS, WARM = "/api/arena/hosts", "/api/arena/models", "/api/arena/warm"


FOUND = Finding("version_too_old", "warning", "gpu-1", "It is old.", "Update it.")


async def doctor() -> Diagnosis:
    return Diagnosis(datetime.fromtimestamp(NOW, UTC), 0.1, (FOUND,))


async def get(fleet: Fleet, path: str = HOSTS, **more: Any) -> dict[str, Any]:
    async with client(fleet, **more) as http:
        reply = await http.get(path)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_everybody_sees_the_hosts_in_the_configured_order_and_nothing_of_their_memory(redis: Redis) -> None:
    seen = await get(await fleet_of(redis, REPORT))
    assert [(host["name"], host["health"], host["driven"]) for host in seen["hosts"]] == [
        ("gpu-1", "up", True),
        ("gpu-2", "unknown", False),
        ("gpu-3", "down", False),
    ]
    one, two, _ = seen["hosts"]
    assert (one["version"], one["max_models"], one["memory_bytes"]) == ("0.12.3", 3, 24 * 1024**3)
    assert (one["residents"], one["loading"], one["resident_vram_bytes"], one["told_at"]) == ([], False, 0, None)
    assert (two["fallback"], two["scale_to_zero"]) == (True, True)
    assert (seen["view"], seen["waiting"], seen["running"]) == ("public", 0, 0)


async def test_what_everybody_sees_of_hosts_does_not_change_while_models_are_loaded_and_write(redis: Redis) -> None:
    idle = replace(REPORT, residents=(), loading=None, waiting=0, running=0, at=NOW + 30)
    seen = [await get(await fleet_of(redis, report), path) for report in (idle, REPORT) for path in (HOSTS, MODELS)]
    assert seen[:2] == seen[2:]


async def test_operators_see_what_is_in_memory(redis: Redis) -> None:
    one = (await get(await fleet_of(redis, REPORT), operator=True))["hosts"][0]
    foreign, zircon = one["residents"]
    assert (zircon["model"], zircon["context_length"], zircon["flags"]) == (ZIRCON, 4096, ["offloaded"])
    assert not foreign["ours"]
    assert zircon["vram_bytes"] < zircon["size_bytes"]
    assert (one["loading"], one["told_at"]) == (True, "2026-01-01T00:00:00.250Z")


async def test_nobody_but_operators_learns_who_writes_where_or_which_addresses_there_are(redis: Redis) -> None:
    seen = json.dumps(await get(await fleet_of(redis, REPORT, doctor=doctor)))
    for secret in (QUOKKA, "10.0.0", "secret", "used", "expires", "by_model", "load_failed", "findings", "why"):
        assert secret not in seen
    moved_on = replace(
        REPORT,
        running_by_model={QUOKKA: 1},
        waiting_by_model={ZIRCON: 2},
        # The server lists first what was used last.
        residents=tuple(replace(one, used=NOW, expires_at=NOW + 999) for one in reversed(REPORT.residents)),
    )
    assert json.dumps(await get(await fleet_of(redis, moved_on))) == seen


@pytest.mark.parametrize("headers", [{}, {"x-admin-key": KEY}])
async def test_operators_see_everything_but_the_password(redis: Redis, headers: dict[str, str]) -> None:
    seen = await get(await fleet_of(redis, REPORT, doctor=doctor), operator=not headers, **headers)
    one, _, gone = seen["hosts"]
    assert seen["view"] == "full"
    assert one["url"] == "http://10.0.0.5:11434/path"
    assert (one["waiting_by_model"], one["running_by_model"]) == ({QUOKKA: 2}, {ZIRCON: 1})
    assert (one["loading_model"], one["planned"]) == (QUOKKA, [ZIRCON, QUOKKA])
    assert one["loading_for_s"] > 3
    assert one["residents"][1]["expires_at"] == "2026-01-01T00:05:00.250Z"
    assert one["events"][1] == {
        "at": "2025-12-31T23:59:55.250Z",
        "kind": "load_failed",
        "model": QUOKKA,
        "detail": "it said: no memory",
    }
    assert gone["why"] == "refused at 10.0.0.7"
    assert seen["findings"][0]["command"] is None
    assert "secret" not in json.dumps(seen)


async def test_operators_see_what_was_unloaded_and_why(redis: Redis) -> None:
    fleet = await fleet_of(redis, REPORT)
    one, two, _ = (await get(fleet, operator=True))["hosts"]
    assert one["unloads"] == [
        {"at": "2025-12-31T23:59:00.250Z", "model": OKAPI, "reason": None, "why": "its reason in words"},
        {
            "at": "2025-12-31T23:59:54.250Z",
            "model": OKAPI,
            "reason": "makes_room",
            "why": "to make room for quokka:8b, for which somebody waits",
        },
    ]
    assert two["unloads"] == []
    assert "unloads" not in (await get(fleet))["hosts"][0]


async def test_the_driver_is_believed_against_our_own_probe(redis: Redis) -> None:
    seen = await get(await fleet_of(redis, HostReport("gpu-3", NOW, health="trying", why="timeout")))
    assert seen["hosts"][2]["health"] == "trying"


async def test_models_tell_where_they_are_and_which_are_missing(redis: Redis) -> None:
    assert [one["resident_on"] for one in (await get(await fleet_of(redis, REPORT), MODELS))["models"]] == [[], []]
    seen = await get(await fleet_of(redis, REPORT), MODELS, operator=True)
    zircon, quokka = seen["models"]
    assert (zircon["model"], zircon["hosts"], zircon["resident_on"]) == (ZIRCON, ["gpu-1"], ["gpu-1"])
    assert (quokka["hosts"], quokka["resident_on"]) == (["gpu-1", "gpu-2"], [])
    assert zircon["size_bytes"] > 0
    assert quokka["same_everywhere"]
    assert seen["missing"] == [
        {"model": "okapi-8b", "suggestion": OKAPI, "remedy": f"Did you mean {OKAPI}? Correct ARENA_MODELS."}
    ]


async def test_a_missing_model_may_be_on_the_host_that_is_silent(redis: Redis) -> None:
    fleet = await fleet_of(redis, roster=await roster_of((ZIRCON, QUOKKA, "numbat:3b", "numbat-cloud")))
    numbat, cloud = (await get(fleet, MODELS))["missing"]
    assert "gpu-3" in numbat["remedy"]
    assert "never enters a battle" in cloud["remedy"]


class Installed:
    """A roster of hosts whose copies of a model have these digests."""

    def __init__(self, **digests: Any) -> None:
        self._digests = digests

    def installed(self, host: str, model: str) -> InstalledModel:
        return InstalledModel(model, 5, self._digests[host])


@pytest.mark.parametrize(("digests", "same"), [(("d1", "d1"), True), (("d1", "d2"), False), (("", "d1"), True)])
def test_different_files_under_one_name_are_told(digests: tuple[str, str], same: bool) -> None:
    roster = Installed(one=digests[0], two=digests[1])
    view = model_view(Contender(ZIRCON, ("one", "two"), 5), cast(Roster, roster), {})
    assert view["same_everywhere"] == same
    assert view["digest"] == "d1"


async def warmed(redis: Redis, **request: Any) -> tuple[httpx.Response, list[str]]:
    asked = []

    async def warm(models: list[str]) -> None:
        asked.extend(models)

    async with client(await fleet_of(redis, warm=warm)) as http:
        reply = await http.post(WARM, **request)
    return reply, asked


@pytest.mark.parametrize(
    ("request_", "models"),
    [
        ({}, [ZIRCON, QUOKKA]),
        ({"json": {}}, [ZIRCON, QUOKKA]),
        ({"json": {"models": None}}, [ZIRCON, QUOKKA]),
        ({"json": {"models": ["library/Quokka:8B", QUOKKA]}}, [QUOKKA]),
        ({"json": {"models": []}}, []),
    ],
)
async def test_models_are_warmed_before_anybody_plays(
    redis: Redis, request_: dict[str, dict[str, Any]], models: list[str]
) -> None:
    reply, asked = await warmed(redis, **request_)
    assert reply.status_code == 202
    assert reply.json() == {"warming": models}
    assert asked == models


@pytest.mark.parametrize("models", ["zircon:7b", [1], [""], ["numbat:3b"], ["zircon-cloud"], [ZIRCON] * 101, {}])
async def test_what_can_not_be_warmed_is_refused_with_its_field(
    redis: Redis, models: str | list[int | str] | dict[Any, Any]
) -> None:
    reply, asked = await warmed(redis, json={"models": models})
    assert reply.status_code == 400
    assert reply.json()["field"].startswith("models")
    assert not asked


async def test_without_redis_hosts_and_models_are_503(redis_server: RedisServer) -> None:
    redis = commands_client(redis_server.url)
    fleet = await fleet_of(redis)
    redis_server.kill()
    async with client(fleet) as http:
        for path in (HOSTS, MODELS, "/metrics"):
            reply = await http.get(path)
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) > 0
            assert reply.json()["code"] == "redis_away"
    await redis.aclose()


def test_the_troubles_of_hosts_are_named() -> None:
    reports = {
        "gpu-1": HostReport("gpu-1", NOW, health="down", why="unavailable"),
        "gpu-2": HostReport("gpu-2", NOW, health="trying"),
        "gpu-4": HostReport("gpu-4", NOW, health="down", why="unavailable", failed_answers=6),
    }
    assert troubles(reports, (ONE, TWO, GONE), ["gpu-3"]) == (
        "host gpu-1 does not answer (unavailable)",
        "host gpu-2 failed and is on trial: it gets one answer",
        "no process drives host gpu-3 at the moment",
        "host gpu-3 does not answer",
    )
    assert troubles(reports, (replace(ONE, name="gpu-4"),)) == (
        "host gpu-4 answers its probes, but its last 6 answers failed (unavailable)",
    )
    assert troubles({"gpu-1": REPORT}, (ONE,), ["gpu-1"]) == ()


def test_times_are_rfc_3339_in_utc_and_odd_ones_none() -> None:
    assert rfc3339(NOW) == "2026-01-01T00:00:00.250Z"
    assert [rfc3339(at) for at in (None, 0.0, 1e18)] == [None] * 3


async def test_only_operators_see_which_models_battles_are_drawn_from(redis: Redis) -> None:
    store = DrawStore(redis)
    await store.replace(
        b"", DrawnSets("9f3a", Rotation(2, {"gpu-1": (QUOKKA, ZIRCON)}, (), NOW), ((QUOKKA, ZIRCON, 1.0),))
    )
    await store.count("9f3a-2", (ZIRCON, QUOKKA))
    fleet = await fleet_of(redis, REPORT, doctor=doctor, rotation=partial(shown, store))
    full = (await get(fleet, operator=True))["rotation"]
    assert list(full) == list(host_examples.FULL_VIEW["rotation"])
    assert (full["set_id"], full["battles"], full["sets"]) == ("9f3a-2", 1, {"gpu-1": [QUOKKA, ZIRCON]})
    assert full["drawn"] == {QUOKKA: 1, ZIRCON: 1}
    assert full["pairs"] == [{"models": sorted((QUOKKA, ZIRCON)), "drawn": 1, "share": 1.0}]
    assert full["since"] == rfc3339(NOW)
    assert "rotation" not in await get(fleet)
    assert QUOKKA not in json.dumps(await get(fleet))


async def test_the_examples_have_the_fields_of_real_answers(redis: Redis) -> None:
    fleet = await fleet_of(redis, REPORT, doctor=doctor)
    for example, answered in (
        (host_examples.PUBLIC_VIEW, await get(fleet)),
        (host_examples.FULL_VIEW, await get(fleet, operator=True)),
        (host_examples.MODELS_VIEW, await get(fleet, MODELS)),
    ):
        assert list(example) == list(answered)
        for name, rows in example.items():
            if isinstance(rows, list):
                assert list(rows[0]) == list(answered[name][0])
    full = (await get(fleet, operator=True))["hosts"][0]
    assert list(host_examples.FULL_HOST["residents"][0]) == list(full["residents"][0])
    assert host_examples.HOST["residents"] == (await get(fleet))["hosts"][0]["residents"]


def test_the_calls_are_documented_with_examples() -> None:
    paths = document()["paths"]
    for path, verb, status in ((HOSTS, "get", "200"), (MODELS, "get", "200"), (WARM, "post", "202")):
        operation = paths[path][verb]
        assert operation["tags"] == ["hosts"]
        content = operation["responses"][status]["content"]["application/json"]
        assert content.get("example") or content.get("examples")
        assert operation["description"]
    assert paths["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"]["example"]
